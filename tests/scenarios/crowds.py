#!/usr/bin/python3
"""What takes hundreds of connections to see: pile-ups, ports that run out, floods, scans, and what looks like them.

Each case makes a capture (generated, because thousands of connections cannot be read in a review), runs lastack over it and
holds the findings against what must be there. A case is complete: a finding that it does not name fails it. Ends with
`N passed, N failed, N skipped`.

    ./crowds.py --lastack ../../build/lastack [--only WORD]
"""
import argparse
import concurrent.futures
import json
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import run  # noqa: E402

START = 1780000000.0
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
RTT = 0.004


def address(text):
    return bytes(int(part) for part in text.split("."))


class Host:
    """An end: its address, and a timestamp clock of its own."""

    def __init__(self, text, clock=None):
        self.text, self.bytes = text, address(text)
        self.clock = clock if clock is not None else sum(self.bytes) * 7654321 & 0xffffffff


class World:
    """A capture in the making, taken in the middle of the path."""

    def __init__(self):
        self.packets, self.serial, self.settings = [], 0, None
        self.say(Host("192.0.2.1"), 9, Host("192.0.2.2"), 9, START - 1, ACK, 1, 1)  # the capture has begun

    def say(self, source, sport, target, dport, when, flags, seq, ack, payload=0):
        self.serial += 1
        options = b""
        if not flags & RST:
            stamp = source.clock + int((when - START) * 1000) & 0xffffffff
            echo = target.clock + int((when - START) * 1000) - 2 & 0xffffffff if flags & ACK else 0
            options = b"\x01\x01\x08\x0a" + struct.pack("!II", stamp, echo)
            if flags & SYN:
                options = b"\x02\x04\x05\xb4\x04\x02\x08\x0a" + struct.pack("!II", stamp, echo) + b"\x01\x03\x03\x07"
        window = 0 if flags & RST and not flags & ACK else 502
        tcp = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff if flags & ACK else 0,
                          (20 + len(options)) // 4 << 4, flags, window, 0, 0) + options + b"d" * payload
        identity = 0 if flags & RST or flags & (SYN | ACK) == SYN | ACK else self.serial & 0xffff or 1
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), identity, 0x4000, 60, 6, 0) + source.bytes + target.bytes
        self.packets.append((when, self.serial, b"\x02" * 12 + b"\x08\x00" + ip + tcp))

    def until(self, seconds):
        """Another pair of hosts shows that the capture goes on."""
        self.say(Host("192.0.2.1"), 9, Host("192.0.2.2"), 9, START + seconds, ACK, 1, 1)

    def write(self, path):
        self.packets.sort()
        with open(path, "wb") as stream:
            stream.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
            for when, _, frame in self.packets:
                micros = round(when * 1e6)
                stream.write(struct.pack("<IIII", micros // 1000000, micros % 1000000, len(frame), len(frame)) + frame)


class Talk:
    """One connection; `at` is the time at the capture point."""

    def __init__(self, world, client, port, server, service, at):
        self.world, self.ends, self.ports = world, (client, server), (port, service)
        self.at = START + at
        seed = port * 1000003 + service * 7919 + int(at * 1000) * 613 + sum(client.bytes) * 31
        self.next = [seed & 0x7fffffff, seed * 17 & 0x7fffffff]

    def say(self, side, flags, payload=0, pause=RTT / 2):
        self.world.say(self.ends[side], self.ports[side], self.ends[not side], self.ports[not side], self.at, flags,
                       self.next[side], self.next[not side], payload)
        self.next[side] += payload + bool(flags & SYN) + bool(flags & FIN)
        self.at += pause
        return self

    def again(self, side, flags, pause):
        self.next[side] -= 1
        return self.wait(pause).say(side, flags)

    def wait(self, seconds):
        self.at += seconds
        return self

    def open(self):
        return self.say(0, SYN).say(1, SYN | ACK).say(0, ACK)

    def talk(self, request=100, answer=1000):
        return self.say(0, PSH | ACK, request).say(1, PSH | ACK, answer).say(0, ACK)

    def close(self, first):
        return self.say(first, FIN | ACK).say(not first, FIN | ACK).say(first, ACK)


def many(network, count):
    return [Host("%s.%d.%d" % (network, number // 250, number % 250 + 1)) for number in range(count)]


SERVER = Host("10.0.0.2")
WEB = Host("10.0.0.3")
CASES = []


LOOK_ALIKES = set()


def case(*expected, settings=None, allow=(), unlike=None):
    """Expected findings: (kind, {path: value or a function of it}); others fail unless allowed. `unlike` is the kind that the
    case is a look-alike of."""
    def add(function):
        assert unlike not in [kind for kind, _ in expected] and unlike not in allow
        CASES.append((function.__name__.replace("_", "-"), function, expected, settings, set(allow)))
        LOOK_ALIKES.add(unlike)
        return function
    return add


# -- TIME-WAIT --------------------------------------------------------------------------------------


@case(("time-wait-pileup", {"severity": "info", "host": SERVER.text, "matters": "no", "peak": lambda n: 2950 <= n <= 3000,
                            "limit": None, "accepted": 3000, "opened": 0, "confidence": "inferred"}))
def time_wait_of_a_busy_server(world):
    for number, client in enumerate(many("172.16", 3000)):
        Talk(world, client, 40000 + number % 1000, SERVER, 443, number * 0.01).open().talk().close(1)
    world.until(50)


@case(unlike="time-wait-pileup")
def time_wait_of_a_quiet_server(world):
    for number, client in enumerate(many("172.16", 500)):
        Talk(world, client, 40000, SERVER, 443, number * 0.05).open().talk().close(1)
    world.until(90)


@case(("time-wait-pileup", {"severity": "notice", "host": WEB.text, "matters": "ports", "limit": 28232, "opened": 15000}))
def time_wait_holds_half_of_the_ports(world):
    for number in range(15000):
        Talk(world, WEB, 32768 + number * 2 % 28232 + number * 2 // 28232, SERVER, 3306, number * 0.0035).open().close(0)
    world.until(56)


@case(("time-wait-pileup", {"severity": "warning", "host": SERVER.text, "matters": "limit", "limit": 1200}),
      settings="net.ipv4.tcp_max_tw_buckets = 1200\n")
def time_wait_near_the_bound_of_the_kernel(world):
    for number, client in enumerate(many("172.16", 1100)):
        Talk(world, client, 40000, SERVER, 443, number * 0.01).open().talk().close(1)
    world.until(20)


# -- ports ------------------------------------------------------------------------------------------


def short_connections(world, count, ports, pace, first=40000):
    for number in range(count):
        Talk(world, WEB, first + number % ports, SERVER, 8080, number * pace).open().talk().close(0)


@case(("port-exhaustion", {"severity": "critical", "host": WEB.text, "peer": SERVER.text, "port": 8080, "held": 200, "range": 200,
                           "range_source": "settings", "left": 0, "parity": "both", "least_gap": None,
                           "sustainable_per_second": lambda n: abs(n - 200 / 60) < 0.01, "runs_out_after": lambda n: 2 < n < 8,
                           "confidence": "inferred"}),
      ("time-wait-pileup", {"severity": "notice", "matters": "ports"}),
      settings="net.ipv4.ip_local_port_range = 40000 40199\n")
def ports_are_used_up(world):
    short_connections(world, 200, 200, 0.025)
    world.until(20)


@case(("port-exhaustion", {"severity": "warning", "held": lambda n: 165 <= n <= 180, "left": lambda n: n >= 20}),
      ("time-wait-pileup", {"severity": "notice"}),
      settings="net.ipv4.ip_local_port_range = 40000 40199\n")
def ports_are_nearly_used_up(world):
    short_connections(world, 170, 200, 0.025)
    world.until(20)


@case(("port-exhaustion", {"severity": "warning", "range_source": "seen", "range": 200, "least_gap": lambda n: 1 < n < 3}),
      ("time-wait-pileup", {"severity": "notice"}), allow=["time-wait-reuse"])
def ports_come_round_and_are_taken_over(world):
    short_connections(world, 1200, 200, 0.01)
    world.until(20)


@case(unlike="port-exhaustion")
def ports_taken_one_after_the_other_are_not_all_there_are(world):
    short_connections(world, 600, 600, 0.01, first=49152)
    world.until(20)


@case(allow=["time-wait-reuse"], unlike="port-exhaustion")
def one_port_bound_again_and_again(world):
    short_connections(world, 60, 1, 1.5)
    world.until(120)


@case(settings="net.ipv4.ip_local_port_range = 40000 40199\n", unlike="port-exhaustion")
def ports_towards_different_services(world):
    for number in range(400):
        Talk(world, WEB, 40000 + number % 200, Host("10.0.1.%d" % ((number + number // 200) % 8)), 8080, number * 0.01).open().close(0)
    world.until(20)


# -- CLOSE-WAIT -------------------------------------------------------------------------------------


@case(("close-wait-pileup", {"severity": "warning", "host": SERVER.text, "peer": None, "port": 8080, "side": "server", "peak": 30,
                             "over_60_s": 30, "final": 30, "rising": True, "responsible.role": "application"}),
      allow=["close-wait-leak"])
def close_wait_of_a_server_that_never_closes(world):
    for number, client in enumerate(many("172.16", 30)):
        Talk(world, client, 40000, SERVER, 8080, number).open().talk().say(0, FIN | ACK).say(1, ACK)
    world.until(130)


@case(("close-wait-pileup", {"host": WEB.text, "peer": SERVER.text, "side": "client", "peak": 20, "rising": True}),
      allow=["close-wait-leak"])
def close_wait_of_a_pool_that_does_not_look(world):
    for number in range(20):
        Talk(world, WEB, 40000 + number, SERVER, 5432, number * 0.1).open().talk().wait(5).say(1, FIN | ACK).say(0, ACK)
    world.until(130)


@case(("close-wait-pileup", {"side": "server", "over_60_s": 0, "over_10_s": 150, "rising": False, "final": 0}),
      allow=["slow-close", "close-wait-leak"])
def close_wait_of_a_server_that_is_far_too_slow(world):
    for number, client in enumerate(many("172.16", 150)):
        Talk(world, client, 40000, SERVER, 8080, number * 0.01).open().talk().say(0, FIN | ACK).say(1, ACK).wait(25) \
            .say(1, FIN | ACK).say(0, ACK)
    world.until(60)


@case(allow=["slow-close", "half-close"], unlike="close-wait-pileup")
def close_wait_of_a_slow_server(world):
    for number, client in enumerate(many("172.16", 60)):
        Talk(world, client, 40000, SERVER, 8080, number * 0.5).open().talk().say(0, FIN | ACK).say(1, ACK).wait(8) \
            .say(1, FIN | ACK).say(0, ACK)
    world.until(60)


@case(allow=["half-close"], unlike="close-wait-pileup")
def half_closes_in_use(world):
    for number, client in enumerate(many("172.16", 30)):
        talk = Talk(world, client, 40000, SERVER, 8080, number).open().talk().say(0, FIN | ACK).say(1, ACK)
        for _ in range(24):
            talk.wait(4).say(1, PSH | ACK, 500).say(0, ACK)
        talk.say(1, FIN | ACK).say(0, ACK)
    world.until(140)


# -- floods -----------------------------------------------------------------------------------------


def flood(world, count, pace=0.004, answered=True):
    for number, source in enumerate(many("203.0", count)):
        talk = Talk(world, source, 1024 + number * 7 % 60000, SERVER, 443, 1 + number * pace).say(0, SYN)
        if answered:
            talk.say(1, SYN | ACK)


def users(world, count=40):
    for number, client in enumerate(many("172.16", count)):
        Talk(world, client, 40000, SERVER, 443, number * 0.2).open().talk().close(0)


@case(("syn-flood", {"severity": "notice", "confidence": "observed", "host": SERVER.text, "peer": None, "port": 443,
                     "attempts": lambda n: 1900 <= n <= 2000, "sources": lambda n: 1300 <= n <= 2800, "in_vain": 0, "late": 0,
                     "opened": lambda n: n >= 35}), settings="net.ipv4.tcp_syncookies = 1\n")
def flood_that_hurts_nobody(world):
    flood(world, 2000)
    users(world)
    world.until(60)


@case(("syn-flood", {"severity": "notice", "confidence": "inferred"}), settings="net.ipv4.tcp_syncookies = 0\n")
def flood_without_an_answer(world):
    flood(world, 1000, answered=False)
    world.until(60)


@case(("syn-flood", {"severity": "critical", "in_vain": 12}), allow=["syn-unanswered", "syn-queue-overflow"])
def flood_that_turns_users_away(world):
    flood(world, 2000)
    for number, client in enumerate(many("172.16", 12)):
        talk = Talk(world, client, 40000, SERVER, 443, 2 + number * 0.3).say(0, SYN)
        for pause in (1, 1, 1, 1, 2, 4):
            talk.again(0, SYN, pause)
    world.until(60)


@case(("syn-flood", {"severity": "warning", "late": 12, "in_vain": 0}), allow=["syn-retransmitted", "syn-queue-overflow"])
def flood_that_makes_users_wait(world):
    flood(world, 2000)
    for number, client in enumerate(many("172.16", 12)):
        Talk(world, client, 40000, SERVER, 443, 2 + number * 0.3).say(0, SYN).again(0, SYN, 1).say(1, SYN | ACK).say(0, ACK) \
            .talk().close(0)
    world.until(60)


@case(allow=["syn-unanswered"], unlike="syn-flood")
def crowd_after_an_outage(world):
    for number, client in enumerate(many("172.16", 600)):
        talk = Talk(world, client, 40000, SERVER, 443, number * 0.005).say(0, SYN)
        for pause in (1, 1, 1, 1, 2, 4, 8, 16):
            talk.again(0, SYN, pause)
    world.until(60)


@case(allow=["abortive-close", "half-open", "half-close", "close-wait-leak"], unlike="syn-flood")
def clients_in_a_capture_of_one_direction(world):
    for number, client in enumerate(many("172.16", 600)):
        talk = Talk(world, client, 40000, SERVER, 443, number * 0.005)
        talk.say(0, SYN)
        talk.next[1] += 1
        talk.wait(RTT).say(0, ACK).say(0, PSH | ACK, 100)
        talk.next[1] += 1001
        talk.wait(RTT).say(0, FIN | ACK)
    world.until(60)


@case(allow=["abortive-close"], unlike="syn-flood")
def health_checks_that_only_ask(world):
    probers = many("172.16", 4)
    for number in range(500):
        Talk(world, probers[number % 4], 40000 + number, SERVER, 443, number * 0.1).say(0, SYN).say(1, SYN | ACK).say(0, RST)
    world.until(70)


# -- scans ------------------------------------------------------------------------------------------

SCANNER = Host("198.51.100.7")


@case(("scan", {"severity": "notice", "confidence": "observed", "host": SCANNER.text, "peer": SERVER.text, "targets": 200, "hosts": 1,
                "ports": 200, "form": "ports", "refused": 197, "half_open": 3, "responsible.host": SCANNER.text}))
def scan_of_ports(world):
    for number in range(200):
        talk = Talk(world, SCANNER, 61000, SERVER, 1 + number, number * 0.01).say(0, SYN)
        if number in (21, 79, 142):
            talk.say(1, SYN | ACK).say(0, RST)
        else:
            talk.next[1] = 0
            talk.say(1, RST | ACK)
    users(world, 20)
    world.until(30)


@case(("scan", {"confidence": "observed", "targets": lambda n: n >= 115, "refused": lambda n: n >= 115, "form": "ports"}))
def scan_by_connecting(world):
    for number in range(120):
        talk = Talk(world, SCANNER, 40000 + number, SERVER, 1 + number, number * 0.01)
        if number in (21, 79):
            talk.open().say(0, RST | ACK)
            continue
        talk.say(0, SYN)
        talk.next[1] = 0
        talk.say(1, RST | ACK)
    world.until(30)


@case(("scan", {"confidence": "observed", "targets": 57, "form": "ports"}))
def scan_that_reads_banners(world):
    for number in range(60):
        talk = Talk(world, SCANNER, 40000 + number, SERVER, 1 + number, number * 0.01)
        if number in (21, 22, 25):
            talk.open().wait(0.01).say(1, PSH | ACK, 80).say(0, RST | ACK)
            continue
        talk.say(0, SYN)
        talk.next[1] = 0
        talk.say(1, RST | ACK)
    world.until(30)


@case(("abortive-close", {}), ("abortive-close", {}), ("abortive-close", {}))
def banners_read_by_somebody_who_does_not_scan(world):
    for number in (21, 22, 25):
        Talk(world, SCANNER, 40000 + number, SERVER, 1 + number, number * 0.01).open().wait(0.01).say(1, PSH | ACK, 80) \
            .say(0, RST | ACK)
    world.until(30)


@case(("scan", {"confidence": "inferred", "form": "hosts", "hosts": 80, "ports": 1, "peer": None, "unanswered": 80}))
def scan_of_hosts_that_do_not_answer(world):
    for number, target in enumerate(many("10.9", 80)):
        Talk(world, SCANNER, 40000 + number, target, 22, number * 0.05).say(0, SYN).again(0, SYN, 1).again(0, SYN, 2)
    world.until(90)


@case(("scan", {"targets": 40}), ("scan", {"targets": 60}))
def scan_in_two_episodes(world):
    for number in range(100):
        talk = Talk(world, SCANNER, 40000, SERVER, 1 + number, number * 0.01 + (200 if number >= 40 else 0)).say(0, SYN)
        talk.next[1] = 0
        talk.say(1, RST | ACK)
    world.until(230)


@case(allow=["syn-unanswered", "syn-refused"], unlike="scan")
def peers_that_share_files(world):
    for number, peer in enumerate(many("203.0", 90)):
        talk = Talk(world, WEB, 40000 + number, peer, 6881 + number, number * 0.2)
        if number % 3 == 0:
            talk.open().talk().close(0)
        else:
            talk.say(0, SYN).again(0, SYN, 1).again(0, SYN, 2)
    world.until(90)


@case(unlike="scan")
def monitoring_of_many_hosts(world):
    for number, target in enumerate(many("10.9", 80)):
        Talk(world, WEB, 40000 + number, target, 9100, number * 0.05).open().close(0)
    world.until(30)


@case(allow=["syn-unanswered", "syn-refused"], unlike="scan")
def dead_backends_tried_again_and_again(world):
    for number, target in enumerate(many("10.9", 40)):
        for attempt in range(12):
            talk = Talk(world, WEB, 40000 + attempt, target, 8080, number * 0.02 + attempt * 5).say(0, SYN)
            talk.next[1] = 0
            talk.say(1, RST | ACK)
    world.until(90)


def probe(world, number, flags, port, answer, scanner=None, at=None, target=None, sport=None):
    """A segment out of nowhere, and what a closed port says to it."""
    scanner, target = scanner or SCANNER, target or SERVER
    at = START + (number * 0.01 if at is None else at)
    seq, sport = 77000 + number * 31, sport or 61000
    world.say(scanner, sport, target, port, at, flags, seq, 0 if not flags & ACK else 5000 + number)
    if not answer:
        return
    if flags & ACK:
        world.say(target, port, scanner, sport, at + RTT / 2, RST, 5000 + number, 0)
    else:
        world.say(target, port, scanner, sport, at + RTT / 2, RST | ACK, 0, seq + bool(flags & FIN))


def probe_ports(world, flags, closed=lambda port: port not in (22, 80, 443)):
    """As nmap does: what is not answered is asked again a second later, from another port."""
    for number in range(200):
        port = 1 + number * 3
        probe(world, number, flags, port, closed(port))
        if not closed(port):
            probe(world, number, flags, port, False, at=number * 0.01 + 1, sport=61001)
    users(world, 20)
    world.until(30)


STEALTHY = {"severity": "notice", "confidence": "observed", "host": SCANNER.text, "peer": SERVER.text, "form": "ports",
            "targets": 200, "responsible.host": SCANNER.text}


@case(("scan", STEALTHY))
def scan_with_fins(world):
    probe_ports(world, FIN)


@case(("scan", STEALTHY))
def scan_with_no_flags(world):
    probe_ports(world, 0)


@case(("scan", STEALTHY))
def scan_of_a_christmas_tree(world):
    probe_ports(world, FIN | PSH | URG)


@case(unlike="scan")
def acks_to_many_ports(world):
    """It may be a scan; or a host that was restarted and has forgotten as many connections."""
    probe_ports(world, ACK)


@case(unlike="scan")
def fins_and_acks_to_many_ports(world):
    probe_ports(world, FIN | ACK)


@case(("scan", dict(STEALTHY, confidence="inferred")))
def scan_with_fins_through_a_filter(world):
    probe_ports(world, FIN, closed=lambda port: False)


@case(unlike="scan")
def connections_that_a_restarted_client_forgot(world):
    """A firewall that was restarted lets the ends of two hundred old connections through, to one service."""
    for number in range(200):
        probe(world, number, FIN | ACK, 443, True, scanner=many("198.51", 200)[number], sport=40000 + number)
    world.until(30)


@case(unlike="scan", allow=["half-open"])
def server_that_was_restarted(world):
    """A proxy tells two hundred backends that it is done; they have forgotten the connections."""
    for number, backend in enumerate(many("10.9", 200)):
        probe(world, number, FIN | ACK, 8080, True, scanner=WEB, target=backend, sport=40000 + number)
    world.until(30)


# -- backscatter ------------------------------------------------------------------------------------


def backscatter(world, alive, flags=SYN | ACK, victim=Host("198.51.100.99")):
    """Somebody floods `victim` with SYNs in the name of our hosts, of which some exist."""
    for number, host in enumerate(many("10.0", 200)):
        at, isn = START + number * 0.02, 900000 + number * 977
        if flags & RST:
            world.say(victim, 80, host, 1024 + number * 7, at, flags, 0, 5000 + number)
            continue
        for again in (0, 1, 3, 7):
            world.say(victim, 80, host, 1024 + number * 7, at + again, flags, isn, 5000 + number)
            if number % 4 == 0 and alive:
                world.say(host, 1024 + number * 7, victim, 80, at + again + 0.001, RST, 5000 + number, 0)
                break
    users(world, 20)
    world.until(40)


@case(unlike="syn-flood")
def backscatter_to_hosts_that_do_not_exist(world):
    backscatter(world, False)


@case(unlike="scan")
def backscatter_to_hosts_that_answer(world):
    backscatter(world, True)


@case(unlike="syn-refused")
def backscatter_of_a_closed_port(world):
    backscatter(world, False, RST | ACK)


@case(unlike="abortive-close")
def backscatter_of_a_host_that_knows_nothing(world):
    """What was forged were ACKs."""
    backscatter(world, False, RST)


@case(unlike="scan")
def backscatter_to_one_host(world):
    """The same host was named two hundred times, from as many ports."""
    victim, host = Host("198.51.100.99"), Host("10.0.0.77")
    for number in range(200):
        at, isn = START + number * 0.02, 900000 + number * 977
        world.say(victim, 80, host, 1024 + number * 7, at, SYN | ACK, isn, 5000 + number)
        world.say(host, 1024 + number * 7, victim, 80, at + 0.001, RST, 5000 + number, 0)
    users(world, 20)
    world.until(40)


# -- clocks -----------------------------------------------------------------------------------------


def by_turns(world, hosts, count=20, service=443):
    for number in range(count):
        for place, host in enumerate(hosts):
            Talk(world, host, 40000 + 1000 * place + number, SERVER, service, number * 0.9 + 0.2 * place).open().talk().close(0)


@case(("shared-address", {"severity": "info", "confidence": "observed", "host": "203.0.113.9", "peer": SERVER.text, "clocks": 3,
                          "hz": 1000, "connections": 60, "responsible.role": "middlebox"}))
def three_hosts_behind_one_address(world):
    by_turns(world, [Host("203.0.113.9", clock) for clock in (900100, 120500, 4000000000)])
    world.until(30)


@case(unlike="shared-address")
def one_host_with_one_clock(world):
    by_turns(world, [Host("203.0.113.9"), Host("203.0.113.9")])
    world.until(30)


@case(unlike="shared-address")
def a_host_that_is_restarted(world):
    before, after = Host("203.0.113.9", 900000000), Host("203.0.113.9", 77)
    for number in range(40):
        Talk(world, before if number < 20 else after, 40000 + number, SERVER, 443, number).open().talk().close(0)
    world.until(50)


@case(unlike="shared-address")
def a_clock_for_each_connection(world):
    for number in range(40):
        Talk(world, Host("203.0.113.9", number * 1234567891), 40000 + number, SERVER, 443, number).open().talk().close(0)
    world.until(50)


@case(unlike="shared-address")
def a_clock_for_each_of_two_services(world):
    by_turns(world, [Host("203.0.113.9", 5000)], service=443)
    by_turns(world, [Host("203.0.113.9", 900000000)], service=80)
    world.until(30)


# -- a chain ----------------------------------------------------------------------------------------


def check_chain(report):
    """Client, load balancer, web server, database: each hop its own verdict."""
    balancer, database = "10.0.0.1", "10.0.0.4"
    edges = {(edge["client"], edge["service"]["address"]): edge for edge in report["edges"]}
    client = next(edge for (who, to), edge in edges.items() if to == balancer)
    hops = {"client": client, "balancer": edges[balancer, WEB.text], "web": edges[WEB.text, database]}
    problems = []
    for name, where, matters in (("client", "server", False), ("balancer", "client", True), ("web", "client", True)):
        edge = hops[name]
        reuse = {(item["setting"], item["host"]) for item in edge["can_matter"]}
        if edge["time_wait_at"] != where:
            problems.append("%s: TIME-WAIT at %s" % (name, edge["time_wait_at"]))
        if (("net.ipv4.tcp_tw_reuse", edge["client"]) in reuse) != matters:
            problems.append("%s: tcp_tw_reuse can matter: %s" % (name, not matters))
        if not any(item["setting"] == "net.ipv4.tcp_fin_timeout" for item in edge["cannot_matter"]):
            problems.append("%s: tcp_fin_timeout may matter" % name)
    services = {item["address"]: item for item in report["services"]}
    if services[balancer]["time_wait"]["peak"] != 60 or services[WEB.text]["first_closer"]["client"] != 60:
        problems.append("services: %s" % {name: item["time_wait"] for name, item in services.items()})
    sockets = {item["address"]: item for item in report["sockets"]["hosts"]}
    if sockets[WEB.text]["peak"].get("TIME-WAIT") != 60 or sockets[balancer]["peak"].get("TIME-WAIT") != 120:
        problems.append("sockets: %s" % {name: item["peak"] for name, item in sockets.items()})
    if sockets[balancer]["final"].get("TIME-WAIT") != sockets[balancer]["series"]["TIME-WAIT"][-1]:
        problems.append("sockets: the series does not end with the final count")
    return problems


@case()
def chain_of_client_balancer_web_and_database(world):
    balancer, database = Host("10.0.0.1"), Host("10.0.0.4")
    for number, client in enumerate(many("172.16", 60)):
        at = number * 0.2
        Talk(world, client, 40000, balancer, 443, at).open().talk().wait(0.1).close(1)
        Talk(world, balancer, 40000 + number, WEB, 80, at + 0.02).open().talk().wait(0.05).close(0)
        Talk(world, WEB, 40000 + number, database, 5432, at + 0.03).open().talk().close(0)
    world.until(30)


def claims():
    """-> (kinds that a case expects, and so finds in its report; kinds that a case is a look-alike of)"""
    return {kind for _, _, expected, _, _ in CASES for kind, _ in expected}, LOOK_ALIKES - {None}


def audited(**wanted):
    """The verdicts on settings, by their short names."""
    def check_audit(report):
        told = {item["name"].rsplit(".", 1)[-1]: item for item in report["settings"][0]["audit"]}
        return ["%s: %s (%s), not %s" % (name, told[name]["verdict"], told[name]["evidence"], verdict)
                for name, verdict in wanted.items() if told[name]["verdict"] != verdict]
    return check_audit


REPORTS = {
    "chain-of-client-balancer-web-and-database": check_chain,
    "time-wait-near-the-bound-of-the-kernel": audited(tcp_max_tw_buckets="helps here", tcp_fin_timeout="no evidence"),
    "ports-are-used-up": audited(tcp_tw_reuse="helps here", ip_local_port_range="helps here", tcp_fin_timeout="no effect here",
                                 nofile="no effect here"),
    "ports-are-nearly-used-up": audited(tcp_tw_reuse="helps here", ip_local_port_range="helps here"),
    "ports-towards-different-services": audited(tcp_tw_reuse="no evidence"),
    "flood-that-hurts-nobody": audited(tcp_syncookies="helps here", tcp_synack_retries="no effect here",
                                       tcp_max_syn_backlog="no effect here"),
    "flood-without-an-answer": audited(tcp_syncookies="harmful", tcp_synack_retries="helps here"),
}


# -- running ----------------------------------------------------------------------------------------


def holds(finding, kind, wanted):
    if finding["kind"] != kind:
        return False
    for path, value in wanted.items():
        got = run.lookup(finding, path)
        if callable(value):
            if got is None or not value(got):
                return False
        elif got != value:
            return False
    return True


def check(findings, expected, allowed):
    problems, left = [], list(findings)
    for kind, wanted in expected:
        found = next((finding for finding in left if holds(finding, kind, wanted)), None)
        if found:
            left.remove(found)
        else:
            shown = {path: "..." if callable(value) else value for path, value in wanted.items()}
            problems.append("expected %s %s" % (kind, shown))
    problems += ["not expected: " + run.describe(finding) for finding in left if finding["kind"] not in allowed][:12]
    for finding in findings:
        if not finding["evidence"]:
            problems.append("%s: no evidence" % finding["kind"])
    return problems + (["found: " + run.describe(finding) for finding in findings][:12] if problems else [])


def run_case(lastack, work, one, schemas):
    name, function, expected, settings, allowed = one
    world = World()
    function(world)
    path = os.path.join(work, name)
    world.write(path + ".pcap")
    command = [lastack, "--findings", path + ".findings", "--connections", path + ".connections"]
    if settings:
        with open(path + ".conf", "w", encoding="ascii") as stream:
            stream.write(settings)
        command += ["--host-settings", path + ".conf"]
    outputs = []
    for threads in ("1", "2"):
        done = subprocess.run(command + ["-j", threads, path + ".pcap"], capture_output=True, timeout=120, check=False)
        if done.returncode != 0:
            return ["exit code %d: %s" % (done.returncode, done.stderr.decode(errors="replace")[:500])]
        outputs.append(done.stdout)
    findings, report = run.read_lines(path + ".findings"), json.loads(outputs[0])
    problems = [] if outputs[0] == outputs[1] else ["one thread and two do not say the same"]
    problems += run.validate(schemas, [("finding", finding) for finding in findings] + [("report", report)])
    problems += run.check_told(findings, run.read_lines(path + ".connections"))
    problems += check(findings, expected, allowed)
    told = {item["kind"]: item["count"] for item in report["findings"]}
    counted = {kind: sum(finding["kind"] == kind for finding in findings) for kind in told}
    if told != counted or len(findings) != sum(told.values()):
        problems.append("the report counts %s" % told)
    return problems + (REPORTS[name](report) if name in REPORTS else [])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lastack", required=True)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    lastack = os.path.abspath(options.lastack)
    schemas = {name: json.loads(subprocess.run([lastack, "schema", name], capture_output=True, check=True).stdout)
               for name in ("report", "finding")}
    wanted = [one for one in CASES if options.only in one[0]]
    failed = 0
    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [(one[0], pool.submit(run_case, lastack, work, one, schemas)) for one in wanted]
        for name, job in jobs:
            problems = job.result()
            failed += bool(problems)
            if problems:
                print("FAIL %s\n      %s" % (name, "\n      ".join(problems)))
    print("%d passed, %d failed, 0 skipped" % (len(wanted) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
