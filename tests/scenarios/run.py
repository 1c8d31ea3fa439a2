#!/usr/bin/python3
"""Run the scenarios: compile each script for each vantage, run lastack, hold the result against the script.

The `expect` lines of a script are the authority; the golden files under expected/ only notice changes in the rest
of the output, and `--update` rewrites them. See README.md.
"""
import argparse
import concurrent.futures
import fnmatch
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import pkt2pcap  # noqa: E402

try:
    import jsonschema
except ImportError:
    jsonschema = None

# Every kind there is: of each finding some `expect` line must have spoken.
KINDS = ("lost-final-ack", "fin-retransmitted", "recycled-port-rst", "timestamp-rejected-syn", "time-wait-reuse",
         "old-duplicate", "time-wait-assassination", "close-wait-leak", "slow-close", "fin-wait-2-timeout",
         "last-ack-timeout", "abortive-close", "half-close", "simultaneous-close", "simultaneous-open",
         "syn-refused", "syn-unanswered", "syn-retransmitted", "syn-queue-overflow", "accept-queue-overflow",
         "syn-flood", "scan", "half-open", "keepalive", "keepalive-death", "retransmission-timeout",
         "zero-window-stall", "time-wait-pileup", "close-wait-pileup", "port-exhaustion", "shared-address",
         "challenge-ack", "injected-rst")

SEVERITIES = ("info", "notice", "warning", "critical")


class BadClaim(Exception):
    pass


# -- claims -----------------------------------------------------------------------------------------


