#!/bin/sh
# Installs what building and testing need and this machine lacks: from Debian's packages where there
# is apt-get; elsewhere it says what to install. When nothing is missing, it says nothing and
# touches neither the network nor the machine.
#
#   tools/install-deps.sh [--check] GROUP...       groups: build test lab valgrind develop
#
# --check only says what is missing. Exit: 0 nothing is missing (any more), 1 the installation
# failed, 2 wrong usage, 3 something is missing and it is not for this script to install it.
set -u

CC=${CC:-cc}
PKG_CONFIG=${PKG_CONFIG:-pkg-config}
here=$(dirname "$0")

# What a compiler is called in each world; `cc` is what any of them provides.
case $CC in
*clang*) compiler='clang clang clang llvm' ;;
*) compiler='gcc gcc gcc gcc' ;;
esac

# One line a dependency: how it is found, and its package in Debian, Fedora, Arch and Homebrew.
list() {
    case $1 in
    build) cat <<EOF ;;
program:${CC%% *} $compiler
header:stdio.h libc6-dev glibc-devel glibc gcc
program:$PKG_CONFIG pkg-config pkgconf pkgconf pkgconf
package:libpcap libpcap-dev libpcap-devel libpcap libpcap
package:jansson libjansson-dev jansson-devel jansson jansson
package:zlib zlib1g-dev zlib-devel zlib zlib
package:libzstd libzstd-dev libzstd-devel zstd zstd
package:liblzma liblzma-dev xz-devel xz xz
package:liblz4 liblz4-dev lz4-devel lz4 lz4
header:bzlib.h libbz2-dev bzip2-devel bzip2 bzip2
package:libmd libmd-dev libmd-devel libmd libmd
EOF
    test) cat <<EOF ;;
package:cmocka libcmocka-dev libcmocka-devel cmocka cmocka
program:python3 python3 python3 python python
python:jsonschema python3-jsonschema python3-jsonschema python-jsonschema python-jsonschema
EOF
    lab) cat <<EOF ;;
program:ip iproute2 iproute iproute2 iproute2
program:nft nftables nftables nftables nftables
program:tcpdump tcpdump tcpdump tcpdump tcpdump
EOF
    valgrind) cat <<EOF ;;
program:valgrind valgrind valgrind valgrind valgrind
EOF
    develop) cat <<EOF ;;
program:gcc gcc gcc gcc gcc
program:clang clang clang clang llvm
program:clang-format clang-format clang-tools-extra clang clang-format
program:clang-tidy clang-tidy clang-tools-extra clang llvm
program:cppcheck cppcheck cppcheck cppcheck cppcheck
program:mandoc mandoc mandoc mandoc mandoc
program:jq jq jq jq jq
program:valgrind valgrind valgrind valgrind valgrind
EOF
    *)
        echo "install-deps: no such group: $1" >&2
        exit 2
        ;;
    esac
}

have() {
    name=${1#*:}
    case $1 in
    program:*) command -v "$name" >/dev/null 2>&1 ;;
    header:*) echo "#include <$name>" | ${CC} -E - >/dev/null 2>&1 ;;
    package:*) "$PKG_CONFIG" --exists "$name" 2>/dev/null ;;
    python:*) "$("$here"/find-python.sh)" -c "import $name" 2>/dev/null ;;
    esac
}

# Prints the lines of `list` for what is missing.
missing() {
    for group in "$@"; do
        list "$group" | while read -r probe packages; do
            have "$probe" || echo "$probe $packages"
        done
    done
}

column() { # the packages of column $1 among the lines of $lacking, in one line
    echo "$lacking" | awk -v n="$1" '!seen[$n]++ { printf "%s%s", space, $n; space = " " }'
}

by_hand() {
    echo "lastack: this needs packages that are not installed. Install them, then run make again:"
    if command -v apt-get >/dev/null 2>&1; then
        echo "  as root:   apt-get install $(column 2)"
    elif command -v dnf >/dev/null 2>&1; then
        echo "  sudo dnf install $(column 3)"
    elif command -v pacman >/dev/null 2>&1; then
        echo "  sudo pacman -S --needed $(column 4)"
    elif command -v brew >/dev/null 2>&1; then
        echo "  brew install $(column 5)"
    else
        echo "  Debian, Ubuntu:  apt-get install $(column 2)"
        echo "  Fedora:          dnf install $(column 3)"
        echo "  Arch:            pacman -S --needed $(column 4)"
        echo "  Homebrew:        brew install $(column 5)"
    fi
} >&2

# apt-get as root, or through sudo.
apt() {
    if [ "$(id -u)" -eq 0 ]; then
        DEBIAN_FRONTEND=noninteractive apt-get "$@"
    else
        sudo DEBIAN_FRONTEND=noninteractive apt-get "$@"
    fi
}

install() {
    apt install -y --no-install-recommends -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

apt_install() {
    # The package lists are fetched only where they are absent, or too old to install from.
    if apt-cache show "$@" >/dev/null 2>&1 && install "$@"; then
        return 0
    fi
    apt update -o Acquire::Retries=3 && install "$@"
}

check=
if [ "${1-}" = --check ]; then
    check=yes
    shift
fi
if [ $# -eq 0 ]; then
    echo "usage: tools/install-deps.sh [--check] build|test|lab|valgrind|develop..." >&2
    exit 2
fi
for group in "$@"; do
    list "$group" >/dev/null
done

lacking=$(missing "$@")
if [ -z "$lacking" ]; then
    exit 0
fi
if [ -n "$check" ] || ! command -v apt-get >/dev/null 2>&1 ||
    { [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; }; then
    by_hand
    exit 3
fi

packages=$(column 2)
echo "lastack: installing with apt-get what is missing here: $packages"
# shellcheck disable=SC2086 # one word a package
if ! apt_install $packages; then
    echo "lastack: apt-get could not install: $packages (install them by hand, then run make again)" >&2
    exit 1
fi
lacking=$(missing "$@")
if [ -n "$lacking" ]; then
    by_hand
    exit 3
fi
