#!/usr/bin/python3
"""pkt2pcap: compile a packet script (see README.md here) to the capture that one vantage would have taken.

A script tells what was true: who sent what and when, how long it travelled, where it was lost. From that one truth
the captures at the client, in the middle and at the server follow; no vantage sees more than passed it.
What a line leaves out (sequence numbers, ACKs, timestamps, window, TTL, IP ID) is what a Linux host would have sent,
given what had really reached it by then.
"""
import argparse
import ipaddress
import random
import re
import signal
import struct
import sys
import zlib
from datetime import datetime, timezone

VANTAGES = ("client", "middle", "server")
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
LETTER = {"F": FIN, "S": SYN, "R": RST, "P": PSH, "A": ACK, "U": URG}
M32 = 0xFFFFFFFF
TURNAROUND = 0.000050  # how long a host takes to answer: `then`


class ScriptError(Exception):
    pass


def signed(difference):
    """Serial arithmetic: the sign of a difference of two 32-bit numbers."""
    difference &= M32
    return difference - (1 << 32) if difference & 0x80000000 else difference


def duration(text):
    match = re.fullmatch(r"([0-9.]+)(s|ms|us)?", text)
    if not match:
        raise ScriptError("not a duration: " + text)
    return float(match[1]) * {"s": 1, None: 1, "ms": 1e-3, "us": 1e-6}[match[2]]


class Host:
    def __init__(self, name, address, options, seed):
        self.name = name
        self.address = ipaddress.ip_address(address)
        self.clock = int(options.pop("clock", str(zlib.crc32(name.encode() + seed) % 900_000_000 + 1_000_000)))
        self.hz = int(options.pop("hz", "1000"))
        self.ttl = int(options.pop("ttl", "64"))
        self.mss = int(options.pop("mss", "1460" if self.address.version == 4 else "1440"))
        self.wscale = int(options.pop("wscale", "7"))
        self.window = int(options.pop("win", "502"))
        self.timestamps = options.pop("ts", "on") == "on"
        self.sack = options.pop("sack", "on") == "on"
        self.side = options.pop("side", None)
        self.ipid = options.pop("ipid", "linux")  # linux: a counter for each socket; zero
        self.mac = b"\x02\x00" + zlib.crc32(b"mac" + self.address.packed).to_bytes(4, "big")
        if options:
            raise ScriptError("host %s: unknown option %s" % (name, ", ".join(options)))

    def tsval(self, when):
        return (self.clock + int(when * self.hz + 1e-6)) & M32


class End:
    """One end of one connection: as much of its socket as its segments show."""

    def __init__(self, host, port):
        self.host, self.port = host, port
        self.isn_rule = None
        self.isn = None
        self.snd_nxt = None
        self.rcv_isn = None
        self.rcv_nxt = None
        self.una = None
        self.last_ack_sent = None
        self.held = []  # out of order: (begin, end, fin)
        self.fin_seq = None
        self.fin_received = False
        self.passive = False
        self.time_wait = False
        self.ts_recent = 0
        self.offset = 0
        self.ipid = None


class Conn:
    def __init__(self, number, a, b):
        self.number, self.a, self.b = number, a, b
        self.timestamps = None
        self.delay = None
        self.established = False
        self.vlan = None

    def ends(self, source):
        return (self.a, self.b) if self.a.host is source else (self.b, self.a)

    def key(self):
        return frozenset(((self.a.host.address, self.a.port), (self.b.host.address, self.b.port)))


class Line:
    """One segment of the script, and after run() also what it carried and where it was seen."""

    def __init__(self, number, text):
        self.number, self.text = number, text
        self.conn = self.source = self.target = None
        self.flags = 0
        self.attrs = {}
        self.sent = self.arrives = None
        self.label = None
        self.icmp = None
        self.lost = None  # None, "early", "far", "ignored"

    def times(self):
        first, second = self.halves
        return {"sender": self.sent, "middle": self.sent + first, "receiver": self.sent + first + second}