def lookup(record, path):
    value = record
    for part in path.split("."):
        if isinstance(value, list) and part.isdigit():
            value = value[int(part)] if int(part) < len(value) else None
            continue
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def word(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def condition(text):
    """key=a|b, key!=a|b, key~number (within 20 % and 20 ms), key<number, key>=number -> (key, operator, value)"""
    match = re.fullmatch(r"([a-z_.0-9]+)(=|!=|~|<|>=)(.*)", text)
    if not match:
        raise BadClaim("cannot read: " + text)
    return match.groups()


def holds(finding, test, names):
    key, operator, wanted = test
    if key in ("conn", "previous") and wanted.isdigit():
        got = finding.get("connection" if key == "conn" else "previous")
        return got is not None and same_connection(got, names[int(wanted)])
    value = lookup(finding, key)
    if operator == "=":
        return word(value) in wanted.split("|")
    if operator == "!=":
        return word(value) not in wanted.split("|")
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    if operator == "~":
        return abs(value - float(wanted)) <= 0.2 * float(wanted) + 0.02
    return value < float(wanted) if operator == "<" else value >= float(wanted)


def same_connection(got, name):
    ends = {(got["client"]["address"], got["client"]["port"]), (got["server"]["address"], got["server"]["port"])}
    return ends == set(name["ends"]) and got["incarnation"] == name["incarnation"]


def parse_finding(text):
    """`KIND [observed|inferred] [key=value ...] [or KIND ...]` -> list of alternatives (kind, tests)"""
    alternatives = []
    for part in re.split(r"\s+or\s+", text):
        words = part.split()
        if words[0] == "only":
            words = words[1:]
        if words[0] not in KINDS:
            raise BadClaim("no such kind: " + words[0])
        tests = []
        for item in words[1:]:
            tests.append(("confidence", "=", item) if item in ("observed", "inferred") else condition(item))
        alternatives.append((words[0], tests))
    return alternatives


def fits(finding, alternatives, names):
    return any(finding["kind"] == kind and all(holds(finding, test, names) for test in tests)
               for kind, tests in alternatives)


def assign(wanted, findings, names, used=()):
    """Every wanted claim gets a finding of its own: the indices in order, or None."""
    if len(used) == len(wanted):
        return used
    for index, finding in enumerate(findings):
        if index not in used and fits(finding, wanted[len(used)], names):
            found = assign(wanted, findings, names, used + (index,))
            if found is not None:
                return found
    return None


def describe(finding):
    known = {"kind", "confidence", "severity", "summary", "evidence", "connection", "previous", "display_filter", "assumes",
             "excluded", "time", "host", "peer", "responsible"}
    extra = " ".join("%s=%s" % (key, json.dumps(value)) for key, value in finding.items() if key not in known)
    frames = ",".join(str(item["frame"]) for item in finding.get("evidence", []))
    where = finding.get("connection") or {}
    return "%s %s %s %s\n          connection port %s incarnation %s, frames %s: %s" % (
        finding["kind"], finding["confidence"], finding["severity"], extra,
        lookup(where, "client.port"), where.get("incarnation"), frames, finding["summary"])


# -- one vantage of one script ------------------------------------------------------------------------


def connection_names(script, records):
    """What the connections of the script must be called at this vantage: their ends, and which life of the 4-tuple."""
    seen, names = {}, {}
    present = {line.conn.number for _, line, _ in records if line.conn}
    for number in sorted(script.conns):
        conn = script.conns[number]
        ends = [(str(end.host.address), end.port) for end in (conn.a, conn.b)]
        if number in present:
            seen[conn.key()] = seen.get(conn.key(), 0) + 1
        names[number] = {"ends": ends, "incarnation": seen.get(conn.key(), 0), "present": number in present,
                         "hosts": {conn.a.host.name: ends[0], conn.b.host.name: ends[1]}}
    return names


def check_states(claim, names, connections):
    """conn N [absent | KEY VALUE | HOST.states [...] STATE[!|?] ...]"""
    words = claim.split()
    name = names[int(words[1])]
    found = [item for item in connections if same_connection(item, name)]
    if words[2] == "absent":
        return None if not found else "there, but should not be"
    if not found:
        return "no such connection: %s incarnation %d" % (name["ends"], name["incarnation"])
    record = found[0]
    host, _, what = words[2].partition(".")
    if host in name["hosts"]:
        ends = [record["client"], record["server"]]
        end = [item for item in ends if (item["address"], item["port"]) == name["hosts"][host]][0]
        if what != "states":
            got = word(lookup(end, what))
            return None if got in words[3].split("|") else "is " + got
        history = [(entry["state"], entry["certain"]) for entry in end["states"]]
        wanted = words[3:]
        if wanted[0] == "...":
            wanted = wanted[1:]
            tail = history[-len(wanted):]
        else:
            tail = history
        good = len(tail) == len(wanted)
        for (state, certain), text in zip(tail, wanted):
            good = good and state == text.rstrip("!?")
            good = good and not (text.endswith("!") and not certain) and not (text.endswith("?") and certain)
        shown = " ".join(state + ("!" if certain else "?") for state, certain in history)
        return None if good else "is " + shown
    got = word(lookup(record, words[2]))    # also resets.0.cause
    return None if got in words[3].split("|") else "is " + got


def check_claims(script, vantage, names, findings, connections, report):
    problems, wanted, allowed, spoke = [], [], [], False
    world = findings
    for vantages, claim in script.expects:
        if vantage not in vantages:
            continue
        if claim == "nothing":
            spoke = True
        elif claim.startswith("nothing above "):
            spoke = True
            most = claim[len("nothing above "):]
            if most not in SEVERITIES:
                raise BadClaim("no such severity: " + most)
            worse = SEVERITIES[SEVERITIES.index(most) + 1:]
            problems += ["expected %s: %s" % (claim, describe(finding)) for finding in findings if finding["severity"] in worse]
            world = [finding for finding in world if finding["severity"] in worse]
        elif claim.startswith("none of "):
            spoke = True
            for kind in re.split(r"[,\s]+", claim[len("none of "):]):
                if kind not in KINDS:
                    raise BadClaim("no such kind: " + kind)
                if any(finding["kind"] == kind for finding in findings):
                    problems.append("expected none of " + kind)
        elif claim.startswith("conn "):
            wrong = check_states(claim, names, connections)
            if wrong:
                problems.append("expected %s\n      got      %s" % (claim, wrong))
        elif claim.startswith("connections "):
            if len(connections) != int(claim.split()[1]):
                problems.append("expected %s, got %d" % (claim, len(connections)))
        elif claim.startswith("report "):
            key, operator, value = condition(claim[len("report "):])
            if not holds(report, (key, operator, value), names):
                problems.append("expected %s, got %s" % (claim, word(lookup(report, key))))
        else:
            spoke = True
            wanted.append((claim, parse_finding(claim)))
    for vantages, claim in script.allows:
        if vantage in vantages:
            allowed.append(parse_finding(claim))
    if not spoke:
        raise BadClaim("no expectation for vantage " + vantage)
    given = assign([alternatives for _, alternatives in wanted], world, names)
    if given is None:
        given = []
        for claim, alternatives in wanted:
            mine = [i for i, finding in enumerate(world) if i not in given and fits(finding, alternatives, names)]
            if mine:
                given.append(mine[0])
            else:
                problems.append("expected %s" % claim)
    for index, finding in enumerate(world):
        if index not in given and not any(fits(finding, alternatives, names) for alternatives in allowed):
            problems.append("not expected: %s" % describe(finding))
    if problems and world:
        problems.append("all findings here:" + "".join("\n        " + describe(finding) for finding in findings))
    elif problems:
        problems.append("no findings here")
    return problems


def check_told(findings, connections):
    """What a line of --connections says was found is what --findings says."""
    found = {}
    for finding in findings:
        if finding["connection"]:
            found.setdefault(finding["connection"]["id"], set()).add(finding["kind"])
    wrong = [item for item in connections if set(item["findings"]) != found.get(item["id"], set())]
    return ["%s: findings %s, but %s are told" % (item["id"], item["findings"], sorted(found.get(item["id"], ())))
            for item in wrong[:3]]


def check_evidence(script, captures, findings, connections):
    """Frames must be packets of the connection, with the packet's own time; the display filter must name them."""
    problems = []
    base = round(script.start * 1e6)
    for finding in findings:
        if not finding["evidence"]:
            problems.append("%s: no evidence" % finding["kind"])
        for item in finding["evidence"]:
            frame = item["frame"]
            if frame is None:
                continue
            records = captures[item["file"]]
            if not 1 <= frame <= len(records):
                problems.append("%s: evidence frame %s does not exist" % (finding["kind"], frame))
                continue
            when, line, _ = records[frame - 1]
            stamp = iso(base + when)
            if item["time"].rstrip("Z").partition(".")[2].ljust(9, "0") != stamp.partition(".")[2].ljust(9, "0") \
                    or item["time"][:19] != stamp[:19]:
                problems.append("%s: frame %d has time %s, not %s" % (finding["kind"], frame, stamp, item["time"]))
            first = item["file"] == finding["evidence"][0]["file"]  # Wireshark opens one file at a time
            if first and not re.search(r"\b%d\b" % frame, finding["display_filter"]):
                problems.append("%s: display_filter %r lacks frame %d" % (finding["kind"], finding["display_filter"], frame))
    known = {item["id"] for item in connections}
    for finding in findings:
        for key in ("connection", "previous"):
            if finding[key] and finding[key]["id"] not in known:
                problems.append("%s: %s id %s is no line of --connections" % (finding["kind"], key, finding[key]["id"]))
    return problems


def iso(microseconds):
    seconds, rest = divmod(microseconds, 1_000_000)
    moment = pkt2pcap.datetime.fromtimestamp(seconds, pkt2pcap.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + ".%06d" % rest


def check_report(records, report):
    packets = report["capture"]["packets"]
    other = sum(1 for _, line, _ in records if line.icmp)
    problems = []
    if packets["total"] != len(records):
        problems.append("report counts %s packets, the capture holds %d" % (packets["total"], len(records)))
    if packets["tcp"] != len(records) - other:
        problems.append("report counts %s TCP packets, the capture holds %d" % (packets["tcp"], len(records) - other))
    return problems + check_delays(report)


def check_delays(report):
    """What is split has to add up to the whole."""
    problems, whole = [], 0
    for service in report["services"]:
        delay = service["connect_delay"]
        parts = sum(part["delay"]["count"] for part in delay["by_cause"])
        whole += delay["first"]["count"] + delay["repeated"]["count"]
        if parts != delay["repeated"]["count"]:
            problems.append("services: %d repeated, %d of them by cause" % (delay["repeated"]["count"], parts))
    if whole != report["connections"]["connect_delay"]["count"]:
        problems.append("services: %d delays, connections: %d" % (whole, report["connections"]["connect_delay"]["count"]))
    return problems


def run_vantage(job):
    """-> (name, problems) of one script at one vantage"""
    lastack, work, path, vantage, schemas, golden, variant = job
    name = "%s.%s" % (os.path.relpath(path, HERE)[:-4], vantage)
    try:
        script = vary(path, variant)
        output, problems = run_case(lastack, work, name.replace("/", "."), script, vantage, schemas)
        if output is not None and golden != "none" and not (problems and golden == "update"):
            problems += compare(os.path.join(HERE, "expected", name + ".json"), output, golden == "update")
        return name, problems
    except (BadClaim, pkt2pcap.ScriptError, KeyError, IndexError, ValueError, TypeError, OSError) as error:
        return name, ["%s: %s" % (type(error).__name__, error)]


def vary(path, variant):
    """The script as it stands, or the same story with other numbers or in another kind of capture."""
    script = pkt2pcap.load(path, variant if variant.startswith("seed") else "")
    if variant in ("span", "routed", "any"):
        script.duplicates = script.duplicates or (variant, 0.000150)
    elif variant in ("raw", "sll", "sll2"):
        script.snaplen += {"raw": -14, "sll": 2, "sll2": 6}[variant] if script.link == "ethernet" else 0
        script.link = variant
    elif variant == "nano":
        script.nano, script.bigendian = True, True
    return script


def write_settings(work, stem, script):
    """The files with the hosts' settings -> the options that name them"""
    options = []
    for host, lines in script.settings.items():
        name = "%s.%s.conf" % (stem, host)
        with open(os.path.join(work, name), "w", encoding="utf-8") as stream:
            stream.write("\n".join(lines) + "\n")
        options += ["--host-settings", "%s=%s" % (script.hosts[host].address, name)]
    return options


def run_case(lastack, work, stem, script, vantage, schemas):
    """-> (what lastack wrote, or None where it wrote nothing to judge; problems)"""
    captures = {}
    for place in script.places(vantage):
        name = stem + (".pcap" if place == vantage else "-%s.pcap" % place)
        data, captures[name] = script.pcap(place)
        with open(os.path.join(work, name), "wb") as stream:
            stream.write(data)
    records = script.records(vantage)
    outputs = ["--findings", stem + ".findings", "--connections", stem + ".connections"]
    command = [lastack] + outputs + script.args + write_settings(work, stem, script) + list(captures)
    try:
        result = subprocess.run(command, cwd=work, capture_output=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return None, ["lastack did not end within 20 s"]
    said = result.stderr.decode(errors="replace").strip()[:2000]
    if result.returncode != script.exit_code:
        return None, ["exit code %d, expected %d: %s" % (result.returncode, script.exit_code, said)]
    problems = ["standard error: " + said] if said else []
    report = json.loads(result.stdout)
    findings = read_lines(os.path.join(work, stem + ".findings"))
    connections = read_lines(os.path.join(work, stem + ".connections"))
    problems += validate(schemas, [("report", report)] + [("finding", item) for item in findings]
                         + [("connection", item) for item in connections])
    problems += check_report(records, report)
    names = connection_names(script, records)
    problems += check_claims(script, vantage, names, findings, connections, report)
    problems += check_evidence(script, captures, findings, connections)
    problems += check_told(findings, connections)
    report["lastack"] = "VERSION"
    return {"report": report, "connections": connections, "findings": findings}, problems


def read_lines(path):
    with open(path, encoding="utf-8") as stream:
        return [json.loads(line) for line in stream if line.strip()]


VALIDATORS = {}


def validate(schemas, items):
    problems = []
    if not jsonschema or not schemas:
        return problems
    for what, item in items:
        if what not in VALIDATORS:
            schema = schemas[what]
            kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
            VALIDATORS[what] = kind(schema)
        for error in VALIDATORS[what].iter_errors(item):
            problems.append("schema %s: at %s: %s" % (what, "/".join(map(str, error.absolute_path)) or "(top)", error.message[:300]))
            if len(problems) > 5:
                return problems
    return problems


def golden_text(output):
    """Everything once, in lines short enough that a difference can be read: a section of the report a line, a finding a
    line, a connection a line. Instances in the report that repeat a line of --findings are named by its number, and
    advice, which is the text of docs/diagnoses, by its presence."""
    report, findings = dict(output["report"]), output["findings"]
    shown = []
    for item in report.get("findings", []):
        item = dict(item)
        item["instances"] = [findings.index(one) if one in findings else one for one in item["instances"]]
        if all(item["advice"].get(part) for part in ("causes", "remedies", "avoid")):
            item["advice"] = "given"
        shown.append(item)
    report["findings"] = shown
    for section in ("sockets", "services", "edges"):
        report.pop(section, None)  # held by `expect report` lines where they are the point
    for limit in ("places", "waiting", "pauses", "hosts", "services", "edges", "service_connections", "client_connections"):
        if report["limits"][limit]["left_out"] == 0:  # as in every capture of a few connections
            report["limits"] = {key: value for key, value in report["limits"].items() if key != limit}
    lines = ["%s: %s" % (json.dumps(key), json.dumps(value, ensure_ascii=False)) for key, value in report.items()]
    tables = ["[\n %s\n]" % ",\n ".join(json.dumps(item, ensure_ascii=False) for item in items) if items else "[]"
              for items in (findings, output["connections"])]
    return '{"report": {\n %s\n},\n"findings": %s,\n"connections": %s}\n' % (",\n ".join(lines), *tables)


def compare(path, output, update):
    text = golden_text(output)
    if update:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        return []
    shown = os.path.relpath(path, HERE)
    try:
        with open(path, encoding="utf-8") as stream:
            before = stream.read()
    except FileNotFoundError:
        return ["no golden file %s (run with --update, then review it)" % shown]
    if before == text:
        return []
    old, new = before.splitlines(), text.splitlines()
    for number, (left, right) in enumerate(zip(old, new), 1):
        if left != right:
            begin = max(next(i for i, (x, y) in enumerate(zip(left + "\0", right + "\1")) if x != y) - 60, 0)
            return ["differs from %s, first at line %d, character %d:\n        golden …%s\n        now    …%s" % (
                shown, number, begin, left[begin:begin + 200], right[begin:begin + 200])]
    return ["differs from %s in length: %d lines, now %d" % (shown, len(old), len(new))]


def self_check(script, vantage):
    """Without lastack: the script compiles and its claims can be read."""
    records = script.pcap(vantage)[1]
    names = connection_names(script, records)
    try:
        check_claims(script, vantage, names, [], [], {})
    except BadClaim as error:
        return [str(error)]
    return [] if records else ["an empty capture"]


# -- all of them ----------------------------------------------------------------------------------------


def scripts(pattern):
    found = []
    for folder, _, files in os.walk(HERE):
        for file in files:
            relative = os.path.relpath(os.path.join(folder, file), HERE)
            if file.endswith(".pkt") and (not pattern or fnmatch.fnmatch(relative, "*%s*" % pattern)):
                found.append(os.path.join(folder, file))
    return sorted(found)


def read_schemas(lastack):
    schemas = {}
    for what in ("report", "connection", "finding"):
        result = subprocess.run([lastack, "schema", what], capture_output=True, check=True)
        schemas[what] = json.loads(result.stdout)
    return schemas


# -- every kind --------------------------------------------------------------------------------------


def claims_of(paths):
    """-> (kinds that some script foretells, kinds that some script says may not be found in it)"""
    foretold, excluded = set(), set()
    for path in paths:
        for _, claim in pkt2pcap.load(path).expects:
            if claim.startswith("none of "):
                excluded.update(re.split(r"[,\s]+", claim[len("none of "):]))
            else:
                foretold.update(part.split()[0] for part in re.split(r"\s+or\s+", claim) if part.split())
    return foretold, excluded


def check_kinds(lastack, paths, schemas):
    """Yields (kind, problems): each has a page, a scenario, a look-alike, and stands in a whole report."""
    import crowds  # noqa: E402  what takes hundreds of connections is foretold there, and reported whole
    foretold, excluded = claims_of(paths)
    reported, unlike = crowds.claims()
    foretold, excluded = foretold | reported, excluded | unlike
    for folder, _, files in os.walk(os.path.join(HERE, "expected")):
        for file in files:
            with open(os.path.join(folder, file), encoding="utf-8") as stream:
                reported.update(re.findall(r'"kind": "([a-z0-9-]+)"', stream.read()))
    for kind in schemas["finding"]["$defs"]["kind"]["enum"]:
        page = subprocess.run([lastack, "explain", kind], capture_output=True, check=False)
        yield kind, [what for what, good in (
            ("`lastack explain %s` has no page" % kind, page.returncode == 0 and page.stdout),
            ("no script expects it", kind in foretold),
            ("no script is its look-alike: none says `none of %s`" % kind, kind in excluded),
            ("it stands in no report under expected/", kind in reported)) if not good]


def check_only(paths):
    failed = 0
    for path in paths:
        relative = os.path.relpath(path, HERE)
        try:
            script = pkt2pcap.load(path)
            for vantage in script.vantages:
                for problem in self_check(script, vantage):
                    print("FAIL %s at %s: %s" % (relative, vantage, problem))
                    failed += 1
        except pkt2pcap.ScriptError as error:
            print("FAIL %s: %s" % (relative, error))
            failed += 1
    return failed


def main():
    parser = argparse.ArgumentParser(description="hold lastack against the scenarios")
    parser.add_argument("--lastack", help="the program to test")
    parser.add_argument("--only", metavar="PATTERN", help="scripts whose path holds this (shell wildcards)")
    parser.add_argument("--update", action="store_true", help="write the golden files of the cases whose `expect` lines hold")
    parser.add_argument("--work", help="where captures and outputs are put (default: a temporary directory)")
    parser.add_argument("--check", action="store_true", help="only compile the scripts and read their claims")
    parser.add_argument("--variant", default="", metavar="WHAT",
                        help="the same claims for other captures of the same stories, without golden files: seedN (other "
                             "numbers), span, routed, any (every packet twice), raw, sll, sll2, nano")
    parser.add_argument("-j", type=int, default=2, help="how many at once (default: 2)")
    options = parser.parse_args()
    paths = scripts(options.only)
    if options.check or not options.lastack:
        failed = check_only(paths)
        print("%d passed, %d failed, 0 skipped" % (len(paths) - failed, failed))
        return 1 if failed else 0
    if options.work:
        os.makedirs(options.work, exist_ok=True)
        return run_all(options, paths, os.path.abspath(options.work))
    with tempfile.TemporaryDirectory(prefix="lastack-scenarios-") as work:
        return run_all(options, paths, work)


def tell(name, problems):
    if problems:
        print("FAIL %s" % name)
    for problem in problems:
        print("      " + problem)


def run_all(options, paths, work):
    lastack = os.path.abspath(options.lastack)
    passed = failed = skipped = 0
    if not os.access(lastack, os.X_OK):
        print("FAIL %s: no such program (make builds it)" % options.lastack)
        print("0 passed, 1 failed, 0 skipped")
        return 1
    schemas = None
    if jsonschema:
        try:
            schemas = read_schemas(lastack)
        except (OSError, subprocess.CalledProcessError, ValueError) as error:
            print("FAIL lastack schema: %s" % error)
            failed += 1
    else:
        print("SKIP schema validation: this Python has no jsonschema (Debian: apt-get install python3-jsonschema)")
        skipped += 1
    jobs = []
    for path in paths:
        try:
            vantages = pkt2pcap.load(path).vantages
        except pkt2pcap.ScriptError as error:
            print("FAIL %s" % error)
            failed += 1
            continue
        golden = "none" if options.variant else "update" if options.update else "compare"
        jobs += [(lastack, work, path, vantage, schemas, golden, options.variant) for vantage in vantages]
    with concurrent.futures.ProcessPoolExecutor(max_workers=max(options.j, 1)) as pool:
        for name, problems in pool.map(run_vantage, jobs, chunksize=4):
            failed += bool(problems)
            passed += not problems
            tell(name, problems)
    if schemas and not options.only and not options.variant:
        for kind, problems in check_kinds(lastack, paths, schemas):
            failed += bool(problems)
            passed += not problems
            tell("kind " + kind, problems)
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
