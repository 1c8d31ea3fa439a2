#!/usr/bin/python3
"""Holds the analyser against the truth.

usage: score.py [--lastack PATH] [--only PATTERN] [--kinds LIST] [--settings] [--details] [--json PATH] [--no-require] DIR...

Runs lastack on every capture of every scenario under DIR (as `run` writes them, or compressed as in testdata/lab) and
compares
 - the findings with what the scenario expects, allows and forbids at that vantage;
 - the histories of --connections with the socket table at every sample.
Prints agreement per vantage and state with a confusion matrix, and recall and precision per kind.
Exit: 0 what is required holds, 1 it does not, 2 the analyser could not be run.
"""

import argparse
import bisect
import calendar
import collections
import concurrent.futures
import fnmatch
import json
import lzma
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from packet import FIN, Packet, parse_pcap

VANTAGES = ("client", "middle", "server")
NONE = "none"
PERIOD = 0.05           # of the sampler: the tolerance at a change
TIMER_SLACK = 2.6       # a nominal 60 s ends after 60.0 to 62.3 s: the kernel's timer wheel counts in steps of 2 s there
# What --host-settings tells is no excuse any more.
TOLD = ("tcp_syn_retries=", "tcp_synack_retries=", "tcp_fin_timeout=", "tcp_max_tw_buckets", "tcp_rfc1337=", "tcp_retries2=", "tcp_orphan_retries=")

# Required by the issue.  Far vantages: of what is called certain.
OWN_RIGHT, OWN_CERTAIN, FAR_RIGHT = 0.999, 0.95, 0.99


# --- reading -----------------------------------------------------------------------------------------

def find(directory, name):
    """The path of a scenario's file, compressed or not, or None."""
    for path in (os.path.join(directory, name), os.path.join(directory, name + ".xz")):
        if os.path.exists(path):
            return path
    return None


def read(path):
    opener = lzma.open if path.endswith(".xz") else open
    with opener(path, "rb") as file:
        return file.read()


def read_lines(path):
    return [json.loads(line) for line in read(path).splitlines() if line.strip()]


_days = {}


def seconds(text):
    """RFC 3339 in UTC to seconds since the epoch."""
    day, clock = text.rstrip("Z").split("T")
    if day not in _days:
        year, month, date = map(int, day.split("-"))
        _days[day] = calendar.timegm((year, month, date, 0, 0, 0))
    hours, minutes, rest = clock.split(":")
    return _days[day] + int(hours) * 3600 + int(minutes) * 60 + float(rest)


class Capture:
    """What one vantage's packets say by themselves: the span, when each connection and each FIN was first there."""

    def __init__(self, path, faulty=False):
        self.faulty = faulty
        packets = parse_pcap(read(path))
        self.first = packets[0][0] / 1e9 if packets else 0
        self.last = packets[-1][0] / 1e9 if packets else 0
        self.fins = collections.defaultdict(list)
        self.begins = {}                # 4-tuple, from either side -> its first packet
        for time_ns, frame in packets:
            segment = Packet(frame)
            if not segment.tcp:
                continue
            key = (segment.src, segment.sport, segment.dst, segment.dport)
            for side in (key, key[2:] + key[:2]):
                self.begins.setdefault(side, time_ns / 1e9)
            if segment.flags & FIN:
                self.fins[key].append(time_ns / 1e9)


class Scenario:
    def __init__(self, directory):
        self.directory, self.name = directory, os.path.basename(directory.rstrip("/"))
        with open(os.path.join(directory, "meta.json")) as file:
            self.meta = json.load(file)
        self.hosts = {name: said["address"] for name, said in self.meta["hosts"].items() if said.get("scored", True)}
        self.captures = {vantage: find(directory, vantage + ".pcap") for vantage in VANTAGES}
        self.truth = {}
        for name in self.hosts:
            path = find(directory, "truth-%s.ndjson" % name)
            if path:
                self.truth[name] = read_lines(path)