class Script:
    def __init__(self, name, text, seed=""):
        self.name = name
        self.seed = seed.encode()  # other ISNs and timestamp clocks, the same story
        self.hosts, self.conns, self.lines, self.labels = {}, {}, [], {}
        self.expects, self.allows, self.args, self.settings = [], [], [], {}
        self.vantages = list(VANTAGES)
        self.delay, self.split, self.hops = 0.010, 0.5, 6
        self.start = datetime(2026, 11, 20, 14, 3, 5, 118000, timezone.utc).timestamp()
        self.link, self.nano, self.snaplen, self.bigendian = "ethernet", False, 262144, False
        self.vlan, self.duplicates = {}, None
        self.capture = {v: (None, None) for v in VANTAGES + ("both",)}
        self.current = None
        self.exit_code = 0
        self.oneway = None
        for number, raw in enumerate(text.splitlines(), 1):
            line = raw.split("#", 1)[0].strip()
            if not line:
                continue
            try:
                self.read_line(number, line)
            except (ScriptError, KeyError, ValueError, IndexError) as error:
                raise ScriptError("%s:%d: %s: %r" % (name, number, line, error)) from error
        self.run()

    # -- reading --------------------------------------------------------------------------------

    def read_line(self, number, line):
        words = line.split()
        verb = words[0]
        handler = getattr(self, "do_" + verb, None)
        if handler:
            handler(words[1:], line)
            return
        conn = self.current
        match = re.match(r"\[(\d+)\]\s*", line)
        if match:
            conn = self.conns[int(match[1])]
            words = line[match.end():].split()
        self.event(number, line, conn, words)

    def do_host(self, words, _):
        options = dict(word.split("=", 1) for word in words[2:])
        self.hosts[words[0]] = Host(words[0], words[1], options, self.seed)

    def do_path(self, words, _):
        self.delay = duration(words[0])
        rest = words[1:]
        while rest:
            if rest[0] == "split":
                self.split = float(rest[1])
            elif rest[0] == "hops":
                self.hops = int(rest[1])
            else:
                raise ScriptError("path: " + rest[0])
            rest = rest[2:]

    def do_vantages(self, words, _):
        self.vantages = words

    def do_start(self, words, _):
        self.start = datetime.fromisoformat(words[0]).replace(tzinfo=timezone.utc).timestamp()

    def do_link(self, words, _):
        self.link = words[0]

    def do_nano(self, _words, _):
        self.nano = True

    def do_bigendian(self, _words, _):
        self.bigendian = True

    def do_snaplen(self, words, _):
        self.snaplen = int(words[0])

    def do_vlan(self, words, _):
        """vlan SENDER TAG ..."""
        for name, tag in zip(words[::2], words[1::2]):
            self.vlan[name] = int(tag)

    def do_duplicates(self, words, _):
        """duplicates span|routed|any GAP"""
        self.duplicates = (words[0], duration(words[1]))

    def do_oneway(self, words, _):
        """oneway HOST: the captures hold only what this host sent"""
        self.oneway = words[0]

    def do_capture(self, words, _):
        """capture VANTAGES from T until T"""
        for vantage in self.vantage_list(words[0]):
            begin, end = self.capture[vantage]
            for word, value in zip(words[1::2], words[2::2]):
                if word == "from":
                    begin = float(value)
                elif word == "until":
                    end = float(value)
                else:
                    raise ScriptError("capture: " + word)
            self.capture[vantage] = (begin, end)

    def do_args(self, words, _):
        self.args += words

    def do_settings(self, words, _):
        """settings HOST NAME=VALUE...: what `sysctl -a` said there; tcp_... stands for net.ipv4.tcp_..."""
        names = [word if "." in word.split("=")[0] else "net.ipv4." + word for word in words[1:]]
        self.settings.setdefault(words[0], []).extend(name.replace("=", " = ", 1) for name in names)

    def do_exit(self, words, _):
        self.exit_code = int(words[0])

    def vantage_list(self, text):
        return list(self.vantages) if text == "all" else text.split(",")

    def do_expect(self, _words, line):
        self.expects.append(self.expectation(line[len("expect"):]))

    def do_allow(self, _words, line):
        self.allows.append(self.expectation(line[len("allow"):]))

    def expectation(self, text):
        vantages, claim = text.split(":", 1)
        names = self.vantage_list(vantages.strip())
        for name in names:
            if name not in self.vantages:
                raise ScriptError("no such vantage: " + name)
        return names, claim.strip()

    def do_conn(self, words, _):
        number = int(words[0])
        ends = []
        for word in words[1:3]:
            name, port = word.rsplit(":", 1)
            ends.append(End(self.hosts[name], int(port)))
        conn = Conn(number, *ends)
        for end, side in zip(ends, ("client", "server")):
            end.host.side = end.host.side or side
        rest = words[3:]
        while rest:
            option = rest.pop(0)
            if option == "nots":
                conn.timestamps = False
            elif option == "established":
                conn.established = True
            elif option == "isn":  # isn RULE/RULE: number, auto, prev+N, prev-N
                for end, rule in zip(ends, rest.pop(0).split("/")):
                    end.isn_rule = None if rule == "auto" else rule
            elif option == "delay":
                conn.delay = duration(rest.pop(0))
            elif option == "offset":  # offset V/V: added to the hosts' timestamp clocks
                for end, value in zip(ends, rest.pop(0).split("/")):
                    end.offset = int(value)
            else:
                raise ScriptError("conn: unknown option " + option)
        if conn.timestamps is None:
            conn.timestamps = all(end.host.timestamps for end in ends)
        if number in self.conns:
            raise ScriptError("connection %d declared twice" % number)
        self.conns[number] = conn
        self.current = conn

    def do_tail(self, words, line):
        """tail TIME: one more, healthy connection between the first two hosts: the capture goes on"""
        first, before = next(iter(self.conns.values())), self.current
        self.do_conn(["99", first.a.host.name + ":40990", first.b.host.name + ":%d" % first.b.port], line)
        for step in (words[0] + " open", "+0.002 talk %s 120 %s 1400", "+0.010 close %s"):
            step = step.replace("%s", first.a.host.name, 1).replace("%s", first.b.host.name)
            self.event(0, line, self.current, step.split())
        self.current = before

    def moment(self, word):
        last = self.lines[-1] if self.lines else None
        if word.startswith("then"):
            if last.lost in ("early", "far"):
                raise ScriptError("`then` after a packet that never arrived")
            extra = float(word[5:]) if word.startswith("then+") else TURNAROUND
            return last.arrives + extra
        if word.startswith("+"):
            return last.sent + float(word[1:])
        match = re.fullmatch(r"@(\w+)(>?)(?:\+([0-9.]+))?", word)
        if match:
            line = self.labels[match[1]]
            return (line.arrives if match[2] else line.sent) + float(match[3] or 0)
        return float(word)

    def event(self, number, text, conn, words):
        when = self.moment(words.pop(0))
        if words[0] in ("open", "talk", "close", "close4"):
            self.macro(number, text, conn, when, words)
        else:
            self.segment(number, text, conn, when, words)

    def macro(self, number, text, conn, when, words):
        verb = words.pop(0)
        steps = []
        a, b = conn.a.host.name, conn.b.host.name
        if verb == "open":
            steps = ["%s > %s S" % (a, b), "%s > %s SA" % (b, a), "%s > %s A" % (a, b)]
        elif verb == "talk":  # talk C 100 S 2000
            first, n, second, m = words
            steps = ["%s > %s PA len %s" % (first, second, n), "%s > %s PA len %s" % (second, first, m),
                     "%s > %s A" % (first, second)]
        else:
            first = words[0]
            second = b if first == a else a
            steps = ["%s > %s FA" % (first, second), "%s > %s A" % (second, first), "%s > %s FA" % (second, first),
                     "%s > %s A" % (first, second)]
            if verb == "close":
                del steps[1]
        for index, step in enumerate(steps):
            if index:
                when = self.moment("+0.000400" if verb == "close4" and index == 2 else "then")
            self.segment(number, text, conn, when, step.split())

    def segment(self, number, text, conn, when, words):
        line = Line(number, text)
        line.conn, line.sent = conn, when
        line.source, line.target = self.hosts[words[0]], self.hosts[words[2]]
        if words[1] != ">":
            raise ScriptError("expected SENDER > RECEIVER")
        rest = words[3:]
        word = rest.pop(0)
        if word == "icmp":
            line.icmp = (rest.pop(0), rest.pop(0))
        else:
            if conn is None or line.source not in (conn.a.host, conn.b.host):
                raise ScriptError("sender is not an end of the connection")
            for letter in word:
                line.flags |= LETTER[letter]
        halves = None
        while rest:
            key = rest.pop(0)
            if key in ("lost", "lost-early", "ignored"):
                line.lost = {"lost": "far", "lost-early": "early", "ignored": "ignored"}[key]
            elif key in ("nots", "ts", "badsum", "iplen0", "dsack", "fresh"):
                line.attrs[key] = True
            elif key == "as":
                line.label = rest.pop(0)
                self.labels[line.label] = line
            elif key == "delay":
                halves = [duration(part) for part in rest.pop(0).split("+")]
            elif key in ("len", "win", "ttl", "ipid"):
                line.attrs[key] = int(rest.pop(0), 0)
            elif key in ("seq", "ack", "v", "e", "sack", "again", "uncaptured", "dup"):
                line.attrs[key] = rest.pop(0)
            else:
                raise ScriptError("unknown word " + key)
        total = conn.delay if conn and conn.delay is not None else self.delay
        near = self.split if line.source.side == "client" else 1 - self.split
        if halves is None:
            halves = [total * near, total * (1 - near)]
        elif len(halves) == 1:
            halves = [halves[0] * near, halves[0] * (1 - near)]
        line.halves = halves
        line.arrives = when + sum(halves)
        self.lines.append(line)

    # -- what the hosts do ------------------------------------------------------------------------

    def run(self):
        events = []
        for index, line in enumerate(self.lines):
            events.append((round(line.sent * 1e9), 1, index, "send"))
            if line.lost is None and not line.icmp:
                events.append((round(line.arrives * 1e9), 0, index, "receive"))
        done = set()
        for conn in self.conns.values():
            if conn.established:
                for end, other in ((conn.a, conn.b), (conn.b, conn.a)):
                    self.begin(conn, end)
                for end, other in ((conn.a, conn.b), (conn.b, conn.a)):
                    end.snd_nxt = end.una = (end.isn + 1) & M32
                    end.rcv_isn, end.rcv_nxt = other.isn, (other.isn + 1) & M32
                    end.last_ack_sent = end.rcv_nxt
        for _, _, index, what in sorted(events):
            line = self.lines[index]
            try:
                if what == "send":
                    self.send(line)
                    done.add(index)
                elif index in done:
                    self.receive(line)
            except ScriptError as error:
                raise ScriptError("%s:%d: %s: %s" % (self.name, line.number, line.text, error)) from error

    def previous(self, conn, end):
        """The same host's end of the last earlier connection over this 4-tuple."""
        found = None
        for other in self.conns.values():
            if other.number < conn.number and other.key() == conn.key():
                for candidate in (other.a, other.b):
                    if candidate.port == end.port and candidate.host.address == end.host.address:
                        found = candidate
        return found

    def begin(self, conn, end):
        if end.isn is not None:
            return
        rule = end.isn_rule
        if rule is None:
            seed = "%s/%d/%s" % (self.name, conn.number, end.host.name)
            end.isn = zlib.crc32(seed.encode() + self.seed)
        elif rule.startswith("prev"):
            before = self.previous(conn, end)
            if before is None or before.snd_nxt is None:
                raise ScriptError("isn %s: no previous connection" % rule)
            end.isn = (before.snd_nxt + int(rule[4:] or "0")) & M32
        else:
            end.isn = int(rule, 0) & M32
        end.snd_nxt = end.isn
        end.una = end.isn
        end.ipid = random.Random(end.isn).randrange(1, 60000)

    def send(self, line):
        if line.icmp:
            return
        conn, attrs = line.conn, line.attrs
        end, peer = conn.ends(line.source)
        flags = line.flags
        stateless = end.isn is None and flags & RST
        if not stateless:
            self.begin(conn, end)
        length = attrs.get("len", 0)
        again = attrs.get("again")
        if again:
            original = self.labels[again]
            seq = original.seq
            length = attrs.get("len", original.length)
        elif flags & SYN:
            seq = end.isn
        elif stateless:
            seq = 0 if flags & ACK else (peer.rcv_nxt if peer.rcv_nxt is not None else 0)
        elif flags & FIN and end.fin_seq is not None:
            seq = (end.fin_seq - length) & M32
        else:
            seq = end.snd_nxt
        if "seq" in attrs:
            seq = self.number(attrs["seq"], end.isn, end.snd_nxt)
        ack = 0
        if flags & ACK:
            ack = end.rcv_nxt if end.rcv_nxt is not None else 0
        if "ack" in attrs:
            ack = self.number(attrs["ack"], end.rcv_isn, end.rcv_nxt)
        line.seq, line.ack, line.length = seq, ack, length
        line.tsval = line.tsecr = None
        wants_ts = conn.timestamps and (not flags & RST or attrs.get("ts")) and not attrs.get("nots")
        if wants_ts or "v" in attrs:
            line.tsval = (line.source.tsval(line.sent) + end.offset) & M32
            line.tsecr = end.ts_recent if flags & ACK else 0
            if "v" in attrs:
                line.tsval = self.stamp(attrs["v"], line.tsval)
            if "e" in attrs:
                line.tsecr = self.stamp(attrs["e"], line.tsecr)
        if "win" in attrs:
            line.window = attrs["win"]
        elif flags & RST and not attrs.get("ts"):
            line.window = 0
        elif flags & SYN:
            line.window = 65160 if flags & ACK else 64240
        else:
            line.window = line.source.window
        if "ipid" in attrs:
            line.ipid = attrs["ipid"]
        elif line.source.ipid == "zero" or stateless or (flags & RST and not flags & ACK) or end.time_wait \
                or (flags & SYN and flags & ACK):
            line.ipid = 0
        else:
            line.ipid = end.ipid & 0xFFFF
            end.ipid += 1
        line.sack = []
        if "sack" in attrs:
            for part in attrs["sack"].split(","):
                left, right = part.split("-")
                line.sack.append((self.number(left, end.rcv_isn, end.rcv_nxt), self.number(right, end.rcv_isn, end.rcv_nxt)))
        if attrs.get("dsack"):
            line.sack.append(((end.rcv_nxt - 1) & M32, end.rcv_nxt))
        finish = (seq + length + bool(flags & SYN) + bool(flags & FIN)) & M32
        if not stateless and not flags & RST and signed(finish - end.snd_nxt) > 0:
            end.snd_nxt = finish
        if flags & FIN and end.fin_seq is None:
            end.fin_seq = (seq + length) & M32
        if flags & ACK:
            end.last_ack_sent = ack

    def number(self, text, base, nxt):
        """A sequence number as a script writes it: relative to the ISN, `=` absolute, `nxt`, `nxt-1`, or `a:LABEL`."""
        if text.startswith("a:"):
            return self.labels[text[2:]].ack
        if text.startswith("="):
            return int(text[1:], 0) & M32
        if text.startswith("nxt"):
            return (nxt + int(text[3:] or "0")) & M32
        return (base + int(text, 0)) & M32

    def stamp(self, text, natural):
        """A timestamp as a script writes it: a number, +N or -N from the natural one, or the TSval of a label."""
        if text[0] in "+-":
            return (natural + int(text)) & M32
        if text.isdigit():
            return int(text) & M32
        return self.labels[text].tsval

    def receive(self, line):
        conn, flags = line.conn, line.flags
        end = conn.ends(line.source)[1]  # the receiver
        if flags & RST:
            return
        # A request keeps the timestamp of the SYN that made it; its SYN-ACKs echo that one, whatever comes again.
        kept = flags & SYN and not flags & ACK and end.isn is not None and end.rcv_isn == line.seq
        if flags & SYN:
            end.rcv_isn = line.seq
            if end.rcv_nxt is None:
                end.rcv_nxt = (line.seq + 1 + line.length) & M32
                end.last_ack_sent = end.rcv_nxt
        if end.rcv_nxt is None:
            return
        begin = (line.seq + bool(flags & SYN)) & M32
        finish = (begin + line.length + bool(flags & FIN)) & M32
        if not end.time_wait and not kept and line.tsval is not None and signed(line.seq - end.last_ack_sent) <= 0 \
                and (not end.ts_recent or signed(line.tsval - end.ts_recent) >= 0):
            end.ts_recent = line.tsval
        if finish != begin:
            end.held.append((begin, finish, bool(flags & FIN)))
            moved = True
            while moved:
                moved = False
                for piece in end.held:
                    if signed(piece[0] - end.rcv_nxt) <= 0 < signed(piece[1] - end.rcv_nxt):
                        end.rcv_nxt = piece[1]
                        if piece[2]:
                            end.fin_received = True
                            # got FIN before sending one: LAST_ACK then CLOSED, never TIME_WAIT
                            end.passive = end.fin_seq is None
                        moved = True
        if flags & ACK and end.una is not None and signed(line.ack - end.una) > 0:
            end.una = line.ack
        end.time_wait = end.time_wait or (
            end.fin_seq is not None and end.fin_received and signed(end.una - end.fin_seq) > 0
            and not end.passive)

    # -- what a vantage sees ------------------------------------------------------------------------

    def places(self, vantage):
        """The captures of a vantage: `both` are those of the two ends, given together."""
        return ["client", "server"] if vantage == "both" else [vantage]

    def seen(self, line, vantage):
        """When the packet passed the vantage, or None; and how many hops it had made."""
        if self.oneway and line.source.name != self.oneway:
            return None
        times = line.times()
        if vantage == "middle":
            hops = self.hops // 2
            when = None if line.lost == "early" else times["middle"]
        elif line.source.side == vantage:
            hops, when = 0, times["sender"]
        elif line.target.side == vantage:
            hops = self.hops
            when = None if line.lost in ("early", "far") else times["receiver"]
        else:
            return None
        if when is None:
            return None
        hidden = line.attrs.get("uncaptured")
        if hidden and vantage in self.vantage_list(hidden):
            return None
        begin, end = self.capture[vantage]
        if (begin is not None and when < begin) or (end is not None and when > end):
            return None
        return when, hops

    def records(self, vantage):
        """[(time, line, frame bytes)] in capture order."""
        if vantage == "both":
            return sorted((record for place in self.places(vantage) for record in self.records(place)),
                          key=lambda record: record[0])
        found = []
        for index, line in enumerate(self.lines):
            seen = self.seen(line, vantage)
            if seen is None:
                continue
            when, hops = seen
            outgoing = line.source.side == vantage
            received = line.target.side == vantage
            found.append((round(when * 1e6), index, 0, line, self.frame(line, hops, outgoing, received, 0)))
            duplicate = self.duplicates
            if "dup" in line.attrs:
                kind, gap = line.attrs["dup"].split(":")
                duplicate = (kind, duration(gap))
            if duplicate:
                kind, gap = duplicate
                copy = self.frame(line, hops + (kind == "routed"), outgoing, received, 1 if kind != "span" else 0)
                found.append((round((when + gap) * 1e6), index, 1, line, copy))
        found.sort(key=lambda record: record[:3])
        return [(when, line, frame) for when, _, _, line, frame in found]

    def frame(self, line, hops, outgoing, received, copy):
        packet = icmp_packet(self, line, hops) if line.icmp else tcp_packet(line, hops)
        v6 = line.target.address.version == 6
        proto = 0x86DD if v6 else 0x0800
        if self.link == "raw":
            return packet
        if self.link == "sll2":
            kind = 4 if outgoing else 0
            return struct.pack("!HHIHBB", proto, 0, 2 + copy, 1, kind, 6) + line.source.mac + b"\0\0" + packet
        if self.link == "sll":
            kind = 4 if outgoing else 0
            return struct.pack("!HHH", kind, 1, 6) + line.source.mac + b"\0\0" + struct.pack("!H", proto) + packet
        source, target = line.source.mac, line.target.mac
        if copy:
            source, target = b"\x02\xfe" + source[2:], b"\x02\xfe" + target[2:]
        header = target + source
        if line.source.name in self.vlan:
            header += struct.pack("!HH", 0x8100, self.vlan[line.source.name])
        frame = header + struct.pack("!H", proto) + packet
        return frame if outgoing else frame.ljust(60, b"\0")  # a short frame is padded by the sending card

    def pcap(self, vantage):
        order = ">" if self.bigendian else "<"
        network = {"ethernet": 1, "sll2": 276, "sll": 113, "raw": 101}[self.link]
        magic = 0xA1B23C4D if self.nano else 0xA1B2C3D4
        out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, self.snaplen, network)]
        records = self.records(vantage)
        base = round(self.start * 1e6)
        for when, _, frame in records:
            moment = base + when
            fraction = moment % 1_000_000
            data = frame[: self.snaplen]
            out.append(struct.pack(order + "IIII", moment // 1_000_000, fraction * 1000 if self.nano else fraction,
                                   len(data), len(frame)) + data)
        return b"".join(out), records


