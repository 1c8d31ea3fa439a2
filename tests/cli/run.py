#!/usr/bin/env python3
"""The program as a user meets it: exit codes, messages, files, and what is written being what it claims.

    tests/cli/run.py --lastack PATH [--only WORD] [--keep]

Each test is a function named test_...; it gets a fresh directory to work in. Ends with one line,
`N passed, N failed, N skipped`.
"""

import argparse
import concurrent.futures
import copy
import gzip
import inspect
import json
import os
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TIMEOUT = 60

try:
    import jsonschema
except ImportError:
    jsonschema = None


class Skip(Exception):
    pass


# -- captures ---------------------------------------------------------------------------------------

FIN, SYN, RST, ACK = 1, 2, 4, 16
CLIENT, SERVER = ("10.0.0.7", 40112), ("10.0.0.2", 8080)
START = 1763647385.118


def ip4(text):
    return bytes(int(part) for part in text.split("."))


def segment(source, target, flags, seq, ack=0, data=b""):
    tcp = struct.pack("!HHIIBBHHH", source[1], target[1], seq, ack, 5 << 4, flags, 64000, 0, 0) + data
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0x4000, 64, 6, 0, ip4(source[0]), ip4(target[0]))
    return b"\x02" * 12 + b"\x08\x00" + ip + tcp


def record(when, packet, nano=False):
    seconds = int(when)
    fraction = round((when - seconds) * (1e9 if nano else 1e6))
    return struct.pack("<IIII", seconds, fraction, len(packet), len(packet)) + packet


