#!/usr/bin/env python3
"""How time and memory grow with the capture: 1, 2, 4 and 8 times the connections of churn.

At a constant number of connections open at a time, and with a clock that runs so fast that closed
ones are forgotten within the capture (2MSL is over many times), memory must stay flat but for the
number of lives that is kept of each 4-tuple. Where the number open at a time grows as well, it may
grow with it. The time must grow no faster than the capture in either case.

    tests/bench/scaling.py [--build DIR] [--rounds N] [--scale X]
"""

import argparse
import json
import sys
from pathlib import Path

import run as bench

ROOT = Path(__file__).resolve().parent.parent.parent
FACTORS = (1, 2, 4, 8)
# At 1x churn lasts 49 s of the capture's time; a connection is remembered for 130 s.
FAST_CLOCK = 100
OPEN_AT_A_TIME = 1000
FLAT = 32  # bytes for each connection that 8x has more than 4x
LINEAR = 1.35  # time a packet of 8x by that of 1x: caches have their say


def measure(build, factor, options, grows):
    settings = argparse.Namespace(
        scale=options.scale * factor, time_scale=1 if grows else FAST_CLOCK,
        concurrency=OPEN_AT_A_TIME * factor if grows else OPEN_AT_A_TIME)
    capture, packets, connections = bench.generate(build, "churn", settings)
    bench.warm(capture)
    runs = [bench.measure([str(build / "lastack"), "-j", "1", "-o", "/dev/null", str(capture)])
            for _ in range(options.rounds)]
    capture.unlink()
    best = min(run["cpu"] for run in runs)
    return {"factor": factor, "connections": connections, "cpu": best, "ns_a_packet": best / packets * 1e9,
            "anonymous": max(run["anonymous"] for run in runs)}


def series(build, options, grows):
    print("\nwith the number open at a time growing as well" if grows else
          f"\n{OPEN_AT_A_TIME} open at a time, closed ones forgotten within the capture")
    rows = []
    for factor in FACTORS:
        rows.append(measure(build, factor, options, grows))
        row = rows[-1]
        print(f"  {factor}x {row['connections']:>9,} connections {row['cpu']:7.2f} s CPU "
              f"{row['ns_a_packet']:6.0f} ns/packet {row['anonymous'] / 1e6:8.1f} MB")
    slower = rows[-1]["ns_a_packet"] / rows[0]["ns_a_packet"]
    last, before = rows[-1], rows[-2]
    each = (last["anonymous"] - before["anonymous"]) / (last["connections"] - before["connections"])
    met = slower <= LINEAR and (grows or each <= FLAT)
    print(f"  a packet of 8x takes {slower:.2f} times that of 1x (at most {LINEAR:g}); a connection more takes "
          f"{each:.0f} bytes{'' if grows else f' (at most {FLAT})'}: {'met' if met else 'MISSED'}")
    return met, rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=0.1, help="of churn's million connections, at 1x")
    options = parser.parse_args()
    build = (ROOT / options.build).resolve()
    flat, constant = series(build, options, grows=False)
    linear, growing = series(build, options, grows=True)
    result = build / "bench/scaling.json"
    result.write_text(json.dumps({"constant": constant, "growing": growing}, indent=2) + "\n")
    sys.exit(0 if flat and linear else 1)


if __name__ == "__main__":
    main()