# -- bytes ----------------------------------------------------------------------------------------


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def tcp_options(line):
    source, options = line.source, b""
    stamp = b"" if line.tsval is None else struct.pack("!BBII", 8, 10, line.tsval, line.tsecr)
    if line.flags & SYN:
        options += struct.pack("!BBH", 2, 4, source.mss)
        sack = b"\x04\x02" if source.sack else b""
        if stamp:
            options += (sack or b"\x01\x01") + stamp
        elif sack:
            options += b"\x01\x01" + sack
        if source.wscale >= 0:
            options += b"\x01" + struct.pack("!BBB", 3, 3, source.wscale)
    else:
        if stamp:
            options += b"\x01\x01" + stamp
        if line.sack:
            options += b"\x01\x01" + struct.pack("!BB", 5, 2 + 8 * len(line.sack))
            for left, right in line.sack:
                options += struct.pack("!II", left, right)
    return options


def payload(line):
    text = b"lastack scenario %d " % line.conn.number
    return (text * (line.length // len(text) + 1))[: line.length]


def ip_header(line, source, target, protocol, size, hops, ipid, zero_length=False):
    ttl = line.attrs.get("ttl", source.ttl) - hops
    if source.address.version == 6:
        return struct.pack("!IHBB", 0x60000000, 0 if zero_length else size, protocol, ttl) \
            + source.address.packed + target.address.packed
    header = struct.pack("!BBHHHBBH", 0x45, 0, 0 if zero_length else 20 + size, ipid, 0x4000, ttl, protocol, 0) \
        + source.address.packed + target.address.packed
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:]


def tcp_bytes(line):
    conn = line.conn
    end, peer = conn.ends(line.source)
    options = tcp_options(line)
    body = payload(line)
    header = struct.pack("!HHIIBBHHH", end.port, peer.port, line.seq, line.ack, (20 + len(options)) // 4 << 4,
                         line.flags, line.window, 0, 0) + options
    pseudo = line.source.address.packed + line.target.address.packed \
        + (struct.pack("!IHBB", len(header) + len(body), 0, 0, 6) if line.source.address.version == 6
           else struct.pack("!HH", 6, len(header) + len(body) & 0xFFFF))
    value = checksum(pseudo + header + body)
    if line.attrs.get("badsum"):
        value ^= 0x5555
    return header[:16] + struct.pack("!H", value) + header[18:] + body


def tcp_packet(line, hops):
    segment = tcp_bytes(line)
    return ip_header(line, line.source, line.target, 6, len(segment), hops, line.ipid,
                     line.attrs.get("iplen0", False)) + segment


def icmp_packet(script, line, hops):
    kind, code = (int(part) for part in line.icmp[0].split("/"))
    quoted = script.labels[line.icmp[1]]
    v6 = line.source.address.version == 6
    inner = tcp_packet(quoted, script.hops)[:48 if v6 else 28]
    body = struct.pack("!BBHI", kind, code, 0, 0) + inner
    pseudo = line.source.address.packed + line.target.address.packed + struct.pack("!II", len(body), 58) if v6 else b""
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return ip_header(line, line.source, line.target, 58 if v6 else 1, len(body), hops, 0) + body


# -- the ladder, for a reader -----------------------------------------------------------------------


def flag_text(flags):
    return "".join(letter for letter, bit in LETTER.items() if flags & bit)


def ladder(script, vantage):
    yield "%s, seen at %s" % (script.name, vantage)
    for frame, (when, line, _) in enumerate(script.records(vantage), 1):
        arrow = "->" if line.source.side == "client" else "<-"
        if line.icmp:
            yield "%4d %11.6f %s icmp %s" % (frame, when / 1e6, arrow, line.icmp[0])
            continue
        end, peer = line.conn.ends(line.source)
        text = "%4d %11.6f [%d] %s %-3s s=%u" % (frame, when / 1e6, line.conn.number, arrow, flag_text(line.flags), line.seq)
        if end.isn is not None:
            text += "(%d)" % signed(line.seq - end.isn)
        if line.flags & ACK:
            text += " a=%u" % line.ack
            if peer.isn is not None:
                text += "(%d)" % signed(line.ack - peer.isn)
        if line.length:
            text += " len=%d" % line.length
        if line.tsval is not None:
            text += " v=%u e=%u" % (line.tsval, line.tsecr)
        if line.sack:
            text += " sack"
        yield text


def load(path, seed=""):
    with open(path, encoding="utf-8") as stream:
        name = path.rsplit("/", 1)[-1]
        return Script(name[:-4] if name.endswith(".pkt") else name, stream.read(), seed)


def main():
    parser = argparse.ArgumentParser(description="compile a packet script to the capture of one vantage")
    parser.add_argument("script")
    parser.add_argument("-v", "--vantage", default=None, help="client, middle or server (default: the script's first)")
    parser.add_argument("-o", "--output", help="the pcap file; without it the ladder is printed")
    parser.add_argument("--nano", action="store_true", help="nanosecond pcap")
    parser.add_argument("--big-endian", action="store_true")
    parser.add_argument("--link", choices=("ethernet", "sll2", "sll", "raw"))
    parser.add_argument("--snaplen", type=int)
    options = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        script = load(options.script)
    except ScriptError as error:
        print(error, file=sys.stderr)
        return 2
    script.nano = script.nano or options.nano
    script.bigendian = script.bigendian or options.big_endian
    script.link = options.link or script.link
    script.snaplen = options.snaplen or script.snaplen
    for vantage in [options.vantage] if options.vantage else script.vantages[:1] if options.output else script.vantages:
        if options.output:
            data, _ = script.pcap(vantage)
            with open(options.output, "wb") as stream:
                stream.write(data)
        else:
            print("\n".join(ladder(script, vantage)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