def header(nano=False):
    return struct.pack("<IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)


def close_packets(client=CLIENT, server=SERVER, start=START, lost_final_ack=False):
    """A connection from SYN to the last ACK, closed by the client."""
    steps = [
        (0.000, client, SYN, 999, 0), (0.010, server, SYN | ACK, 4999, 1000), (0.011, client, ACK, 1000, 5000),
        (0.100, client, FIN | ACK, 1000, 5000), (0.110, server, FIN | ACK, 5000, 1001),
        (0.111, client, ACK, 1001, 5001),
    ]
    if lost_final_ack:
        steps += [(0.330, server, FIN | ACK, 5000, 1001), (0.331, client, ACK, 1001, 5001)]
    return [(start + at, segment(who, server if who is client else client, flags, seq, ack))
            for at, who, flags, seq, ack in steps]


def capture_bytes(packets, nano=False):
    return header(nano) + b"".join(record(when, packet, nano) for when, packet in packets)


def many_packets(connections):
    packets = []
    for i in range(connections):
        client = (f"10.1.{i // 250}.{i % 250 + 1}", 30000 + i % 20000)
        packets += close_packets(client, start=START + i * 0.002, lost_final_ack=i % 3 == 0)
    return sorted(packets, key=lambda item: item[0])


# -- the harness ------------------------------------------------------------------------------------


class Bench:
    """What a test works with: the program, and a directory of its own."""

    def __init__(self, program, directory):
        self.program = str(program)
        self.dir = Path(directory)

    def path(self, name):
        return str(self.dir / name)

    def write(self, name, data):
        (self.dir / name).write_bytes(data)
        return self.path(name)

    def capture(self, name="a.pcap", **how):
        return self.write(name, capture_bytes(close_packets(**how)))

    def run(self, *words, **how):
        environment = {**os.environ, "TMPDIR": str(self.dir), **how.pop("env", {})}
        how.setdefault("stdin", subprocess.DEVNULL)
        if "input" in how:
            del how["stdin"]
        return subprocess.run([self.program, *words], capture_output=True, timeout=TIMEOUT,
                              cwd=self.dir, env=environment, **how)

    def expect(self, code, *words, **how):
        done = self.run(*words, **how)
        if done.returncode != code:
            raise AssertionError(f"lastack {' '.join(words)}: exit code {done.returncode}, not {code}\n"
                                 f"{done.stderr.decode(errors='replace')[-2000:]}")
        return done

    def report(self, *words, code=0, **how):
        return json.loads(self.expect(code, *words, **how).stdout)

    def complaint(self, code, *words, **how):
        """The one line on standard error."""
        done = self.expect(code, *words, **how)
        lines = done.stderr.decode().splitlines()
        assert len(lines) == 1, f"{len(lines)} lines on standard error: {lines}"
        assert lines[0].startswith("lastack: "), lines[0]
        return lines[0]

    def entries(self):
        return sorted(os.listdir(self.dir))


SCHEMAS = {}


def validate(bench, name, document, where):
    if jsonschema is None:
        raise Skip("python3-jsonschema is not installed")
    if name not in SCHEMAS:
        schema = json.loads(bench.expect(0, "schema", name).stdout)
        jsonschema.Draft202012Validator.check_schema(schema)
        SCHEMAS[name] = jsonschema.Draft202012Validator(schema)
    for error in SCHEMAS[name].iter_errors(document):
        raise AssertionError(f"{where}: {name}: {list(error.absolute_path)}: {error.message[:300]}")


# -- help, version, texts ---------------------------------------------------------------------------


def test_help_goes_to_standard_output(b):
    done = b.expect(0, "--help")
    assert done.stderr == b""
    text = done.stdout.decode() + b.expect(0, "sockets", "--help").stdout.decode()
    assert text.startswith("Usage: lastack")
    assert max(map(len, text.splitlines())) <= 100


def options_in_help(b, *command):
    return re.findall(r"^ {2,6}(?:-(\w), )?--([a-z-]+)", b.expect(0, *command, "--help").stdout.decode(), re.M)


def test_every_command_has_help(b):
    for command in ("analyze", "sockets", "explain", "schema"):
        assert "help" in [name for _, name in options_in_help(b, command)], command
    assert [name for _, name in options_in_help(b, "explain")] == ["version", "help"]


def test_the_man_page_has_the_options_of_help(b):
    page = (ROOT / "docs/lastack.1").read_text()
    told = {("" if not s else s, l) for command in ("analyze", "sockets") for s, l in options_in_help(b, command)}
    # .It Fl o , -output Ar PATH          .It Fl -from Ar TIME
    written = {(s or "", l) for s, l in re.findall(r"^\.It Fl (?:(\w) , )?-+([a-z-]+)", page, re.M)}
    # mdoc writes long options as "Fl -name"; the regular expression takes the dash.
    assert told == written, f"only in --help: {told - written}; only in the man page: {written - told}"


def test_the_man_page_has_the_texts_of_help(b):
    page = (ROOT / "docs/lastack.1").read_text()
    for name in ("lost-final-ack", "linux-legacy", "FIN-WAIT-2", "TMPDIR"):
        assert name.replace("-", "\\-") in page or name in page, name
    for kind in explained(b)[0]:
        assert kind in page, kind


def test_the_man_page_is_clean(b):
    mandoc = shutil.which("mandoc")
    if not mandoc:
        raise Skip("mandoc is not installed")
    done = subprocess.run([mandoc, "-Tlint", "-W", "warning", str(ROOT / "docs/lastack.1")], capture_output=True)
    assert done.stdout == b"" and done.returncode == 0, done.stdout.decode()


def test_version(b):
    assert re.fullmatch(rb"lastack \d+\.\d+\.\d+\n", b.expect(0, "--version").stdout)


def explained(b):
    """The kinds and the settings that `lastack explain` lists, in order."""
    lists = b.expect(0, "explain").stdout.decode().split("\n\n")
    return [[line.split()[0] for line in text.splitlines()] for text in lists]


def test_explain_prints_the_page(b):
    kinds, settings = explained(b)
    assert len(kinds) >= 5 and len(settings) >= 29
    for folder, names in (("diagnoses", kinds), ("settings", settings)):
        assert sorted(names) == sorted(path.stem for path in (ROOT / "docs" / folder).glob("*.md"))
        for name in names:
            page = (ROOT / "docs" / folder / f"{name}.md").read_bytes()
            assert b.expect(0, "explain", name).stdout == page, name


def test_explain_knows_settings_by_sysctls_name(b):
    for name in explained(b)[1]:
        title = b.expect(0, "explain", name).stdout.decode().splitlines()[0].removeprefix("# ")
        assert b.expect(0, "explain", title).stdout == b.expect(0, "explain", name).stdout, name
    assert b.expect(0, "explain", "net.core.somaxconn").stdout.startswith(b"# net.core.somaxconn\n")


def test_explain_suggests(b):
    assert "did you mean lost-final-ack?" in b.complaint(2, "explain", "lost-final-akc")
    assert "did you mean tcp_tw_reuse?" in b.complaint(2, "explain", "tcp_tw_resue")
    assert "no such kind or setting" in b.complaint(2, "explain", "xyzzy")
    b.complaint(2, "explain", "lost-final-ack", "time-wait-reuse")


def test_schema_prints_the_file(b):
    assert b.expect(0, "schema").stdout == b.expect(0, "schema", "report").stdout
    for name in ("report", "connection", "finding", "socket"):
        assert b.expect(0, "schema", name).stdout == (ROOT / f"docs/schema/{name}-1.json").read_bytes()
    assert "did you mean connection?" in b.complaint(2, "schema", "conection")
    b.complaint(2, "schema", "sockets.json")


# -- the command line -------------------------------------------------------------------------------


def test_without_a_file(b):
    assert "no capture to read" in b.complaint(2)
    assert "no capture to read" in b.complaint(2, "analyze", "-q")


def test_wrong_options(b):
    capture = b.capture()
    assert "did you mean --connections?" in b.complaint(2, "--conections", "x", capture)
    assert "needs its PATH" in b.complaint(2, capture, "-o")
    assert "did you mean analyze?" in b.complaint(2, "analyse", capture)
    assert "--from: 'noon'" in b.complaint(2, "--from", "noon", capture)
    assert "plan9" in b.complaint(2, "--os", "plan9", capture)
    assert "--close-wait: 'soon'" in b.complaint(2, "--close-wait", "soon", capture)
    assert "--close-wait: between" in b.complaint(2, "--close-wait", "2d", capture)
    assert "--threads: '0'" in b.complaint(2, "-j", "0", capture)
    for words in (["--text"], ["--html", "x"], ["--evidence", "x"], ["--memory", "1G"]):
        assert "unknown option" in b.complaint(2, *words, capture), words
    assert b.entries() == ["a.pcap"]


def test_filter_that_does_not_compile(b):
    line = b.complaint(2, "-f", "tcp port and and", b.capture())
    assert "tcp port and and" in line


def test_outputs_that_collide(b):
    capture = b.capture()
    assert "named for two outputs" in b.complaint(2, capture, "-o", "out", "--findings", "./out")
    assert "named for two outputs" in b.complaint(2, capture, "--connections", "c", "--findings", "c")
    assert "share standard output" in b.complaint(2, capture, "--findings", "-")
    assert "share standard output" in b.complaint(2, capture, "-o", "x", "--findings", "-", "--connections", "-")
    assert "is to be read and to be written" in b.complaint(2, "a.pcap", "-o", capture)
    assert b.entries() == ["a.pcap"]


# -- inputs -----------------------------------------------------------------------------------------


def test_a_capture(b):
    report = b.report(b.capture())
    assert report["capture"]["packets"] == {"total": 6, "tcp": 6, "other": 0, "undecoded": {}, "filtered": 0}
    assert report["capture"]["first"] == "2025-11-20T14:03:05.118000Z"
    assert report["inputs"][0]["format"] == "pcap" and "error" not in report["inputs"][0]
    assert report["interrupted"] is False
    validate(b, "report", report, "report")


def test_standard_input(b):
    data = capture_bytes(close_packets())
    report = b.report("-", input=data)
    assert report["inputs"][0]["path"] == "-"
    assert report["capture"]["packets"]["tcp"] == 6
    assert b.report("-", input=gzip.compress(data))["inputs"][0]["compression"] == "gzip"


def test_a_directory(b):
    os.mkdir(b.path("d"))
    b.write("d/1.pcap", capture_bytes(close_packets()))
    b.write("d/2.pcap", capture_bytes(close_packets(start=START + 100)))
    b.write("d/notes.txt", b"not a capture\n")
    report = b.report("d")
    assert [entry["path"] for entry in report["inputs"]] == ["d/1.pcap", "d/2.pcap"]
    assert report["capture"]["packets"]["tcp"] == 12


def test_a_directory_without_captures(b):
    os.mkdir(b.path("d"))
    b.write("d/notes.txt", b"not a capture\n")
    assert "d: " in b.complaint(3, "d")


def check_broken(b, name, packets=0):
    """A broken input: one line, exit code 3, and a report that says so."""
    done = b.expect(3, name)
    assert done.stderr.decode().startswith(f"lastack: {name}: "), done.stderr
    assert done.stderr.count(b"\n") == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["inputs"][0]["error"]["message"] in done.stderr.decode()
    assert report["capture"]["packets"]["total"] == packets, report["capture"]["packets"]
    validate(b, "report", report, name)


def test_a_missing_file(b):
    check_broken(b, "missing.pcap")


def test_no_permission(b):
    capture = b.capture()
    os.chmod(capture, 0)
    if os.access(capture, os.R_OK):
        raise Skip("root may read everything")
    check_broken(b, "a.pcap")


def test_an_empty_file(b):
    b.write("empty.pcap", b"")
    check_broken(b, "empty.pcap")


def test_garbage(b):
    b.write("garbage", bytes(range(7, 250)) * 20)
    check_broken(b, "garbage")


def test_a_header_alone_is_whole(b):
    b.write("none.pcap", header())
    report = b.report("none.pcap")
    assert report["capture"]["first"] is None
    validate(b, "report", report, "none.pcap")


def test_a_capture_cut_in_a_packet(b):
    data = capture_bytes(close_packets())
    b.write("cut.pcap", data[:-10])
    check_broken(b, "cut.pcap", packets=5)


def test_a_compressed_capture_cut_in_the_middle(b):
    data = gzip.compress(capture_bytes(many_packets(200)))
    b.write("cut.pcap.gz", data[:len(data) // 2])
    done = b.expect(3, "cut.pcap.gz")
    assert json.loads(done.stdout)["capture"]["packets"]["tcp"] > 0


def test_lengths_that_lie(b):
    b.write("lie.pcap", header() + struct.pack("<IIII", 1, 1, 0xFFFFFFF0, 0xFFFFFFF0) + b"x" * 100)
    check_broken(b, "lie.pcap")


def test_a_broken_input_does_not_stop_the_others(b):
    b.write("garbage", b"\x01\x02\x03" * 100)
    report = b.report("garbage", b.capture(), "missing", code=3)
    assert report["capture"]["packets"]["tcp"] == 6
    assert ["error" in entry for entry in report["inputs"]] == [True, False, True]


def test_a_name_with_anything_in_it(b):
    name = b"odd \xff\x1b[31m\n\"name\".pcap"
    shutil.copy(b.capture(), os.path.join(os.fsencode(b.dir), name))
    done = subprocess.run([b.program, os.path.join(os.fsencode(b.dir), name), b"gone\n\x1b[0m"], capture_output=True,
                          timeout=TIMEOUT)
    assert done.returncode == 3
    assert done.stderr.count(b"\n") == 1 and b"\x1b" not in done.stderr, done.stderr
    assert "odd \ufffd" in json.loads(done.stdout)["inputs"][0]["path"]


def test_many_files_are_one_timeline(b):
    packets = many_packets(40)
    b.write("whole.pcap", capture_bytes(packets))
    b.write("2.pcap", capture_bytes(packets[100:]))
    b.write("1.pcap", capture_bytes(packets[:100]))
    whole, parts = b.report("whole.pcap"), b.report("2.pcap", "1.pcap")
    assert whole["connections"] == parts["connections"]
    assert whole["capture"]["packets"] == parts["capture"]["packets"]


# -- what is read of it -----------------------------------------------------------------------------


def packets_of(b, *words):
    packets = b.report(*words)["capture"]["packets"]
    assert packets["total"] + packets["filtered"] == 6
    return packets["total"]


def test_from_and_to(b):
    capture = b.capture()
    assert packets_of(b, capture, "--from", "+0.05") == 3
    assert packets_of(b, capture, "--to", "+50ms") == 3
    assert packets_of(b, capture, "--from", "2025-11-20T14:03:05.2Z") == 3
    assert packets_of(b, capture, "--from", "1763647385.2") == 3
    assert packets_of(b, capture, "--from", "14:03:05.2", "--to", "14:04") == 3
    assert packets_of(b, capture, "--from", "15:00") == 0
    zone = {"env": {"TZ": "UTC-2"}}
    assert b.report(capture, "--local", "--from", "16:04", **zone)["capture"]["packets"]["total"] == 0
    assert b.report(capture, "--local", "--from", "16:03", **zone)["capture"]["packets"]["total"] == 6


def test_filter(b):
    capture = b.capture()
    assert packets_of(b, capture, "--filter", "src host 10.0.0.7") == 4
    assert packets_of(b, capture, "-f", "udp") == 0


# -- what is written --------------------------------------------------------------------------------


def test_everything_written_keeps_to_its_schema(b):
    b.write("many.pcap", capture_bytes(many_packets(120)))
    b.expect(0, "many.pcap", "-o", "r", "--connections", "c", "--findings", "f")
    report = json.loads((b.dir / "r").read_text())
    validate(b, "report", report, "r")
    lines = [json.loads(line) for line in (b.dir / "c").read_text().splitlines()]
    assert len(lines) == report["connections"]["total"] > 0
    assert [line["last"] for line in lines] == sorted(line["last"] for line in lines)
    assert len({line["id"] for line in lines}) == len(lines)
    for line in lines:
        validate(b, "connection", line, "c")
    findings = [json.loads(line) for line in (b.dir / "f").read_text().splitlines()]
    assert len(findings) == sum(kind["count"] for kind in report["findings"])
    for line in findings:
        validate(b, "finding", line, "f")


def test_the_lab_keeps_to_the_schema(b):
    captures = sorted((ROOT / "testdata").glob("**/*.pcap*"))[::7]
    if not captures:
        raise Skip("no testdata")
    for capture in captures:
        b.expect(0, str(capture), "-o", "r", "--connections", "c", "--findings", "f")
        validate(b, "report", json.loads((b.dir / "r").read_text()), capture)
        for name, schema in (("c", "connection"), ("f", "finding")):
            for line in (b.dir / name).read_text().splitlines():
                validate(b, schema, json.loads(line), capture)


def test_the_schemas_refuse_what_is_wrong(b):
    b.write("many.pcap", capture_bytes(many_packets(3)))
    b.expect(0, "many.pcap", "-o", "r", "--connections", "c")
    report = json.loads((b.dir / "r").read_text())
    validate(b, "report", report, "r")
    wrongs = []
    for path, value in ((["extra"], 1), (["capture", "packets", "tcp"], -1), (["capture", "extra"], None),
                        (["connections", "total"], "many"), (["resets", "by_cause", "bad-luck"], {})):
        wrong = copy.deepcopy(report)
        place = wrong
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
        wrongs.append(wrong)
    wrongs.append({name: value for name, value in report.items() if name != "limits"})
    for wrong in wrongs:
        try:
            validate(b, "report", wrong, "wrong")
        except AssertionError:
            continue
        raise AssertionError(f"the schema allows {set(wrong) ^ set(report)}")


def test_two_runs_write_the_same_bytes(b):
    b.write("many.pcap", capture_bytes(many_packets(300)))
    results = []
    for _ in range(2):
        b.expect(0, "many.pcap", "-o", "r", "--connections", "c", "--findings", "f")
        results.append([(b.dir / name).read_bytes() for name in "rcf"])
    assert results[0] == results[1]


def test_times_have_the_digits_of_the_capture(b):
    b.write("micro.pcap", capture_bytes(close_packets()))
    b.write("nano.pcap", capture_bytes(close_packets(start=START + 10), nano=True))
    assert b.report("micro.pcap")["capture"]["first"].endswith(".118000Z")
    b.expect(0, "micro.pcap", "-o", "r", "--connections", "c")
    assert re.fullmatch(r".*\.\d{6}Z", json.loads((b.dir / "c").read_text().splitlines()[0])["first"])
    b.expect(0, "micro.pcap", "nano.pcap", "-o", "r", "--connections", "c")
    for line in (b.dir / "c").read_text().splitlines():
        assert re.fullmatch(r".*\.\d{9}Z", json.loads(line)["first"]), line


def test_numbers_without_noise(b):
    b.write("many.pcap", capture_bytes(many_packets(60)))
    done = b.expect(0, "many.pcap")
    noisy = re.findall(rb"\d\.\d{10,}", done.stdout)
    assert not noisy, noisy[:5]


def test_lines_may_go_to_standard_output(b):
    done = b.expect(0, b.capture(), "-o", "r", "--connections", "-")
    for line in done.stdout.splitlines():
        validate(b, "connection", json.loads(line), "-")
    json.loads((b.dir / "r").read_text())


def test_no_diagnosis(b):
    report = b.report(b.capture(lost_final_ack=True), "--diagnose", "none")
    assert report["findings"] == [] and len(report["limits"]["not_diagnosed"]) >= 5


def test_fail_on(b):
    capture = b.capture(lost_final_ack=True)
    worst = max((finding["severity"] for finding in b.report(capture)["findings"]), default=None,
                key=["info", "notice", "warning", "critical"].index)
    for severity in ("notice", "warning", "critical"):
        met = worst is not None and ["info", "notice", "warning", "critical"].index(severity) <= \
            ["info", "notice", "warning", "critical"].index(worst)
        b.expect(1 if met else 0, capture, "--fail-on", severity)
    b.expect(2, capture, "--fail-on", "info")


def test_verbose_quiet_and_progress(b):
    capture = b.capture()
    assert b.expect(0, capture).stderr == b""
    assert b"6 packets" in b.expect(0, "-v", capture).stderr
    assert b.expect(0, "-q", "--progress=off", capture).stderr == b""


# -- sockets ----------------------------------------------------------------------------------------


def sockets(b, *words, code=0):
    return b.expect(code, "sockets", *words).stdout.decode()


def socket_lines(b, *words):
    lines = [json.loads(line) for line in sockets(b, "--format", "ndjson", *words).splitlines()]
    for line in lines:
        validate(b, "socket", line, words)
    return lines


def test_sockets_as_ss_shows_them(b):
    capture = b.capture()
    assert sockets(b, capture, "--at", "+0.05", "--host", "10.0.0.2") == """\
State      Recv-Q Send-Q Local Address:Port Peer Address:Port  Certain
LISTEN          -      -      10.0.0.2:8080            *:*     yes
ESTAB           -      -      10.0.0.2:8080     10.0.0.7:40112 no
"""
    assert sockets(b, capture, "--at", "14:03:05.229") == """\
# 10.0.0.2 at 2025-11-20T14:03:05.229000Z
State      Recv-Q Send-Q Local Address:Port Peer Address:Port  Certain
LISTEN          -      -      10.0.0.2:8080            *:*     yes
LAST-ACK        -      -      10.0.0.2:8080     10.0.0.7:40112 yes

# 10.0.0.7 at 2025-11-20T14:03:05.229000Z
State      Recv-Q Send-Q Local Address:Port  Peer Address:Port Certain
TIME-WAIT       0      0      10.0.0.7:40112     10.0.0.2:8080 yes
"""


def test_sockets_at_the_last_packet_without_a_moment(b):
    capture = b.capture()
    assert sockets(b, capture) == sockets(b, capture, "--at", "+0.111")
    assert sockets(b, capture, "--host", "10.0.0.7", "--state", "TIME_WAIT").count("\n") == 2
    assert sockets(b, capture, "--host", "10.0.0.7", "--state", "estab").count("\n") == 1


def test_sockets_outside_of_the_capture(b):
    capture = b.capture()
    for moment in ("2025-11-20T14:03:05.1Z", "+61s", "14:00", "+9999d"):
        complaint = b.complaint(2, "sockets", capture, "--at", moment)
        assert "2025-11-20T14:03:05.118000Z to 2025-11-20T14:03:05.229000Z" in complaint, complaint
        assert "2025-11-20T14:04:05.228" in complaint, complaint        # TIME-WAIT of the client
    assert "no such moment" in b.complaint(2, "sockets", capture, "--every", "1s", "--from", "15:00")
    assert "10,000,000 moments" in b.complaint(2, "sockets", capture, "--every", "1ns")
    assert "10.0.0.9" in b.complaint(2, "sockets", capture, "--host", "10.0.0.9")


def test_sockets_after_the_last_packet(b):
    done = b.expect(0, "sockets", "--format", "ndjson", b.capture(), "--at", "+30s")
    note = done.stderr.decode()
    assert note.startswith("lastack: after the last packet") and note.count("\n") == 1, note
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["state"], line["certain"]) for line in lines] == [("LISTEN", False), ("TIME-WAIT", False)]
    assert b.expect(0, "sockets", "-q", "a.pcap", "--at", "+30s").stderr == b""
    assert b.expect(0, "sockets", "a.pcap").stderr == b""


def test_sockets_every_so_often(b):
    capture = b.capture()
    lines = socket_lines(b, capture, "--every", "50ms", "--host", "10.0.0.7")
    assert [line["state"] for line in lines] == ["SYN-SENT", "ESTAB", "FIN-WAIT-1"], lines
    assert [line["time"][20:26] for line in lines] == ["118000", "168000", "218000"]
    assert [line["since"][20:26] for line in lines] == ["117500", "128500", "217500"]      # near the client
    lines = socket_lines(b, "-q", capture, "--every", "1s", "--from", "14:03:05", "--to", "+4s", "--host", "10.0.0.7")
    assert [line["time"][17:19] for line in lines] == ["06", "07", "08", "09"]     # 05 lies before the capture
    assert sockets(b, capture, "--every", "50ms", "--count", "state", "--host", "10.0.0.2") == """\
# time                      host            SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE_WAIT LAST_ACK \
CLOSING TIME_WAIT UNKNOWN
2025-11-20T14:03:05.118000Z 10.0.0.2               0        0           0         0         0          0        0 \
      0         0       0
2025-11-20T14:03:05.168000Z 10.0.0.2               0        0           1         0         0          0        0 \
      0         0       0
2025-11-20T14:03:05.218000Z 10.0.0.2               0        0           1         0         0          0        0 \
      0         0       0
"""


def test_sockets_at_a_moment_are_those_of_the_series(b):
    packets = sorted((packet for i in range(60) for packet in
                      close_packets((f"10.1.0.{i + 1}", 30000 + i), start=START + i)), key=lambda packet: packet[0])
    capture = b.write("minute.pcap", capture_bytes(packets))
    series = socket_lines(b, capture, "--every", "10050ms")
    times = sorted({line["time"] for line in series})
    assert len(times) == 6, times
    for time in times:
        assert socket_lines(b, capture, "--at", time) == [line for line in series if line["time"] == time]
    first = [line for line in series if line["time"] <= times[1]]
    assert socket_lines(b, capture, "--every", "10050ms", "--to", times[1]) == first
    complaint = b.complaint(2, "sockets", capture, "--at", times[1], "--host", "10.1.0.60")
    assert "no TCP connection of 10.1.0.60 that begins before the last moment" in complaint, complaint
    assert "14:05:04" in b.complaint(2, "sockets", capture, "--at", "14:03:05")     # the last timer of all


def test_sockets_counted(b):
    packets = [packet for number in range(5) for packet in
               close_packets((f"10.0.0.{10 + number % 2}", 40000 + number))[:3 if number else 6]]
    capture = b.write("five.pcap", capture_bytes(sorted(packets, key=lambda packet: packet[0])))
    words = [capture, "--host", "10.0.0.2"]
    assert sockets(b, *words, "--count", "state") == "ESTABLISHED 4\nLAST_ACK 1\n"
    assert sockets(b, *words, "--count", "state", "--at", "+0.05") == "ESTABLISHED 5\n"
    assert sockets(b, *words, "--count", "peer") == "      3 10.0.0.10\n      2 10.0.0.11\n"
    assert sockets(b, *words, "--count", "service") == "      5 8080\n"
    assert sockets(b, *words, "--count", "service", "--state", "time-wait") == ""
    assert sockets(b, capture, "--count", "peer", "--state", "time-wait") == \
        "# 10.0.0.10 at 2025-11-20T14:03:05.229000Z\n      1 10.0.0.2\n"
    summary = sockets(b, *words, "--summary")
    assert summary.startswith("TCP:   6 (estab 4, closed -, orphaned -, timewait 0)\n"), summary
    assert summary.splitlines()[-1].split() == ["TCP", "6", "6", "0"], summary      # LISTEN, LAST-ACK


def test_sockets_of_both_versions_of_ip(b):
    captures = sorted(str(path) for path in (ROOT / "testdata").glob("**/loss-final-ack-ipv6/middle.pcap*"))
    if not captures:
        raise Skip("no testdata")
    lines = sockets(b, captures[0], "--every", "1s").splitlines()
    assert any(re.search(r" \[[0-9a-f:]+\]:\d+ +\*:\* ", line) for line in lines), lines
    assert "IPv6" in sockets(b, captures[0], "--summary")
    socket_lines(b, captures[0], "--every", "100ms")


def test_sockets_do_not_depend_on_the_order_of_reading(b):
    packets = sorted((packet for i in range(400) for packet in
                      close_packets((f"10.1.0.{i % 250 + 1}", 30000 + i), start=START + i * 0.002)),
                     key=lambda packet: packet[0])
    b.write("many.pcap", capture_bytes(packets))
    b.write("1.pcap", capture_bytes(packets[:900]))
    b.write("2.pcap", capture_bytes(packets[900:]))
    for words in (["--every", "100ms"], ["--at", "+0.5", "--format", "ndjson"], ["--every", "100ms", "--count", "peer"]):
        whole = sockets(b, "many.pcap", *words)
        assert whole and whole == sockets(b, "2.pcap", "1.pcap", *words)
        assert whole == sockets(b, "many.pcap", "-j", "1", *words) == sockets(b, "many.pcap", "-j", "3", *words)


def test_a_large_packed_capture_gives_the_same_report(b):
    """Some megabytes are decompressed by a thread of their own, and as many others rest."""
    plain = capture_bytes(many_packets(10000))
    assert len(plain) > 4 << 20, len(plain)
    b.write("plain.pcap", plain)
    b.write("packed.pcap", gzip.compress(plain, 1))
    wanted = b.expect(0, "plain.pcap").stdout.replace(b"plain.pcap", b"packed.pcap").replace(b': "none"', b': "gzip"')
    for threads in "124":
        assert b.expect(0, "packed.pcap", "-j", threads).stdout == wanted, threads


def test_sockets_without_packets(b):
    b.write("none.pcap", header())
    assert "no packet" in b.complaint(2, "sockets", "none.pcap")
    assert "no such file" in b.complaint(3, "sockets", "missing.pcap").lower()
    assert "no capture to read" in b.complaint(2, "sockets", "--at", "+1")
    b.write("cut.pcap", capture_bytes(close_packets())[:-10])
    assert "LAST-ACK" in sockets(b, "cut.pcap", code=3)


def test_sockets_into_a_closed_pipe(b):
    words = ["sockets", b.capture(), "--every", "1us", "--to", "+10ms"]
    process = subprocess.Popen([b.program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=b.dir)
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(timeout=TIMEOUT) == 0 and process.stderr.read() == b""
    process.stderr.close()


def test_sockets_when_something_fails(b):
    done = faulty(b, "stdout:1:ENOSPC", "sockets", b.capture())
    assert done.returncode == 4 and b"standard output" in done.stderr, done
    b.write("many.pcap", capture_bytes(many_packets(60)))
    words = ["sockets", "many.pcap", "--every", "10ms", "--count", "peer"]
    calls = count_calls(b, "malloc", *words)
    for call in sample(calls, 40):
        done = faulty(b, f"malloc:{call}+:ENOMEM", *words)
        assert done.returncode in (0, 3, 4, 5), (call, calls, done)


def audit(b, *words):
    """By host, its verdicts by the setting's short name; and the report's section."""
    section = b.report(*words)["settings"]
    return {host["host"]: {item["name"].rsplit(".", 1)[-1]: item for item in host["audit"]} for host in section}, section


def test_settings_are_audited(b):
    b.write("web.conf", b"net.ipv4.tcp_fin_timeout = 65\nnet.ipv4.tcp_tw_resue = 1\nnonsense\nopen files (-n) 1024\n")
    b.write("rest.conf", b"net.ipv4.tcp_tw_recycle = 1\n")
    hosts, section = audit(b, b.capture(), "-q", "--host-settings", "10.0.0.7=web.conf", "--host-settings", "rest.conf")
    assert [(item["host"], item["path"]) for item in section] == [(None, "rest.conf"), ("10.0.0.7", "web.conf")]
    rest, web = hosts[None], hosts["10.0.0.7"]
    assert list(web) == explained(b)[1], "the settings that are explained, in that order"
    assert (web["tcp_fin_timeout"]["value"], web["tcp_fin_timeout"]["verdict"]) == ("65", "harmful")
    assert "10 s" in web["tcp_fin_timeout"]["evidence"]
    assert web["nofile"]["value"] == "1024" and web["tcp_rmem"]["value"] is None
    assert web["tcp_rmem"]["verdict"] == "no evidence" and web["tcp_rmem"]["evidence"] is None
    assert rest["tcp_tw_recycle"]["verdict"] == "gone since Linux 4.12"
    assert web["tcp_tw_reuse"]["verdict"] == "no effect here" and "carry no timestamps" in web["tcp_tw_reuse"]["evidence"]
    assert rest["tcp_tw_reuse"]["verdict"] == "no effect here" and "opened no" in rest["tcp_tw_reuse"]["evidence"]
    assert web["tcp_tw_recycle"]["verdict"] == "no evidence", "a piece of configuration does not say which kernel it is"
    left_out = section[1]["left_out"]
    assert left_out["count"] == 2 and "web.conf:2: 'net.ipv4.tcp_tw_resue'" in left_out["lines"][0]
    assert "web.conf:3: 'nonsense'" in left_out["lines"][1]
    for name, item in web.items():
        page = (ROOT / "docs/settings" / f"{name}.md").read_text()
        assert item["default"] and item["default"].split()[0] in page
        for text in item["does"] + item["does_not"]:
            assert text[:20] in " ".join(page.split()), (name, text)
    assert b.report(b.capture())["settings"] == []


def test_an_old_kernels_recycling_is_harmful(b):
    b.write("old.conf", b"net.ipv4.tcp_tw_recycle = 1\nnet.ipv4.tcp_available_congestion_control = cubic\n")
    hosts, _ = audit(b, b.capture(), "--host-settings", "10.0.0.2=old.conf")
    assert hosts["10.0.0.2"]["tcp_tw_recycle"]["verdict"] == "harmful"
    b.write("piece.conf", b"net.ipv4.tcp_tw_recycle = 1\n")
    hosts, _ = audit(b, b.capture(), "--host-settings", "piece.conf", "--os", "linux-legacy")
    assert hosts[None]["tcp_tw_recycle"]["verdict"] == "harmful"


def lab(name, vantage):
    """A capture of the lab, and the address of a host by its name there."""
    directory = ROOT / "testdata/lab" / name
    if not directory.exists():
        raise Skip("no testdata")
    hosts = json.loads((directory / "meta.json").read_text())["hosts"]
    return str(directory / f"{vantage}.pcap.xz"), {host: item["address"] for host, item in hosts.items()}


def test_the_audit_of_real_kernels(b):
    """One report of two captures, with the settings that the kernels had: every verdict there is."""
    refused, hosts = lab("reuse-time-wait-old-timestamp-rfc1337", "server")
    repeated, others = lab("loss-final-ack", "server")
    dump = ROOT / "testdata/lab/reuse-time-wait-old-timestamp-rfc1337/settings-server.conf"
    verdicts, _ = audit(b, refused, repeated, "--host-settings", f"{hosts['server']}={dump}",
                        "--host-settings", f"{others['server']}={dump}")
    stubborn, patient = verdicts[hosts["server"]], verdicts[others["server"]]
    assert stubborn["tcp_rfc1337"]["verdict"] == "harmful" and "1 SYN" in stubborn["tcp_rfc1337"]["evidence"]
    assert patient["tcp_rfc1337"]["verdict"] != "harmful", "nobody was refused there"
    assert stubborn["tcp_tw_recycle"]["verdict"] == "gone since Linux 4.12"
    assert stubborn["tcp_max_syn_backlog"]["verdict"] == "no effect here"
    assert stubborn["tcp_rmem"]["verdict"] == "no evidence"
    assert "opened no connection" in stubborn["tcp_tw_reuse"]["evidence"]
    assert "closed 1 connection first" in stubborn["tcp_fin_timeout"]["evidence"]
    assert patient["tcp_orphan_retries"]["verdict"] == "helps here"
    full, hosts = lab("queue-accept-full-in-flight", "server")
    b.write("full.conf", b"net.core.somaxconn = 128\nnet.ipv4.tcp_abort_on_overflow = 1\n")
    verdicts, _ = audit(b, full, "--host-settings", f"{hosts['server']}=full.conf")
    assert verdicts[hosts["server"]]["somaxconn"]["verdict"] == "helps here"
    assert verdicts[hosts["server"]]["tcp_abort_on_overflow"]["verdict"] == "harmful"
    none, hosts = lab("tw-buckets-none-fin-wait-2", "server")
    dump = ROOT / "testdata/lab/tw-buckets-none-fin-wait-2/settings-client.conf"
    verdicts, _ = audit(b, none, "--host-settings", f"{hosts['client']}={dump}")
    assert verdicts[hosts["client"]]["tcp_max_tw_buckets"]["verdict"] == "harmful"


def test_host_settings(b):
    b.write("on.conf", b"# of the client\nnet.ipv4.tcp_fin_timeout = 30\nnet.ipv4.tcp_rfc1337=1\n")
    half = close_packets()[:4] + [(START + 0.11, segment(SERVER, CLIENT, ACK, 5000, 1001))]
    late = half + [(START + 100, segment(("10.0.0.8", 1), SERVER, SYN, 1))]
    b.write("half.pcap", capture_bytes(late))
    for words, states in (([], ["FIN-WAIT-2"]), (["--host-settings", "on.conf"], []),
                          (["--host-settings", "10.0.0.7=on.conf"], []),
                          (["--host-settings", "10.0.0.2=on.conf"], ["FIN-WAIT-2"]),
                          (["--host-settings", "on.conf", "--os", "freebsd"], ["FIN-WAIT-2"])):
        lines = socket_lines(b, "half.pcap", "--at", "+40s", "--host", "10.0.0.7", *words)
        assert [line["state"] for line in lines] == states, (words, lines)
    b.write("odd.conf", b"net.ipv4.tcp_fin_timout = 30\nwhat is this\n" + b"x\n" * 30 + b"kernel.pid_max = 1\n")
    done = b.expect(0, "half.pcap", "--host-settings", "odd.conf")
    told = done.stderr.decode().splitlines()
    assert told[0].startswith("lastack: odd.conf:1: 'net.ipv4.tcp_fin_timout'"), told
    assert len(told) == 11 and "22 more lines" in told[-1], told
    assert "missing.conf" in b.complaint(2, "half.pcap", "--host-settings", "missing.conf")


# -- outputs ----------------------------------------------------------------------------------------


def test_an_output_that_cannot_be_made(b):
    for words in (["-o", "no/such/place"], ["--connections", "no/such/place"], ["-o", "."]):
        assert "cannot be written" in b.complaint(4, b.capture(), *words), words
    assert b.entries() == ["a.pcap"]


def test_a_full_device(b):
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    capture = b.capture()
    assert "/dev/full: could not be written whole" in b.complaint(4, capture, "-o", "/dev/full")
    assert "/dev/full: could not be written whole" in b.complaint(4, capture, "-o", "/dev/null", "--connections",
                                                                  "/dev/full")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([b.program, capture], stdout=full, stderr=subprocess.PIPE, timeout=TIMEOUT)
    assert done.returncode == 4 and done.stderr.count(b"\n") == 1, done


def test_devices_are_written_directly(b):
    b.expect(0, b.capture(), "-o", "/dev/null", "--connections", "/dev/null", "--findings", "/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_closed_pipe_ends_quietly(b):
    b.write("many.pcap", capture_bytes(many_packets(300)))
    for words in (["many.pcap"], ["many.pcap", "-o", "r", "--connections", "-"], ["explain", "lost-final-ack"],
                  ["--help"], ["schema"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([b.program, *words], stdout=writer, stderr=subprocess.PIPE, cwd=b.dir, timeout=TIMEOUT)
        os.close(writer)
        assert done.returncode == 0 and done.stderr == b"", (words, done)


def test_the_old_file_stays_until_the_new_one_is_whole(b):
    capture = b.capture()
    b.write("r", b"old")
    b.expect(4, capture, "-o", "r", "--connections", "no/such/place")
    assert (b.dir / "r").read_bytes() == b"old"
    b.expect(0, capture, "-o", "r")
    json.loads((b.dir / "r").read_text())
    assert b.entries() == ["a.pcap", "r"]


# -- signals ----------------------------------------------------------------------------------------


def start_on_fifo(b, *words):
    """The program reading a FIFO that has given a few packets and then nothing more."""
    os.mkfifo(b.path("fifo"))
    # A shell's background job, as these tests may be, is started with SIGINT ignored, and so would be its children.
    process = subprocess.Popen([b.program, "fifo", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=b.dir,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    writer = open(b.path("fifo"), "wb", buffering=0)
    writer.write(capture_bytes(many_packets(50)))
    time.sleep(0.3)
    return process, writer


def test_an_interrupt_still_reports(b):
    for number in (signal.SIGINT, signal.SIGTERM):
        process, writer = start_on_fifo(b, "--connections", "c")
        process.send_signal(number)
        try:
            out, err = process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"{number.name} did not end a read that waits")
        finally:
            writer.close()
            os.unlink(b.path("fifo"))
        assert process.returncode == 128 + number, (process.returncode, err)
        report = json.loads(out)
        assert report["interrupted"] is True
        validate(b, "report", report, "interrupted")
        assert os.path.exists(b.path("c"))


def test_a_second_interrupt_leaves_nothing_behind(b):
    process, writer = start_on_fifo(b, "-o", "r", "--connections", "c")
    for _ in range(20):
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
    process.communicate(timeout=TIMEOUT)
    writer.close()
    assert process.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM), process.returncode
    assert not [name for name in b.entries() if "lastack-" in name], b.entries()


# -- faults -----------------------------------------------------------------------------------------

SHIM = {}
SHIM_LOCK = threading.Lock()


def shim(b):
    with SHIM_LOCK:
        if "path" not in SHIM:
            compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
            if not compiler or b"__asan_init" in Path(b.program).read_bytes():
                SHIM["path"] = None
            else:
                SHIM["path"] = os.path.join(os.path.dirname(b.dir), "inject.so")
                subprocess.run([compiler, "-std=c11", "-shared", "-fPIC", "-O1", "-o", SHIM["path"],
                                str(ROOT / "tests/faults/inject.c"), "-ldl"], check=True, timeout=TIMEOUT)
    if SHIM["path"] is None:
        raise Skip("no compiler, or built with a sanitizer")
    return SHIM["path"]


def faulty(b, fault, *words, env=None):
    return b.run(*words, env={"LA_FAIL": fault, "LD_PRELOAD": shim(b), **(env or {})})


def count_calls(b, name, *words):
    done = faulty(b, f"{name}:count:EIO", *words, env={"LA_FAIL_COUNT": b.path("calls")})
    assert done.returncode == 0, done
    calls = int((b.dir / "calls").read_text())
    os.unlink(b.path("calls"))
    return calls


def sample(count, most):
    """Numbers from 1 to count: all of them, or a good many, close together at the beginning."""
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round((count - 1) * (i / (most - 1)) ** 2) for i in range(most)})


def test_a_read_that_fails(b):
    shim(b)
    b.write("many.pcap", capture_bytes(many_packets(2000)))
    # The last two calls are not of the input: jansson asks for a random seed, libc for the time zone.
    calls = count_calls(b, "read", "many.pcap", "-o", "/dev/null") - 2
    assert calls > 4
    for call in sample(calls, 6):
        done = faulty(b, f"read:{call}:EIO", "many.pcap")
        assert done.returncode == 3, (call, calls, done.returncode, done.stderr)
        assert b"Input/output error" in done.stderr and done.stderr.count(b"\n") == 1, done.stderr
        assert "error" in json.loads(done.stdout)["inputs"][0]


def outputs_after(b, fault):
    b.write("r", b"old")
    b.write("c", b"old")
    return faulty(b, fault, "many.pcap", "-o", "r", "--connections", "c")


def test_an_output_that_fails(b):
    shim(b)
    b.write("many.pcap", capture_bytes(many_packets(500)))
    for fault in ("write:1:ENOSPC", "write:2+:ENOSPC", "fsync:1:EIO", "rename:1:ENOSPC", "write:3:ENOSPC"):
        done = outputs_after(b, fault)
        assert done.returncode == 4, (fault, done)
        assert all(line.startswith(b"lastack: ") for line in done.stderr.splitlines()), done.stderr
        whole = [name for name in "rc" if (b.dir / name).read_bytes() != b"old"]
        assert len(whole) < 2, (fault, whole)
        if "r" in whole:
            json.loads((b.dir / "r").read_text())
        assert b.entries() == ["c", "many.pcap", "r"], (fault, b.entries())


def test_standard_output_that_fails(b):
    done = faulty(b, "stdout:1:ENOSPC", b.capture())
    assert done.returncode == 4 and b"standard output" in done.stderr, done
    assert faulty(b, "stdout:1:EPIPE", b.capture()).returncode == 0


def test_memory_that_runs_out(b):
    shim(b)
    b.write("many.pcap.gz", gzip.compress(capture_bytes(many_packets(60))))
    # One thread: glibc's pthread_create() aborts by an assertion when its own allocation fails.
    words = ["-j", "1", "many.pcap.gz", "-o", "r", "--connections", "c", "--findings", "f"]
    calls = count_calls(b, "malloc", *words)
    for name in "rcf":
        os.unlink(b.path(name))

    def check(fault):
        done = faulty(b, fault, *words)
        assert done.returncode in (0, 3, 4, 5), (fault, calls, done.returncode, done.stderr)
        return done.returncode

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        lasting = list(pool.map(check, [f"malloc:{call}:ENOMEM" for call in sample(calls, 90)]))
        once = list(pool.map(check, [f"malloc:{call}+:ENOMEM" for call in sample(calls, 90)]))
    assert lasting.count(5) > len(lasting) * 0.8, lasting
    assert 5 in once
    assert not [name for name in b.entries() if "lastack-" in name], b.entries()


# -- running them -----------------------------------------------------------------------------------


def run_one(name, function, program, keep):
    directory = tempfile.mkdtemp(prefix=f"{name}-", dir=os.environ["LASTACK_TEST_DIR"])
    try:
        function(Bench(program, directory))
        return name, "passed", ""
    except Skip as why:
        return name, "skipped", str(why)
    except Exception:  # any failure of a test is that test's
        return name, "failed", traceback.format_exc(limit=-2)
    finally:
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lastack", default=str(ROOT / "build/lastack"))
    parser.add_argument("--only", default="", metavar="WORD", help="only tests with WORD in their name")
    parser.add_argument("--keep", action="store_true", help="keep the directories of the tests")
    options = parser.parse_args()
    program = Path(options.lastack).resolve()
    tests = [(name, function) for name, function in globals().items()
             if name.startswith("test_") and inspect.isfunction(function) and options.only in name]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with tempfile.TemporaryDirectory(prefix="lastack-cli-") as place:
        os.environ["LASTACK_TEST_DIR"] = place if not options.keep else tempfile.mkdtemp(prefix="lastack-cli-")
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            jobs = [pool.submit(run_one, name, function, program, options.keep) for name, function in tests]
            for name, outcome, note in (job.result() for job in jobs):
                counts[outcome] += 1
                if outcome != "passed":
                    print(f"{outcome}: {name}: {note}")
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
