#!/usr/bin/python3
"""A crowd of healthy connections in one capture: nothing that is wrong of none of them may be said of all of them.

The scenarios under healthy/ are played again and again, from many clients, each time with ports, sequence numbers and
clocks of its own, side by side. lastack must find every connection, and report nothing above info. What is only looked for
across connections (piles, floods, scans, ports that run short, several clocks behind an address) has no other test of that
size. The capture goes through a pipe and is never on disk (--keep PATH writes it).

usage: crowd.py --lastack PATH [--connections N] [--vantage client|middle|server|all] [--keep PATH]
"""
import argparse
import glob
import heapq
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import pkt2pcap  # noqa: E402

M32 = 0xFFFFFFFF
LONGEST_US = 700_000_000  # of a story; longer ones would make the capture hours long
SPACING_US = 12_000       # from one connection to the next: 83 a second
PER_CLIENT = 50           # connections of a client host, one story after the other
SNAPLEN = 128
EPHEMERAL = range(32768, 61000)
LISTENING = (50051,)      # in that range, and a service's


def sum16(data):
    return sum(struct.unpack("!%dH" % (len(data) // 2), data)) if len(data) % 2 == 0 else sum16(data + b"\0")


def patch_checksum(old, before, after):
    """The checksum of a packet of which the words `before` became `after` (RFC 1624)."""
    value = (~old & 0xFFFF) + (-sum16(before) % 0xFFFF) + sum16(after)
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return ~value & 0xFFFF


class Template:
    """One scenario as one vantage sees it."""

    def __init__(self, path, vantage):
        script = pkt2pcap.load(path, "")
        self.name = os.path.basename(path)[:-4]
        self.records = []
        openers = {str(conn.a.host.address) for conn in script.conns.values()}
        accepters = {str(conn.b.host.address) for conn in script.conns.values()}
        self.clients = openers - accepters
        self.fixed = any(conn.a.port < 1024 and str(conn.a.host.address) in self.clients for conn in script.conns.values())
        for when, line, frame in script.records(vantage):
            assert not line.icmp and frame[12:14] == b"\x08\x00"
            self.records.append((when, line.conn.number, frame))
        self.connections = len({conn for _, conn, _ in self.records})
        self.duration = self.records[-1][0]


class Play:
    """One playing of a template, with numbers of its own."""

    def __init__(self, crowd, template, start, dice):
        self.template, self.start, self.at = template, start, 0
        self.crowd = crowd
        self.client = crowd.client_of(template)
        self.ports, self.sequences = {}, {}
        self.dice = dice
        self.elapsed_ms = start // 1000

    def time(self):
        return self.start + self.template.records[self.at][0]

    def address(self, text):
        if text in self.template.clients:
            return self.client
        return self.crowd.server_of(self.template, text)

    def port(self, address, port):
        if port not in EPHEMERAL or port in LISTENING:
            return port
        if (address, port) not in self.ports:
            self.ports[address, port] = self.crowd.next_port(address)
        return self.ports[address, port]

    def step(self, conn, sender, port):
        """What is added to the sequence numbers of one direction of one connection."""
        key = (conn, sender, port)
        if key not in self.sequences:
            self.sequences[key] = self.dice.getrandbits(32)
        return self.sequences[key]

    def next(self):
        """The frame that is due."""
        _, conn, frame = self.template.records[self.at]
        self.at += 1
        out = bytearray(frame)
        old = [".".join(map(str, frame[at:at + 4])) for at in (26, 30)]
        old_ports = struct.unpack_from("!HH", frame, 34)
        addresses = [self.address(text) for text in old]
        out[26:34] = b"".join(addresses)
        ports = [self.port(address, port) for address, port in zip(addresses, old_ports)]
        struct.pack_into("!HH", out, 34, *ports)
        seq, ack = struct.unpack_from("!II", frame, 38)
        flags = frame[47]
        mine = self.step(conn, old[0], old_ports[0])
        theirs = self.step(conn, old[1], old_ports[1])
        if not (flags & 4 and flags & 16 and seq == 0):
            seq = seq + mine & M32
        if flags & 16:
            ack = ack + theirs & M32
        struct.pack_into("!II", out, 38, seq, ack)
        self.patch_options(out, addresses, theirs, flags)
        header = 34 + (frame[46] >> 4) * 4
        checksum = struct.unpack_from("!H", frame, 50)[0]
        struct.pack_into("!H", out, 50, patch_checksum(checksum, frame[26:header], bytes(out[26:header])))
        checksum = struct.unpack_from("!H", frame, 24)[0]
        struct.pack_into("!H", out, 24, patch_checksum(checksum, frame[26:34], bytes(out[26:34])))
        return bytes(out)

    def patch_options(self, out, addresses, theirs, flags):
        at, end = 54, 34 + (out[46] >> 4) * 4
        while at < end and out[at] != 0:
            if out[at] == 1:
                at += 1
                continue
            if out[at] == 8:
                value, echo = struct.unpack_from("!II", out, at + 2)
                value = value + self.crowd.clock(addresses[0], addresses[1]) + self.elapsed_ms & M32
                if flags & 16:
                    echo = echo + self.crowd.clock(addresses[1], addresses[0]) + self.elapsed_ms & M32
                struct.pack_into("!II", out, at + 2, value, echo)
            elif out[at] == 5:
                for edge in range(at + 2, at + out[at + 1], 4):
                    value = struct.unpack_from("!I", out, edge)[0]
                    struct.pack_into("!I", out, edge, value + theirs & M32)
            at += out[at + 1]


class Crowd:
    def __init__(self, vantage, seed=1):
        self.dice = random.Random(seed)
        paths = sorted(glob.glob(os.path.join(HERE, "healthy", "*.pkt")))
        self.templates = [template for template in (Template(path, vantage) for path in paths) if template.duration < LONGEST_US]
        self.clients = self.fixed_clients = 0
        self.ports, self.clocks = {}, {}

    def client_of(self, template):
        """A host for PER_CLIENT stories; a story with a port that is bound has one of its own, so that the port is free."""
        if template.fixed:
            self.fixed_clients += 1
            return b"\x0a\xc0" + struct.pack("!H", self.fixed_clients)
        self.clients += 1
        return b"\x0a" + (0x100 + self.clients // PER_CLIENT).to_bytes(3, "big")

    def server_of(self, template, text):
        return bytes((10, 200, self.templates.index(template))) + bytes((int(text.rsplit(".", 1)[1]),))

    def next_port(self, address):
        port = self.ports.get(address, EPHEMERAL.start)
        self.ports[address] = port + 2 if port + 2 in EPHEMERAL else EPHEMERAL.start
        return port

    def clock(self, sender, receiver):
        """Linux shifts its clock by the pair of addresses."""
        if (sender, receiver) not in self.clocks:
            self.clocks[sender, receiver] = self.dice.getrandbits(32)
        return self.clocks[sender, receiver]

    def frames(self, connections):
        """(microseconds, frame) in order; ends with self.connections as played."""
        begun, start, heap, serial = 0, 0, [], 0
        while begun < connections or heap:
            while begun < connections and (not heap or start <= heap[0][0]):
                template = self.templates[serial % len(self.templates)]
                play = Play(self, template, start, self.dice)
                heapq.heappush(heap, (play.time(), serial, play))
                serial += 1
                begun += template.connections
                start += SPACING_US * template.connections
            when, number, play = heap[0]
            yield when, play.next()
            if play.at < len(play.template.records):
                heapq.heapreplace(heap, (play.time(), number, play))
            else:
                heapq.heappop(heap)
        self.connections = begun


def write(crowd, connections, stream):
    """The capture, as a pcap, to a file or a pipe."""
    try:
        stream.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAPLEN, 1))
        for when, frame in crowd.frames(connections):
            seconds, fraction = divmod(when, 1_000_000)
            data = frame[:SNAPLEN]
            stream.write(struct.pack("<IIII", 1_763_700_000 + seconds, fraction, len(data), len(frame)) + data)
        stream.close()
    except BrokenPipeError:
        pass


def judge(crowd, report):
    problems = []
    if report["connections"]["total"] != crowd.connections:
        problems.append("%d connections, not %d" % (report["connections"]["total"], crowd.connections))
    for found in report["findings"]:
        if found["severity"] == "info":
            continue
        problems.append("%s: %d, %s" % (found["kind"], found["count"], found["severity"]))
        for instance in [item for item in found["instances"] if item["severity"] != "info"][:3]:
            where = instance["connection"] or {}
            problems.append("    %s %s" % (instance["severity"], instance["summary"]))
            problems.append("    host %s, connection %s" % (instance["host"], json.dumps(where)))
    return problems


def run(lastack, vantage, connections, keep):
    crowd = Crowd(vantage)
    with tempfile.TemporaryDirectory(prefix="lastack-crowd-") as work:
        path = os.path.join(work, "report.json")
        if keep:
            with open(keep, "wb") as stream:
                write(crowd, connections, stream)
            done = subprocess.run([lastack, "-q", "-o", path, keep], check=False).returncode
        else:
            process = subprocess.Popen([lastack, "-q", "-o", path, "-"], stdin=subprocess.PIPE)
            writer = threading.Thread(target=write, args=(crowd, connections, process.stdin))
            writer.start()
            done = process.wait()
            writer.join()
        if done != 0:
            return ["exit code %d" % done]
        with open(path, encoding="utf-8") as stream:
            return judge(crowd, json.load(stream))


def main():
    parser = argparse.ArgumentParser(description="a crowd of healthy connections")
    parser.add_argument("--lastack", required=True)
    parser.add_argument("--connections", type=int, default=100_000)
    parser.add_argument("--vantage", default="middle", choices=pkt2pcap.VANTAGES + ("all",))
    parser.add_argument("--keep", metavar="PATH", help="write the capture there, and leave it")
    options = parser.parse_args()
    vantages = pkt2pcap.VANTAGES if options.vantage == "all" else (options.vantage,)
    failed = 0
    for vantage in vantages:
        problems = run(os.path.abspath(options.lastack), vantage, options.connections, options.keep)
        failed += bool(problems)
        for problem in problems:
            print("%s: %s" % (vantage, problem))
    print("%d passed, %d failed, 0 skipped" % (len(vantages) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
