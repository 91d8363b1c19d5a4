#!/usr/bin/python3
"""Run fuzzers side by side, each for so many seconds. What one finds is kept, and shown.

usage: run.py FOLDER SECONDS JOBS MAX_LENGTH FUZZER...
"""
import concurrent.futures
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SLOW = 10  # seconds that no input may take


def run(folder, name, seconds, longest):
    """Returns (did it find nothing, what it says of itself)."""
    grown, found = os.path.join(folder, "corpus", name), os.path.join(folder, "findings", name)
    for made in (grown, found):
        os.makedirs(made, exist_ok=True)
    command = ["nice", os.path.join(folder, name), f"-max_total_time={seconds}", f"-max_len={longest}", f"-timeout={SLOW}",
               "-rss_limit_mb=1200", "-print_final_stats=1", f"-artifact_prefix={found}/", grown]
    seeds = os.path.join(HERE, "corpus", name)
    if os.path.isdir(seeds):
        command.append(seeds)
    begin = time.monotonic()
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace", check=False)
    with open(os.path.join(folder, f"{name}.log"), "w", encoding="utf-8") as log:
        log.write(result.stdout)
    executions = re.search(r"number_of_executed_units: (\d+)", result.stdout)
    covered = re.findall(r"cov: (\d+)", result.stdout)
    text = (f"fuzz {name}: {executions.group(1) if executions else '?'} executions in {time.monotonic() - begin:.0f} s, "
            f"{covered[-1] if covered else '?'} edges: ")
    if result.returncode == 0:
        return True, text + "nothing found"
    return False, text + f"FAILED, its input is in {found}\n" + result.stdout[-6000:]


def main():
    folder, seconds, jobs, longest = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        runs = [pool.submit(run, folder, name, seconds, longest) for name in sys.argv[5:]]
        good = True
        for done in concurrent.futures.as_completed(runs):
            well, text = done.result()
            good &= well
            print(text, flush=True)
    sys.exit(0 if good else 1)


main()