def run_lastack(lastack, scenario, vantage, settings):
    """(findings, connections) of one capture, or a text that says why not."""
    with tempfile.TemporaryDirectory() as scratch:
        outputs = [os.path.join(scratch, name) for name in ("findings", "connections", "report")]
        command = [lastack, "--findings", outputs[0], "--connections", outputs[1], "-o", outputs[2]]
        if settings:
            for host, address in scenario.hosts.items():
                path = os.path.join(scenario.directory, "settings-%s.conf" % host)
                if os.path.exists(path):
                    command += ["--host-settings", "%s=%s" % (address, path)]
        if scenario.meta["profile"] != "linux":
            command += ["--os", scenario.meta["profile"]]
        done = subprocess.run(command + [scenario.captures[vantage]], capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            return "exit %d: %s" % (done.returncode, done.stderr.strip()[-300:])
        return [read_lines(path) for path in outputs[:2]]


# --- findings ----------------------------------------------------------------------------------------

def as_list(value):
    return value if isinstance(value, list) else [value]


def matches_value(want, got):
    if isinstance(want, bool) or want is None:
        if isinstance(got, dict):           # {"recovered": true, "after": 1.2} or the like
            got = next((value for value in got.values() if isinstance(value, bool)), True)
        return bool(got) == bool(want)
    return got == want


def matches_fields(wanted, finding, vantage):
    """The names of fields that are not as expected."""
    wrong = []
    for name, want in wanted.items():
        if isinstance(want, dict):
            want = want.get(vantage, finding.get(name))
        if not any(matches_value(one, finding.get(name)) for one in as_list(want)):
            wrong.append("%s=%s" % (name, json.dumps(finding.get(name))))
    return wrong


def enough(got, want):
    return got >= int(want[2:]) if isinstance(want, str) else got == want


STALLED_LONG = 0.02


class FindingScore:
    """Recall and precision by kind, and a line for whatever is wrong."""

    def __init__(self, kinds):
        self.built = kinds              # the kinds to be scored; None: all
        self.kinds = collections.defaultdict(collections.Counter)
        self.lines = []

    def scored(self, kinds):
        return self.built is None or any(kind in self.built for kind in kinds)

    def wrong(self, scenario, vantage, kind, what, text):
        self.kinds[kind][what] += 1
        self.lines.append("%-12s %s %s: %s %s" % (what, scenario.name, vantage, kind, text))

    def add(self, scenario, vantage, findings):
        left = list(findings)
        for expected in scenario.meta["expect"]:
            self.expect(scenario, vantage, expected, left)
        expected_kinds = {kind for expected in scenario.meta["expect"] for kind in as_list(expected["kind"])}
        for finding in left:
            kind = finding["kind"]
            if not self.scored([kind]):
                continue
            text = "%s (%s)" % (finding.get("summary"), finding.get("confidence"))
            if kind in scenario.meta["allow"]:
                self.kinds[kind]["allowed"] += 1
            elif kind in scenario.meta["forbid"]:
                self.wrong(scenario, vantage, kind, "forbidden", text)
            else:
                self.wrong(scenario, vantage, kind, "again" if kind in expected_kinds else "unexpected", text)

    def expect(self, scenario, vantage, expected, left):
        """Takes the findings that an expectation explains out of `left`."""
        seen, kinds = expected["seen"][vantage], as_list(expected["kind"])
        if seen == "invisible" or not self.scored(kinds):
            return                          # whatever is left of this kind is reported as wrong
        address = scenario.meta["hosts"].get(expected["host"], {}).get("address")
        candidates = [finding for finding in left if finding["kind"] in kinds]
        fitting = [finding for finding in candidates if not matches_fields(expected["fields"], finding, vantage)
                   and (address is None or finding.get("host") == address)]
        if not isinstance(expected["count"], str):
            fitting = fitting[:expected["count"]]
        for finding in fitting:
            left.remove(finding)
        score = self.kinds[kinds[0]]
        if seen == "optional":
            score["optional"] += len(fitting)
            return
        score["expected"] += 1
        if not enough(len(fitting), expected["count"]):
            self.miss(scenario, vantage, expected, candidates, fitting)
            return
        score["found"] += 1
        if seen == "observed" and scenario.meta.get("stalled", 0) > STALLED_LONG:
            seen = "either"                 # the delays that prove it were the machine's own
        for finding in fitting:
            if seen in ("observed", "inferred") and finding["confidence"] != seen:
                self.wrong(scenario, vantage, finding["kind"], "confidence", "%s, not %s" % (finding["confidence"], seen))

    def miss(self, scenario, vantage, expected, candidates, fitting):
        reasons = ["%s host %s" % (", ".join(matches_fields(expected["fields"], finding, vantage)) or "fields right,",
                                   finding.get("host")) for finding in candidates if finding not in fitting]
        self.wrong(scenario, vantage, as_list(expected["kind"])[0], "missed",
                   "wanted %s of %s %s, got %d%s" % (expected["count"], expected["kind"], json.dumps(expected["fields"]),
                                                     len(fitting), "; there is: " + " | ".join(reasons) if reasons else ""))

    def print(self, details):
        columns = ("expected", "found", "missed", "confidence", "forbidden", "unexpected", "again", "optional", "allowed")
        print("\nfindings" + " " * 17 + " ".join("%10s" % column for column in columns) + "     recall  precision")
        total = collections.Counter()
        for kind in sorted(self.kinds):
            total.update(self.kinds[kind])
            print_counts(kind, self.kinds[kind], columns)
        print_counts("all", total, columns)
        if details:
            print("\n" + "\n".join(sorted(self.lines)))
        return total


def print_counts(kind, counts, columns):
    good = counts["found"]
    bad = counts["forbidden"] + counts["unexpected"] + counts["again"]
    print("%-25s" % kind + " ".join("%10d" % counts[column] for column in columns) +
          "  %9s  %9s" % (percent(good, counts["expected"]), percent(good, good + bad)))


def percent(part, whole):
    return "-" if not whole else "%.2f %%" % (100 * part / whole)


# --- histories ---------------------------------------------------------------------------------------

class Histories:
    """The states that an analysis gives one host's sockets, by 4-tuple, over all incarnations."""

    def __init__(self, connections, address):
        lives = collections.defaultdict(list)
        for connection in connections:
            for mine, other in (("client", "server"), ("server", "client")):
                local, remote = connection[mine], connection[other]
                if local["address"] == address and local["states"]:
                    entries = [(seconds(entry["time"]), entry["state"], entry["certain"], entry["frame"] is not None)
                               for entry in local["states"]]
                    lives[(address, local["port"], remote["address"], remote["port"])].append(entries)
        self.sockets = {key: join_lives(several) for key, several in lives.items()}
        self.times = {key: [entry[0] for entry in entries] for key, entries in self.sockets.items()}

    def at(self, key, when):
        """The entry in effect, or None before the first."""
        at = bisect.bisect_right(self.times.get(key, ()), when)
        return self.sockets[key][at - 1] if at else None

    def during(self, key, start, end):
        """The states in effect at some moment between."""
        first = self.at(key, start)
        states = {state_of(first)}
        times = self.times.get(key, ())
        for at in range(bisect.bisect_right(times, start), bisect.bisect_right(times, end)):
            states.add(state_of(self.sockets[key][at]))
        return states


def join_lives(several):
    """Incarnations one after the other: a later one ends what is left of the earlier."""
    several.sort(key=lambda entries: entries[0][0])
    joined = []
    for entries in several:
        while joined and joined[-1][0] > entries[0][0]:
            joined.pop()
        joined += entries
    return joined


def state_of(entry):
    return NONE if entry is None or entry[1] == "CLOSED" else entry[1]


class StateScore:
    """Sampled sockets against histories, for one kind of vantage."""

    def __init__(self, name):
        self.name = name
        self.right, self.total = collections.Counter(), collections.Counter()
        self.certain_right = self.certain = self.knowable = self.knowable_certain = 0
        self.confusion, self.unseen = collections.Counter(), collections.Counter()
        self.examples = {}

    def add(self, truth, entry, agrees, before_end, where):
        state = truth if truth != NONE else state_of(entry)
        certain = entry is not None and entry[2] and before_end     # what lies after the last packet is not certain
        self.total[state] += 1
        self.right[state] += agrees
        self.certain += certain
        self.certain_right += certain and agrees
        if before_end:
            self.knowable += 1
            self.knowable_certain += certain
        if not agrees:
            pair = (truth, state_of(entry), "certain" if certain else "not certain")
            self.confusion[pair] += 1
            self.examples.setdefault(pair, where)

    def print(self, details):
        total, right = sum(self.total.values()), sum(self.right.values())
        print("\n%s: %s of %d sampled sockets right; of %d called certain %s; certain up to the last packet %s" % (
            self.name, percent(right, total), total, self.certain, percent(self.certain_right, self.certain),
            percent(self.knowable_certain, self.knowable)))
        for state in sorted(self.total, key=lambda state: -self.total[state]):
            print("    %-12s %9d  %s" % (state, self.total[state], percent(self.right[state], self.total[state])))
        for (truth, said, how), count in self.confusion.most_common(None if details else 15):
            print("    kernel %-11s said %-11s (%s): %d, as in %s" % (truth, said, how, count, self.examples[(truth, said, how)]))
        for why, count in self.unseen.most_common():
            print("    no capture can show: %-60s %d" % (why, count))


def score_states(scenario, vantage, connections, score, capture, known=()):
    for host, samples in scenario.truth.items():
        histories = Histories(connections, scenario.hosts[host])
        own = find(scenario.directory, host + ".pcap")
        own = capture if host == vantage else Capture(own)
        excuses = [entry for entry in scenario.meta["cannot_show"] if entry["host"] == host and not entry["why"].startswith(known)]
        said = "own" if host == vantage else "middle" if vantage == "middle" else "far"
        if scenario.meta["faulty_capture"]:
            said = "faulty " + said
        for sample in samples:
            if sample["time"] < capture.first or "sockets" not in sample:
                continue
            if scenario.meta["faulty_capture"] and sample["time"] > capture.last:
                continue                # it was stopped early: what came then is nobody's to know
            score_sample(scenario, "%s %s of %s" % (scenario.name, vantage, host), sample, histories, score[said],
                         own, excuses, capture)


def score_sample(scenario, where, sample, histories, score, own, excuses, capture):
    now = {tuple(entry[:4]): entry[4] for entry in sample["sockets"] if entry[4] != "LISTEN"}
    middle = (sample["time"] + sample["until"]) / 2
    for key in set(now) | set(histories.sockets):
        truth, entry = now.get(key, NONE), histories.at(key, middle)
        if truth == NONE and state_of(entry) == NONE:
            continue
        agrees = truth in histories.during(key, sample["time"] - PERIOD, sample["until"] + PERIOD)
        why = None if agrees else cannot_show(key, truth, entry, middle, capture, own, excuses)
        if why:
            score.unseen[why] += 1
        else:
            score.add(truth, entry, agrees, middle <= capture.last, "%s at %.3f" % (where, middle - capture.first))


def cannot_show(key, truth, entry, when, capture, own, excuses):
    """Why no capture could have shown this, or None."""
    said = state_of(entry)
    if capture is not own or capture.faulty:
        if when < capture.begins.get(key, when + 1) + PERIOD:
            return "no packet of it was captured yet"
    if said == NONE and entry is not None and not entry[3] and when - entry[0] <= TIMER_SLACK:
        return "a timer's slack (%s lives on for up to 2.3 s)" % truth
    fins = own.fins.get(key, [])
    if (truth, said) in (("FIN-WAIT-1", "ESTAB"), ("LAST-ACK", "CLOSE-WAIT")) and not any(fin <= when for fin in fins):
        return "a FIN not yet on the wire"
    for excuse in excuses:
        if when >= excuse["time"] and (truth == NONE if excuse["truth"] == "gone" else truth == excuse["truth"]):
            return excuse["why"]
    return None


# --- crowds ------------------------------------------------------------------------------------------

class CurveScore:
    """The number of sockets in each state over time, against the kernel's."""

    def __init__(self):
        self.total = self.right = 0
        self.worst = []

    def add(self, scenario, vantage, connections):
        for host, samples in scenario.truth.items():
            histories = Histories(connections, scenario.hosts[host])
            steps = count_steps(histories)
            for sample in samples:
                self.compare(scenario, vantage, host, sample, steps)

    def compare(self, scenario, vantage, host, sample, steps):
        counts = sample.get("counts")
        if counts is None:
            counts = collections.Counter(entry[4] for entry in sample["sockets"])
        for state in set(counts) | set(steps):
            if state == "LISTEN":
                continue
            # TIME_WAIT ends late by the timer's slack, so the kernel may still have what ended since.
            early = TIMER_SLACK if state in ("TIME-WAIT", "FIN-WAIT-2") else PERIOD
            low, high = count_range(steps.get(state, ([], [])), sample["time"] - early, sample["until"] + PERIOD)
            if state not in ("TIME-WAIT", "FIN-WAIT-2", "CLOSE-WAIT", "ESTAB"):
                low, high = low - 1, high + 1       # states of some milliseconds: the dump itself takes as long
            self.total += 1
            if low <= counts.get(state, 0) <= high:
                self.right += 1
            else:
                self.worst.append("%s %s of %s at %.1f: %s is %d, said %d to %d" % (
                    scenario.name, vantage, host, sample["time"], state, counts.get(state, 0), low, high))

    def print(self, details):
        if self.total:
            print("\ncurves: %s of %d counts right" % (percent(self.right, self.total), self.total))
            for line in self.worst if details else self.worst[:5]:
                print("    " + line)


def count_steps(histories):
    """{state: (times, counts after them)}"""
    changes = collections.defaultdict(list)
    for entries in histories.sockets.values():
        for number, entry in enumerate(entries):
            if entry[1] == "CLOSED":
                continue
            changes[entry[1]].append((entry[0], 1))
            if number + 1 < len(entries):
                changes[entry[1]].append((entries[number + 1][0], -1))
    steps = {}
    for state, several in changes.items():
        several.sort()
        times, counts, count = [], [], 0
        for when, step in several:
            count += step
            times.append(when)
            counts.append(count)
        steps[state] = (times, counts)
    return steps


def count_range(steps, start, end):
    times, counts = steps
    first, last = bisect.bisect_right(times, start), bisect.bisect_right(times, end)
    values = [counts[first - 1] if first else 0] + counts[first:last]
    return min(values), max(values)


# --- all of it -----------------------------------------------------------------------------------------

def scenarios_of(directories, patterns):
    found = []
    for directory in directories:
        inside = [os.path.join(directory, name) for name in sorted(os.listdir(directory))]
        found += [path for path in [directory] + inside if os.path.exists(os.path.join(path, "meta.json"))]
    return [Scenario(path) for path in found
            if not patterns or any(fnmatch.fnmatch(os.path.basename(path), pattern) for pattern in patterns)]


def analyse_all(options, scenarios):
    """(scenario, vantage, result) of every capture; lastack runs a few at a time."""
    work = [(scenario, vantage) for scenario in scenarios for vantage in VANTAGES]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = pool.map(lambda item: run_lastack(options.lastack, *item, options.settings), work)
        for (scenario, vantage), result in zip(work, results):
            yield scenario, vantage, result


def score_all(options, scenarios):
    names = ("own", "middle", "far", "faulty own", "faulty middle", "faulty far")
    states = {name: StateScore(name) for name in names}
    kinds = options.kinds.split(",") if options.kinds else built_kinds(options.lastack)
    findings, curves, failures = FindingScore(kinds), CurveScore(), []
    for scenario, vantage, result in analyse_all(options, scenarios):
        if isinstance(result, str):
            failures.append("%s %s: %s" % (scenario.name, vantage, result))
            continue
        findings.add(scenario, vantage, result[0])
        if scenario.meta["truth"]["full_every"] > 1:
            curves.add(scenario, vantage, result[1])
        capture = Capture(scenario.captures[vantage], scenario.meta["faulty_capture"])
        score_states(scenario, vantage, result[1], states, capture, TOLD if options.settings else ())
    return states, findings, curves, failures


def required(states, total, curves, failures):
    """What is required: (name, whether it holds)."""
    own = states["own"]
    checks = [("captures analysed", not failures),
              ("own vantage right", sum(own.right.values()) >= OWN_RIGHT * sum(own.total.values())),
              ("own vantage certain", own.knowable_certain >= OWN_CERTAIN * own.knowable),
              ("findings: nothing missed", total["missed"] == 0),
              ("findings: nothing that must not be", total["forbidden"] + total["unexpected"] + total["again"] == 0),
              ("findings: confidence", total["confidence"] == 0),
              ("curves", curves.right == curves.total)]
    for name, score in states.items():
        if name != "own" and score.certain:
            checks.append((name + " right where certain", score.certain_right >= FAR_RIGHT * score.certain))
    return checks


def built_kinds(lastack):
    """The kinds that the program knows: one a line of `lastack explain`."""
    lines = subprocess.run([lastack, "explain"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def as_json(states, findings, total, curves, failures, missing):
    return {"states": {name: {"total": sum(score.total.values()), "right": sum(score.right.values()), "certain": score.certain,
                              "certain_right": score.certain_right, "knowable": score.knowable,
                              "knowable_certain": score.knowable_certain, "cannot_show": dict(score.unseen),
                              "confusion": [list(pair) + [count] for pair, count in score.confusion.most_common()]}
                       for name, score in states.items()},
            "findings": {kind: dict(counts) for kind, counts in findings.kinds.items()}, "findings_total": dict(total),
            "curves": {"total": curves.total, "right": curves.right}, "failures": failures, "wrong": sorted(findings.lines),
            "does_not_hold": missing}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description="Holds the analyser against the truth of the lab.")
    parser.add_argument("directories", nargs="+", metavar="DIR")
    parser.add_argument("--lastack", default=os.path.join(here, "..", "..", "build", "lastack"))
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN")
    parser.add_argument("--settings", action="store_true", help="tell it the hosts' settings (--host-settings)")
    parser.add_argument("--kinds", metavar="LIST", help="score only these kinds of findings (default: those that `lastack explain` lists)")
    parser.add_argument("--details", action="store_true", help="every disagreement")
    parser.add_argument("--json", metavar="PATH", help="the score as JSON")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--no-require", action="store_true", help="exit 0 whatever the score")
    options = parser.parse_args()
    if not os.access(options.lastack, os.X_OK):
        print("score: %s: cannot be run (build it, or say --lastack PATH)" % options.lastack, file=sys.stderr)
        return 2
    scenarios = scenarios_of(options.directories, options.only)
    states, findings, curves, failures = score_all(options, scenarios)
    print("%d scenarios, %d captures" % (len(scenarios), len(scenarios) * len(VANTAGES)))
    for score in states.values():
        if score.total:
            score.print(options.details)
    curves.print(options.details)
    total = findings.print(options.details)
    for failure in failures:
        print("not analysed: " + failure)
    checks = required(states, total, curves, failures)
    missing = [name for name, holds in checks if not holds]
    if options.json:
        with open(options.json, "w") as file:
            json.dump(as_json(states, findings, total, curves, failures, missing), file, indent=1)
    print("\n" + ("does not hold: " + "; ".join(missing) if missing else "all that is required holds"))
    print("%d passed, %d failed, 0 skipped" % (len(checks) - len(missing), len(missing)))
    return 1 if missing and not options.no_require else 0


if __name__ == "__main__":
    sys.exit(main())
