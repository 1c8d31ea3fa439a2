#!/bin/sh
# `make lint`: cppcheck and clang-tidy over the C files that are named, as far as each is installed.
# CPPFLAGS says how they are compiled, quoted as for a shell. Exit: 0 nothing to say, 1 something was found.
set -u
status=0

if command -v cppcheck >/dev/null 2>&1; then
    eval "cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
        --suppress=missingIncludeSystem --error-exitcode=1 $CPPFLAGS \"\$@\"" || status=1
else
    echo "lint: cppcheck is not installed: left out"
fi

if command -v clang-tidy >/dev/null 2>&1; then
    eval "clang-tidy --quiet \"\$@\" -- -std=c11 $CPPFLAGS" || status=1
else
    echo "lint: clang-tidy is not installed: left out"
fi
exit $status
