#!/bin/sh
# Set up what is missing and run all tests. The last line is the count; the exit status is 0 when nothing failed.
# Arguments name single phases: ./test.sh build unit
set -eu
cd "$(dirname "$0")"
tests/tools/setup
exec /usr/bin/python3 tests/run.py "$@"
