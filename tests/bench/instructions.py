#!/usr/bin/env python3
"""Counts instructions a packet under callgrind, and holds them against the stated ones.

Time on a shared machine says little; instructions are the same on every run to half a percent. Each
shape is read at two sizes and the difference counts, so that starting up and writing the report do
not. What is a tenth above the stated figure fails: make it cheaper, or state the new figure in
tests/bench/instructions.json together with the change that brings it, and say in that change's
message why it is worth it. What is a tenth below should be stated anew too.

The stated figures are those of gcc 12 at -O2 on x86-64 (Debian 12); `--update` writes what is
counted.

    tests/bench/instructions.py [--build DIR] [--update]
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
STATED = ROOT / "tests/bench/instructions.json"
# Scales of tests/bench/gen: large enough to be past the growing of tables, small enough for minutes.
SIZES = {"churn": (0.04, 0.08), "web": (0.04, 0.12), "flood": (0.01, 0.03), "bulk": (0.02, 0.06)}
TOLERANCE = 0.10


def generate(build, shape, scale):
    """The capture's path and its packets."""
    capture = build / "bench" / f"instructions-{shape}-{scale:g}.pcap"
    capture.parent.mkdir(parents=True, exist_ok=True)
    told = subprocess.run([build / "tests/bench/gen", "-s", str(scale), shape, capture], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    return capture, int(re.search(r"(\d+) packets", told).group(1))


def count(build, capture):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", build / "lastack", "-j", "1",
               "-o", "/dev/null", capture]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    found = re.search(r"refs:\s+([\d,]+)", done.stderr)
    if done.returncode != 0 or not found:
        sys.exit(f"instructions.py: valgrind failed:\n{done.stderr}")
    return int(found.group(1).replace(",", ""))


def measure(build, shape):
    runs = []
    for scale in SIZES[shape]:
        capture, packets = generate(build, shape, scale)
        runs.append((count(build, capture), packets))
        capture.unlink()
    (few, small), (many, large) = runs
    return round((many - few) / (large - small))


def compare(shape, counted, stated):
    """One line; false when it is too much."""
    change = counted / stated - 1
    verdict = "TOO MANY" if change > TOLERANCE else "fewer: state them" if change < -TOLERANCE else "ok"
    print(f"  {shape:8} {counted:6} instructions a packet, {stated:6} stated ({change:+.1%}): {verdict}")
    return change <= TOLERANCE


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--update", action="store_true", help="state what is counted")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("instructions.py: valgrind is not installed (tools/install-deps.sh valgrind)")
    build = (ROOT / options.build).resolve()
    counted = {shape: measure(build, shape) for shape in SIZES}
    if options.update:
        STATED.write_text(json.dumps(counted, indent=2) + "\n")
    stated = json.loads(STATED.read_text())
    kept = [compare(shape, counted[shape], stated[shape]) for shape in SIZES]
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
