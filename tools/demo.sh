#!/bin/sh
# `make demo`: a capture of a connection whose final ACK was lost, and what lastack says of it.
# With --valgrind: the same under valgrind, saying only what valgrind finds.
set -eu
: "${LASTACK:=build/lastack}"
capture=testdata/lab/loss-final-ack/client.pcap.xz

if [ "${1-}" = --valgrind ]; then
    for arguments in "$capture" "--connections /dev/null --findings /dev/null $capture" \
        "explain lost-final-ack" "schema report"; do
        # shellcheck disable=SC2086 # arguments without spaces
        valgrind --quiet --leak-check=full --show-leak-kinds=definite,indirect,possible \
            --errors-for-leak-kinds=definite,indirect,possible --error-exitcode=99 \
            "$LASTACK" $arguments >/dev/null
        echo "valgrind: lastack $arguments: no leak, no bad access"
    done
    exit
fi

echo "\$ lastack $capture"
"$LASTACK" "$capture"
