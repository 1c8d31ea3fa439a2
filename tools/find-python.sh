#!/bin/sh
# Prints the Python 3 to run the tests with: the first on the list that has python3-jsonschema,
# which a version manager's Python may not see where the system's does; else plain python3.
for python in python3 /usr/bin/python3 /usr/local/bin/python3; do
    if "$python" -c 'import jsonschema' 2>/dev/null; then
        echo "$python"
        exit
    fi
done
echo python3
