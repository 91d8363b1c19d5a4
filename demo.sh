#!/bin/sh
# Show what Amber is for: a computing process is checkpointed, the power is cut, and after another boot the process goes on.
# Sets up what is missing (Debian packages), builds, and tells what it does. Exit status 0: it was proved.
set -eu
cd "$(dirname "$0")"
tests/tools/setup
echo "Building Amber ..."
mkdir -p build
if ! make --no-print-directory image >build/demo-build.log 2>&1; then
    tail -n 20 build/demo-build.log
    echo "demo: the build failed; all of it is in build/demo-build.log" >&2
    exit 1
fi
exec /usr/bin/python3 tests/tools/demo.py
