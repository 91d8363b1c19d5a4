#!/usr/bin/env python3
"""Check that every module calls only what its DEPS line in mk/modules.mk names.

usage: modules.py NM OBJECT_DIR MODULES_MK

Calls to the right are possible in one way only: the functions of arch/upcall.h.
"""
import re
import subprocess
import sys


def symbols(nm, objects, option):
    text = subprocess.run([nm, option, "--format=just-symbols", objects], check=True, capture_output=True, text=True).stdout
    return set(text.split())


def main():
    nm, folder, makefile = sys.argv[1:]
    deps = dict(re.findall(r"^DEPS\.(\w+)[ \t]*:=[ \t]*(.*)$", open(makefile).read(), re.M))
    defined = {m: symbols(nm, f"{folder}/{m}.o", "--defined-only") for m in deps}
    breaches = 0
    for module, names in deps.items():
        allowed = {module, *names.split()}
        for symbol in sorted(symbols(nm, f"{folder}/{module}.o", "--undefined-only")):
            homes = [m for m in deps if symbol in defined[m]]
            if module == "arch" and symbol.startswith("upcall_") or set(homes) & allowed:
                continue
            # What the linker script defines is nobody's.
            if not homes and module == "arch":
                continue
            print(f"lint: {module} uses {symbol} of {', '.join(homes) or 'nobody'}, which its DEPS do not name", file=sys.stderr)
            breaches += 1
    if breaches:
        sys.exit(1)
    print(f"lint: {len(deps)} modules call only what they declare")


main()
