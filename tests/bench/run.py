#!/usr/bin/env python3
"""The benchmark: lastack beside a bare libpcap loop over the same generated capture.

Every command runs in turn, round after round, with the capture in the page cache; the figures are
medians. Seconds and their ratio to the bare loop, CPU seconds, packets a second; and the peak of
anonymous memory (RssAnon) and of all resident memory (VmHWM), which are sampled in a round of their
own: who looks at a process all the time takes a part of the machine. Other analysers run once,
where they are installed. All of it goes to BUILD/bench/result.json too.

    tests/bench/run.py [--build DIR] [--quick] [--shapes churn,web,bulk,flood] [--rounds N]
                       [--scale X] [--time-scale X] [--concurrency N] [--compressed] [--no-peers]
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SHAPES = ("churn", "web", "bulk", "flood")
# By shape: seconds at -j 2 and CPU seconds at -j 1, both by the bare loop's, and MB of anonymous memory at -j 1.
GOALS = {"churn": (1.0, 1.8, 220), "web": (0.7, 1.0, 60), "bulk": (0.5, 0.6, 20), "flood": (2.0, 3.0, 420)}
GOAL_CONNECTIONS = 10  # bare loops more for a line of each connection
GOAL_DIAGNOSES = 1.3  # as slow as without any, by CPU time: the rest of the machine has less say in that
GOAL_COMPRESSED = 1.15  # of the slower of the decompressor alone and the plain file in one thread
PEER_TIMEOUT = 600  # seconds
PEER_MEMORY = 0.5  # of the machine's; some of them would take more than there is
SAMPLE = 0.001  # seconds between two looks at a process's memory


def peers(capture, scratch):
    """Other analysers of connections, as their users run them, without writing more than they must."""
    commands = {
        "nfpcapd": ["nfpcapd", "-r", capture, "-l", scratch],
        "argus": ["argus", "-r", capture, "-w", "/dev/null"],
        "tcptrace": ["tcptrace", "-n", capture],
        "ndpiReader": ["ndpiReader", "-q", "-i", capture],
        "tshark": ["tshark", "-n", "-r", capture, "-q", "-z", "conv,tcp"],
    }
    return {name: command for name, command in commands.items() if shutil.which(name)}


def generate(build, shape, options):
    """The capture's path and what is in it. A capture that lies there already is used again."""
    name = f"{shape}-s{options.scale:g}-t{options.time_scale:g}-c{options.concurrency}.pcap"
    capture = build / "bench" / name
    told = capture.with_suffix(".txt")
    if not (capture.exists() and told.exists()):
        capture.parent.mkdir(parents=True, exist_ok=True)
        command = [str(build / "tests/bench/gen"), "-s", str(options.scale), "-t",
                   str(options.time_scale), "-c", str(options.concurrency), shape, str(capture)]
        print(f"generating {capture}", file=sys.stderr)
        told.write_text(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    packets, connections = map(int, re.search(r"(\d+) packets, (\d+) conn", told.read_text()).groups())
    return capture, packets, connections


def warm(path):
    with open(path, "rb", buffering=0) as file:
        block = bytearray(1 << 20)
        while file.readinto(block):
            pass


class Sampler(threading.Thread):
    """Looks at a process's memory again and again, and keeps the peaks.

    Not ru_maxrss: that is at least what this process held when it started the other one."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.path = f"/proc/{pid}/status"
        self.stopped = threading.Event()
        self.anonymous = 0
        self.resident = 0

    def run(self):
        while not self.stopped.wait(SAMPLE):
            try:
                with open(self.path, encoding="ascii", errors="replace") as status:
                    kib = dict(re.findall(r"(VmHWM|RssAnon):\s+(\d+)", status.read()))
            except OSError:
                return
            self.anonymous = max(self.anonymous, int(kib.get("RssAnon", 0)) * 1024)
            self.resident = max(self.resident, int(kib.get("VmHWM", 0)) * 1024)


def measure(command, timeout=None, sample=True):
    """One run: its times, and its memory when that is sampled; None when it failed or took too long."""
    errors = tempfile.TemporaryFile()
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=errors)
    sampler = Sampler(process.pid)
    if sample:
        sampler.start()
    killer = threading.Timer(timeout, process.kill) if timeout else None
    if killer:
        killer.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if killer:
        killer.cancel()
    if sample:
        sampler.stopped.set()
        sampler.join()
    if process.returncode != 0:
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip().splitlines()
        print(f"{' '.join(command)}: exit {process.returncode}: {said[-1] if said else ''}",
              file=sys.stderr)
        return None
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime,
            "anonymous": sampler.anonymous, "resident": sampler.resident}


def limited(command):
    """The command under a limit to its address space."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    kib = int(total * PEER_MEMORY) // 1024
    return ["sh", "-c", f'ulimit -v {kib} && exec "$@"', command[0], *command]


def compress(capture, by):
    packed = capture.with_suffix({"gzip": ".pcap.gz", "zstd": ".pcap.zst"}[by])
    if not packed.exists():
        with open(packed, "wb") as out:
            subprocess.run([by, "-c", "-q", "-1", str(capture)], stdout=out, check=True)
    warm(packed)
    return str(packed)


def contestants(build, path, options):
    """What runs in every round."""
    lastack, capture = str(build / "lastack"), str(path)
    commands = {
        "bare loop": [str(build / "tests/bench/bareloop"), capture],
        "read in place": [str(build / "tests/bench/readinplace"), capture],
        "lastack -j 1": [lastack, "-j", "1", capture],
        "lastack -j 2": [lastack, "-j", "2", capture],
        "lastack -j 1 --diagnose none": [lastack, "-j", "1", "--diagnose", "none", capture],
        "lastack -j 2 --connections": [lastack, "-j", "2", "--connections", "/dev/null", capture],
    }
    for by in ("gzip", "zstd") if options.compressed else ():
        packed = compress(path, by)
        commands[f"{by} -dc"] = [by, "-dc", "-q", packed]
        commands[f"lastack -j 2, {by}"] = [lastack, "-j", "2", packed]
    return commands


def summary(sampled, timed):
    """The median of each time, and the memory of the run in which it was sampled."""
    return {
        "rounds": len(timed),
        "seconds": statistics.median(run["seconds"] for run in timed),
        "seconds_least": min(run["seconds"] for run in timed),
        "cpu": statistics.median(run["cpu"] for run in timed),
        "anonymous": sampled["anonymous"],
        "resident": sampled["resident"],
    }


def bench(build, shape, options):
    capture, packets, connections = generate(build, shape, options)
    warm(capture)
    commands = contestants(build, capture, options)
    runs = {name: [] for name in commands}
    for number in range(1 + options.rounds):
        for name, command in commands.items():
            run = measure(command, sample=number == 0)
            if run:
                runs[name].append(run)
    with tempfile.TemporaryDirectory(dir=build / "bench") as scratch:
        for name, command in (peers(str(capture), scratch) if options.peers else {}).items():
            run = measure(limited(command), PEER_TIMEOUT)
            runs[name] = [run, run] if run else []

    results = {name: summary(these[0], these[1:]) for name, these in runs.items() if these[1:]}
    bare = results["bare loop"]["seconds"]
    for result in results.values():
        result["ratio"] = result["seconds"] / bare
        result["cpu_ratio"] = result["cpu"] / results["bare loop"]["cpu"]
        result["packets_per_second"] = packets / result["seconds"]
        result["bytes_per_connection"] = result["anonymous"] / connections
    return {"shape": shape, "scale": options.scale, "time_scale": options.time_scale,
            "packets": packets, "connections": connections, "bytes": capture.stat().st_size,
            "results": results}


def show(one):
    print(f"\n{one['shape']}: {one['packets']:,} packets, {one['connections']:,} connections, "
          f"{one['bytes'] / 1e6:,.0f} MB")
    print(f"  {'':28} {'seconds':>8} {'ratio':>7} {'CPU':>7} {'Mpkt/s':>7} {'anon MB':>8} "
          f"{'peak MB':>8} {'B/conn':>7}")
    for name, r in one["results"].items():
        each = f"{r['bytes_per_connection']:7.0f}" if one["connections"] >= 10000 else f"{'-':>7}"
        print(f"  {name:28} {r['seconds']:8.3f} {r['ratio']:7.2f} {r['cpu']:7.2f} "
              f"{r['packets_per_second'] / 1e6:7.2f} {r['anonymous'] / 1e6:8.1f} "
              f"{r['resident'] / 1e6:8.1f} {each}")
    for line in judge(one):
        print("  " + line)


def judge(one):
    """The stated goals, as far as this shape and these commands say something about them. They are
    those of the full size: what an analysis costs in any case is more of a smaller one."""
    def verdict(what, figure, goal):
        if one["scale"] != 1:
            return f"{what}: {figure:.2f} (goal of the full size: {goal:g})"
        return f"goal: {what}: {figure:.2f} of {goal:g}, {'met' if figure <= goal else 'MISSED'}"

    results = one["results"]
    plain, single = results.get("lastack -j 2"), results.get("lastack -j 1")
    without, lines = results.get("lastack -j 1 --diagnose none"), results.get("lastack -j 2 --connections")
    wall, cpu, memory = GOALS[one["shape"]]
    if plain:
        yield verdict("-j 2, times the bare loop", plain["ratio"], wall)
    if single:
        yield verdict("-j 1, times the bare loop's CPU", single["cpu_ratio"], cpu)
        yield verdict("-j 1, MB", single["anonymous"] / 1e6, memory)
    if one["shape"] == "churn" and plain and lines:
        yield verdict("--connections, bare loops more", lines["ratio"] - plain["ratio"], GOAL_CONNECTIONS)
    if single and without:
        yield verdict("all diagnoses, times the CPU of none", single["cpu"] / without["cpu"], GOAL_DIAGNOSES)
    for by in ("gzip", "zstd"):
        packed, alone = results.get(f"lastack -j 2, {by}"), results.get(f"{by} -dc")
        if packed and alone and single:
            slower = max(alone["seconds"], single["seconds"])
            yield verdict(f"{by}, times the slower part", packed["seconds"] / slower, GOAL_COMPRESSED)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--quick", action="store_true", help="a fifth of the size, no peers")
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--scale", type=float)
    parser.add_argument("--time-scale", type=float, default=1)
    parser.add_argument("--concurrency", type=int, default=0, help="0: the shape's own")
    parser.add_argument("--compressed", action="store_true", help="the same captures through gzip and zstd, too")
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    options = parser.parse_args()
    options.shapes = options.shapes.split(",")
    for shape in options.shapes:
        if shape not in SHAPES:
            parser.error(f"no such shape: {shape} (there are {', '.join(SHAPES)})")
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.scale = options.scale or (0.2 if options.quick else 1)
    options.peers = options.peers and not options.quick
    return options


def main():
    options = arguments()
    build = (ROOT / options.build).resolve()
    done = []
    for shape in options.shapes:
        done.append(bench(build, shape, options))
        show(done[-1])
    result = build / "bench/result.json"
    result.write_text(json.dumps(done, indent=2) + "\n")
    print(f"\nmedians of {options.rounds} rounds (peers: one), in {result}")


if __name__ == "__main__":
    main()
