"""What a scenario is, and the room in which it runs: two hosts, a wire, captures and truth."""

import json
import os
import platform
import socket
import sys
import time
import zlib

import truth
from netns import Host, Nursery, choose_isn, silent_close, stop_capture
from wire import TapPort, Wire

CLIENT_MAC, SERVER_MAC = "02:00:00:00:00:07", "02:00:00:00:00:02"
VANTAGES = ("client", "middle", "server")
WORDS = {"O": "observed", "I": "inferred", "E": "either", "-": "invisible", "?": "optional"}
PORT = 8080

SCENARIOS = {}


class Scenario:
    """A function that plays, and what is said about it.  See README.md for the fields."""

    def __init__(self, play, **said):
        self.play, self.name = play, said.pop("name", play.__name__.replace("_", "-"))
        self.text = " ".join((said.pop("text", None) or play.__doc__ or "").split())
        self.expect, self.forbid = said.pop("expect", []), said.pop("forbid", [])
        self.allow, self.counters = said.pop("allow", []), said.pop("counters", {})
        self.delay, self.sysctls = said.pop("delay", (0.002, 0.002)), said.pop("sysctls", {})
        self.ipv6, self.limit = said.pop("ipv6", False), said.pop("limit", 200)
        self.hertz, self.full_every = said.pop("hertz", 20), said.pop("full_every", 1)
        self.crafted, self.room = said.pop("crafted", None), said.pop("room", Lab)
        self.transform, self.faulty = said.pop("transform", None), said.pop("faulty", False)
        self.last_sign = said.pop("last_sign", True)
        self.profile = said.pop("profile", "linux")
        assert not said, said


def scenario(**said):
    """Registers a function `play(lab)` as a scenario."""
    def register(play):
        made = Scenario(play, **said)
        assert made.name not in SCENARIOS, made.name
        SCENARIOS[made.name] = made
        return play
    return register


def found(kind, seen, host=None, count=1, **fields):
    """An expected finding.  `seen` has a letter for client, middle and server: O observed, I inferred,
    E reported as either, - invisible there (a report is wrong), ? may be reported or not.
    A field given as a list may have any of its values."""
    return {"kind": kind, "host": host, "count": count, "fields": fields,
            "seen": {vantage: WORDS[letter] for vantage, letter in zip(VANTAGES, seen)}}


