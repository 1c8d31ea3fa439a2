#!/bin/sh
# `make demo`: a connection between two Linux hosts whose final ACK was lost, captured between the
# two, and what lastack reports. With --valgrind: only what valgrind says of that.
set -eu
: "${LASTACK:=build/lastack}"
capture=testdata/lab/loss-final-ack/middle.pcap.xz

if [ "${1-}" = --valgrind ]; then
    for arguments in "$capture" "-o /dev/null --connections - --findings /dev/null $capture" \
        "sockets --every 1s --count state $capture" "explain lost-final-ack" "schema report"; do
        # shellcheck disable=SC2086 # arguments without spaces
        valgrind --quiet --leak-check=full --show-leak-kinds=definite,indirect,possible \
            --errors-for-leak-kinds=definite,indirect,possible --error-exitcode=99 \
            "$LASTACK" $arguments >/dev/null
        echo "valgrind: lastack $arguments: no leak, no bad access"
    done
    exit
fi

echo "\$ $LASTACK $capture"
"$LASTACK" "$capture"
cat <<EOF

That is the whole report. What it means and what to do about it, and both ends' states with times:
\$ $LASTACK explain lost-final-ack
\$ $LASTACK -o /dev/null --connections - $capture
EOF
