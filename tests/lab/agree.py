#!/usr/bin/env python3
"""Holds `lastack sockets` against the histories of `lastack --connections`, on every capture of the lab.

    tests/lab/agree.py [--lastack PATH] [--every SECONDS] DIR...

At every moment the sockets must be those that the histories have then, with the same state, the same beginning and
the same certainty; `--count state` must count them. Ends with one line, `N passed, N failed, N skipped`.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NETSTAT = {"ESTABLISHED": "ESTAB", "FIN_WAIT1": "FIN-WAIT-1", "FIN_WAIT2": "FIN-WAIT-2"}
LISTENER = (None, None)


def run(lastack, *words):
    done = subprocess.run([lastack, *words], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise AssertionError(f"lastack {' '.join(words)}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def moments(first, last, every):
    """RFC 3339 with six digits, which sort as text."""
    start = datetime.strptime(first, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    for number in range(1 << 30):
        moment = (start + number * timedelta(seconds=every)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if moment > last:
            return
        yield moment


def join_lives(lives):
    """Incarnations one after the other: a later one ends what is left of the earlier."""
    joined = []
    for entries in sorted(lives, key=lambda entries: entries[0]["time"]):
        while joined and joined[-1]["time"] > entries[0]["time"]:
            joined.pop()
        joined += entries
    return joined


def read_histories(lines):
    """({(host, port, peer, peer port): entries}, {(host, port): since when it listens})"""
    lives, listeners = collections.defaultdict(list), {}
    for connection in lines:
        for mine, other in (("client", "server"), ("server", "client")):
            local, remote = connection[mine], connection[other]
            if not local["states"]:
                continue
            host = (local["address"], local["port"])
            lives[host + (remote["address"], remote["port"])].append(local["states"])
            if local["states"][0]["state"] == "SYN-RECV":       # asked, not asking
                since = local["states"][0]["time"]
                listeners[host] = min(listeners.get(host, since), since)
    return {key: join_lives(several) for key, several in lives.items()}, listeners


def expected_at(moment, histories, listeners):
    sockets = {}
    for key, entries in histories.items():
        held = [entry for entry in entries if entry["time"] <= moment]
        if held and held[-1]["state"] != "CLOSED":
            sockets[key] = (held[-1]["state"], held[-1]["time"], held[-1]["certain"])
    for host, since in listeners.items():
        if since <= moment:
            sockets[host + LISTENER] = ("LISTEN", since, True)
    return sockets


def read_sockets(text):
    """{moment: {(host, port, peer, peer port): (state, since, certain)}}"""
    tables = collections.defaultdict(dict)
    for line in text.splitlines():
        said = json.loads(line)
        assert said["host"] == said["local"]["address"]
        key = (said["host"], said["local"]["port"], said["remote"]["address"], said["remote"]["port"])
        assert key not in tables[said["time"]], f"twice: {line}"
        tables[said["time"]][key] = (said["state"], said["since"], said["certain"])
    return tables


def read_counts(text):
    """{(moment, host): {state: count}} of the time series."""
    lines = text.splitlines()
    if not lines:
        return {}
    names = [NETSTAT.get(name, name.replace("_", "-")) for name in lines[0].split()[3:]]
    rows = (line.split() for line in lines[1:])
    return {(row[0], row[1]): {name: int(count) for name, count in zip(names, row[2:]) if count != "0"} for row in rows}


def count_states(tables):
    counts = collections.defaultdict(collections.Counter)
    for moment, table in tables.items():
        for key, (state, _, _) in table.items():
            if state != "LISTEN":
                counts[moment, key[0]][state] += 1
    return {place: dict(counter) for place, counter in counts.items()}


def differences(wanted, got, moment):
    return [f"{moment} {key}: history {wanted.get(key)}, sockets {got.get(key)}"
            for key in sorted(set(wanted) | set(got), key=str) if wanted.get(key) != got.get(key)]


def check(lastack, capture, every):
    """How many sockets were compared."""
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "connections")
        report = json.loads(run(lastack, "--diagnose", "none", "--connections", path, str(capture)))
        with open(path) as file:
            histories, listeners = read_histories(map(json.loads, file))
    tables = read_sockets(run(lastack, "sockets", "--every", str(every), "--format", "ndjson", str(capture)))
    span = report["capture"]
    wrong, compared = [], 0
    for moment in moments(span["first"], span["last"], every):
        wanted = expected_at(moment, histories, listeners)
        wrong += differences(wanted, tables.get(moment, {}), moment)
        compared += len(wanted)
    assert not wrong, f"{len(wrong)} differences: " + "; ".join(wrong[:4])
    assert compared == sum(map(len, tables.values())), "moments that are none"
    counts = read_counts(run(lastack, "sockets", "--every", str(every), "--count", "state", str(capture)))
    assert counts == count_states(tables), "--count state counts something else"
    return compared


def main():
    parser = argparse.ArgumentParser(description="Holds lastack sockets against the histories.")
    parser.add_argument("directories", nargs="+", metavar="DIR", type=Path)
    parser.add_argument("--lastack", default=str(ROOT / "build/lastack"))
    parser.add_argument("--every", type=float, default=0.5)
    options = parser.parse_args()
    captures = sorted(path for top in options.directories for path in top.glob("**/*.pcap*"))
    passed = failed = compared = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = [(capture, pool.submit(check, options.lastack, capture, options.every)) for capture in captures]
        for capture, job in jobs:
            try:
                compared += job.result()
                passed += 1
            except (AssertionError, KeyError, ValueError, subprocess.TimeoutExpired) as why:
                failed += 1
                print(f"FAILED {capture.parent.name}/{capture.name}: {why}")
    print(f"{compared} sockets at moments {options.every} s apart were compared")
    print(f"{passed} passed, {failed} failed, {0 if captures else 1} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