class Lab:
    """The room of one scenario: made in its process, gone with it."""

    def __init__(self, scenario, directory):
        self.scenario, self.directory = scenario, directory
        self.kept, self.events, self.unseen, self.problems, self.listeners = [], [], [], [], {}
        self.last_port = 40000 + zlib.crc32(scenario.name.encode()) % 20000
        self.nursery = Nursery()
        self.make_hosts()
        self.sampler = truth.start_sampler(self.hosts, directory, scenario.hertz, scenario.full_every)
        self.captures = self.start_captures()
        self.wire = self.make_wire()
        self.wire.start()
        time.sleep(0.2)

    # --- how it is furnished (a room with more hosts overrides these) --------------------------

    def make_hosts(self):
        self.client = self.host("client", 7, CLIENT_MAC, 2, SERVER_MAC)
        self.server = self.host("server", 2, SERVER_MAC, 7, CLIENT_MAC)
        self.hosts = [self.client, self.server]

    def host(self, name, number, mac, peer_number, peer_mac, **options):
        return Host(self.nursery, name, self.address(number), mac, self.address(peer_number), peer_mac,
                    ipv6=self.scenario.ipv6, sysctls=self.sysctls_of(name), **options)

    def sysctls_of(self, name):
        given = {key: value for key, value in self.scenario.sysctls.items() if not isinstance(value, dict)}
        given.update(self.scenario.sysctls.get(name, {}))
        return {"net.ipv4." + key: value for key, value in given.items()}

    def address(self, number):
        """Every scenario has a net of its own, so that captures of several can be read together."""
        net = zlib.crc32(self.scenario.name.encode()) % 65536
        if self.scenario.ipv6:
            return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "2001:db8:%x::%x" % (net, number)))
        return "10.%d.%d.%d" % (net >> 8, net & 255, number)

    def start_captures(self):
        return [self.client.start_capture(self.path("client.pcap")), self.server.start_capture(self.path("server.pcap"))]

    def make_wire(self):
        return Wire(TapPort(self.client.tap), TapPort(self.server.tap), self.path("middle.pcap"), self.scenario.delay)

    def path(self, name):
        return os.path.join(self.directory, name)

    # --- what scenarios do ----------------------------------------------------------------------

    def rest(self, seconds):
        time.sleep(seconds)

    def note(self, text):
        """Something that happened, with its time, into meta.json."""
        self.events.append({"time": round(time.time(), 6), "text": text})

    def cannot_show(self, host, why, truth="gone"):
        """From now on this host's sockets may be in that state although no capture can show it: scored apart."""
        self.unseen.append({"time": round(time.time(), 6), "host": host.name, "truth": truth, "why": why})

    def must(self, holds, text):
        if not holds:
            self.problems.append(text)

    def keep(self, *sockets):
        """Held until the captures have ended: a socket that is forgotten would be closed on the wire."""
        self.kept.extend(sockets)
        return sockets[0]

    def listen(self, port=PORT, backlog=128, host=None):
        if port not in self.listeners:
            self.listeners[port] = (host or self.server).listen(port, backlog)
        return self.listeners[port]

    def next_port(self):
        self.last_port += 1
        return self.last_port

    def dial(self, client_port=None, port=PORT, isn=None, host=None, timeout=30):
        """A connected client socket; the server's end waits in the accept queue."""
        sock = self.keep((host or self.client).socket(client_port))
        if isn is not None:
            choose_isn(sock, isn)
        sock.settimeout(timeout)
        sock.connect((self.address(2), port))
        return sock

    def pair(self, client_port=None, port=PORT, **options):
        """Two ends of a new connection."""
        listener = self.listen(port)
        client = self.dial(client_port, port, **options)
        return client, self.accept(listener)

    def accept(self, listener):
        listener.settimeout(30)
        server, _ = listener.accept()
        server.settimeout(30)
        return self.keep(server)

    def talk(self, client, server, request=120, response=700):
        """One request and its response, as most connections carry."""
        client.sendall(b"q" * request)
        receive(server, request)
        server.sendall(b"r" * response)
        receive(client, response)
        time.sleep(0.06)            # the last delayed ACK is not part of what follows

    def close_both(self, first, second, gap=0.1):
        """first closes; second sees the end and closes after the gap."""
        first.close()
        second.recv(1)
        time.sleep(gap)
        second.close()
        time.sleep(2 * max(self.scenario.delay) + 0.02)

    def crash(self, sock):
        host = self.server if sock.getsockname()[0] == self.address(2) else self.client
        self.cannot_show(host, "crashed: the socket vanished without a packet")
        silent_close(sock)

    def destroy(self, host, state):
        """`ss -K` for a state in which that sends nothing."""
        self.cannot_show(host, "destroyed: %s ended without a packet" % state)
        host.kill_sockets("state", state)

    # --- the end --------------------------------------------------------------------------------

    def last_sign(self):
        """One UDP datagram each way: it shows that the captures went on until now.  Without a packet no analyser could
        know, and what is proven by silence would not be."""
        if not self.scenario.last_sign:
            return
        for source, target in ((self.client, self.server), (self.server, self.client)):
            with target.inside():
                self.keep(socket.socket(target.family, socket.SOCK_DGRAM)).bind((target.address, 9))
            with source.inside():
                self.keep(socket.socket(source.family, socket.SOCK_DGRAM)).sendto(b"still here", (target.address, 9))
        time.sleep(sum(self.scenario.delay) + 0.1)

    def finish(self):
        self.last_sign()
        dropped = [stop_capture(process) for process in self.captures]
        self.must(dropped == [0] * len(dropped), "tcpdump lost packets: %s" % dropped)
        truth.stop_sampler(self.sampler)
        counters = {host.name: host.counters() for host in self.hosts}
        self.wire.stop()
        for host in self.hosts:
            with open(self.path("settings-%s.conf" % host.name), "w") as file:
                file.write(host.sysctls())
        self.check_counters(counters)
        self.write("counters.json", counters)
        self.write("meta.json", self.meta())
        if self.scenario.transform:
            self.scenario.transform(self)

    def check_counters(self, counters):
        for host, wanted in self.scenario.counters.items():
            for name, want in wanted.items():
                got = sum(counters[host].get(group + name, {}).get("difference", 0) for group in ("TcpExt.", "Tcp."))
                self.must(agrees(got, want), "%s %s is %d, not %s" % (host, name, got, want))

    def meta(self):
        said = self.scenario
        return {"scenario": said.name, "text": said.text, "crafted": said.crafted, "kernel": platform.release(),
                "profile": said.profile,
                "faulty_capture": said.faulty,
                "hosts": {host.name: {"address": host.address, "scored": self.scored(host)} for host in self.hosts},
                "one_way_delay": {"c2s": said.delay[0], "s2c": said.delay[1]},
                "sysctls": {host.name: self.sysctls_of(host.name) for host in self.hosts},
                "truth": {"hertz": said.hertz, "full_every": said.full_every},
                "expect": said.expect, "forbid": said.forbid, "allow": said.allow, "counters": said.counters,
                "stalled": round(self.stalled(), 3),
                "events": self.events, "cannot_show": self.unseen, "problems": self.problems}

    def stalled(self):
        """For how long the wire had to wait for a processor, at most."""
        return self.wire.stalled

    def scored(self, host):
        """Whether this host's addresses are those in the captures, so that its truth can be compared."""
        return True

    def write(self, name, value):
        with open(self.path(name), "w") as file:
            json.dump(value, file, indent=1)
            file.write("\n")


def agrees(got, want):
    if isinstance(want, str) and want.startswith(">="):
        return got >= int(want[2:])
    if isinstance(want, str) and want.startswith("<="):
        return got <= int(want[2:])
    return got == want


def receive(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            break
        data += more
    return data


def play(said, directory):
    """Runs one scenario in this process; the list of what was not as the scenario says."""
    os.makedirs(directory, exist_ok=True)
    sys.setswitchinterval(0.0005)       # the wire's thread must not wait 5 ms for the script's
    lab = said.room(said, directory)
    try:
        said.play(lab)
    except Exception as error:          # the captures are still worth having, to see why
        lab.problems.append("%s: %s" % (type(error).__name__, error))
    lab.finish()
    return lab.problems
