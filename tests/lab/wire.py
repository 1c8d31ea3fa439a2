"""The wire between two hosts: a thread that carries frames between two ports and obeys rules.

A frame that enters at one end passes the middle after half of the one-way delay (there it is
captured) and leaves at the other end after the rest.  A rule can act on it before the middle or
after it, so a lost packet is in the middle capture or not, as the scenario wants it.

A port is a TAP device of a host, or a Python object (a crafted peer).  The whole is one thread
with a heap of due times; the time it adds is some tens of microseconds.
"""

import heapq
import itertools
import os
import select
import threading
import time

from netns import hurry
from packet import Packet, PcapWriter

C2S, S2C = "c2s", "s2c"
OTHER = {C2S: S2C, S2C: C2S}


class Rule:
    """What happens to packets of one direction for which `match(packet, wire)` holds.

    `first` skips that many matches less one, `count` ends it after that many actions (None: never).
    """

    def __init__(self, direction, match, action, where="before", first=1, count=1, **details):
        self.direction, self.match, self.action, self.where = direction, match, action, where
        self.first, self.count, self.details = first, count, details
        self.seen = self.acted = 0
        self.held = []
        self.fired = threading.Event()

    def takes(self, direction, where, packet, wire):
        if where != self.where or direction != self.direction or not packet.tcp:
            return False
        if self.count is not None and self.acted >= self.count:
            return False
        if not self.match(packet, wire):
            return False
        self.seen += 1
        if self.seen < self.first:
            return False
        self.acted += 1
        self.fired.set()
        return True


class TapPort:
    """The wire's end of a host's TAP device."""

    def __init__(self, descriptor):
        self.descriptor = descriptor

    def fileno(self):
        return self.descriptor

    def receive(self):
        """Frames waiting, or an empty list."""
        frames = []
        while len(frames) < 64:
            try:
                frames.append(os.read(self.descriptor, 65536))
            except BlockingIOError:
                break
        return frames

    def send(self, frame):
        try:
            os.write(self.descriptor, frame)
        except OSError:
            pass  # the device went down with its scenario: the frame is lost, as on a dead link


class CraftedPort:
    """A port without a kernel behind it: `on_frame(port, packet)` plays the host.

    It writes its own capture, at the moments when frames reach it and leave it.
    """

    def __init__(self, on_frame, capture):
        self.on_frame, self.capture = on_frame, capture
        self.wire = self.direction = None

    def send(self, frame):
        self.capture.write(time.time_ns(), frame)
        self.on_frame(self, Packet(frame))

    def emit(self, frame):
        """Called by the crafted host: a frame enters the wire."""
        self.capture.write(time.time_ns(), frame)
        self.wire.inject(self.direction, frame, "start")


def waited_so_far(descriptor):
    """Seconds for which the thread of that schedstat has stood in a run queue."""
    return int(os.pread(descriptor, 128, 0).split()[1]) / 1e9


class Wire(threading.Thread):
    def __init__(self, client_port, server_port, middle_path, delay=(0.002, 0.002)):
        super().__init__(daemon=True)
        self.ports = {C2S: client_port, S2C: server_port}      # where a direction's frames come from
        self.delay = {C2S: delay[0], S2C: delay[1]}
        self.middle = PcapWriter(middle_path)
        self.rules, self.cut = [], set()
        self.fin_end = {}                                       # (sender, ports) -> sequence after its FIN
        self.log = []                                           # packets as they entered, for scripts to read
        self.stalled = 0.0                                      # longest that the thread wanted to run, and could not
        self.heap, self.order = [], itertools.count()
        self.lock = threading.RLock()
        self.wake_read, self.wake_write = os.pipe()
        self.running = True
        for direction, port in self.ports.items():
            if isinstance(port, CraftedPort):
                port.wire, port.direction = self, direction

    # --- what scripts call -------------------------------------------------------------------

    def rule(self, direction, match, action, **options):
        made = Rule(direction, match, action, **options)
        with self.lock:
            self.rules.append(made)
        return made

    def drop(self, direction, match, **options):
        return self.rule(direction, match, "drop", **options)

    def late(self, direction, match, seconds, **options):
        return self.rule(direction, match, "delay", seconds=seconds, **options)

    def duplicate(self, direction, match, seconds=0.0005, **options):
        return self.rule(direction, match, "duplicate", seconds=seconds, **options)

    def hold(self, direction, match, **options):
        """Keep matching packets until release(rule)."""
        return self.rule(direction, match, "hold", **options)

    def copy(self, direction, match, **options):
        """Keep a copy of matching packets, which pass; replay(rule) sends the copy later."""
        return self.rule(direction, match, "copy", **options)

    def rewrite(self, direction, match, change, **options):
        options.setdefault("count", None)
        return self.rule(direction, match, "rewrite", change=change, **options)

    def release(self, rule):
        with self.lock:
            held, rule.held = rule.held, []
            for packet in held:
                self._onward(rule.direction, packet, rule.where)
        self._wake()

    replay = release

    def forget(self, rule):
        with self.lock:
            self.rules.remove(rule)

    def cut_link(self, direction, where="before"):
        """From now on everything of this direction is lost there."""
        with self.lock:
            self.cut.add((direction, where))

    def mend_link(self):
        with self.lock:
            self.cut.clear()

    def inject(self, direction, frame, where="start"):
        """A frame appears at the start, before the middle ('before'), or after it ('after')."""
        packet = Packet(frame)
        with self.lock:
            if where == "start":
                self._enter(direction, packet)
            else:
                self._at(0, "middle" if where == "before" else "end", direction, packet)
        self._wake()

    def seen(self, direction, match=lambda p: True):
        """Packets that entered in this direction so far."""
        with self.lock:
            return [p for d, p in self.log if d == direction and p.tcp and match(p)]

    def stop(self):
        self.running = False
        self._wake()
        self.join(5)
        self.middle.close()

    # --- the thread --------------------------------------------------------------------------

    def run(self):
        hurry()
        queue = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        waited = waited_so_far(queue)
        taps = {port.fileno(): direction for direction, port in self.ports.items() if isinstance(port, TapPort)}
        while self.running:
            wait = max(0.0, self.heap[0][0] - time.monotonic()) if self.heap else 1.0
            ready, _, _ = select.select(list(taps) + [self.wake_read], [], [], wait)
            before, waited = waited, waited_so_far(queue)
            self.stalled = max(self.stalled, waited - before)
            with self.lock:
                for descriptor in ready:
                    if descriptor == self.wake_read:
                        os.read(self.wake_read, 4096)
                        continue
                    direction = taps[descriptor]
                    for frame in self.ports[direction].receive():
                        self._enter(direction, Packet(frame))
                self._due()
        os.close(queue)

    def _wake(self):
        os.write(self.wake_write, b"!")

    def _at(self, seconds, stage, direction, packet):
        heapq.heappush(self.heap, (time.monotonic() + seconds, next(self.order), stage, direction, packet))

    def _due(self):
        while self.heap and self.heap[0][0] <= time.monotonic():
            _, _, stage, direction, packet = heapq.heappop(self.heap)
            if stage == "middle":
                self.middle.write(time.time_ns(), packet.frame)
                self._obey(direction, packet, "after")
            else:
                self.ports[OTHER[direction]].send(packet.frame)

    def _enter(self, direction, packet):
        if packet.tcp:
            self.log.append((direction, packet))
            if packet.is_fin:
                self.fin_end[(direction, packet.sport, packet.dport)] = packet.seq_end
        self._obey(direction, packet, "before")

    def _obey(self, direction, packet, where):
        if (direction, where) in self.cut:
            return
        for rule in self.rules:
            if rule.takes(direction, where, packet, self):
                self._act(rule, direction, packet, where)
                return
        self._onward(direction, packet, where)

    def _act(self, rule, direction, packet, where):
        if rule.action == "delay":
            self._onward(direction, packet, where, rule.details["seconds"])
        elif rule.action == "duplicate":
            self._onward(direction, packet, where)
            self._onward(direction, packet, where, rule.details["seconds"])
        elif rule.action == "hold":
            rule.held.append(packet)
        elif rule.action == "copy":
            rule.held.append(packet)
            self._onward(direction, packet, where)
        elif rule.action == "rewrite":
            self._onward(direction, rule.details["change"](packet), where)

    def _onward(self, direction, packet, where, extra=0.0):
        half = self.delay[direction] / 2
        self._at(half + extra, "middle" if where == "before" else "end", direction, packet)


# --- predicates ----------------------------------------------------------------------------------

def any_packet(packet, wire):
    return True


def syn(packet, wire):
    return packet.is_syn


def syn_ack(packet, wire):
    return packet.is_syn_ack


def fin(packet, wire):
    return packet.is_fin


def rst(packet, wire):
    return packet.is_rst


def data(packet, wire):
    return packet.has_data


def pure_ack(packet, wire):
    return packet.is_pure_ack


def acks_fin(packet, wire):
    """A pure ACK that covers the other side's FIN."""
    if not packet.is_pure_ack:
        return False
    return any(wire.fin_end.get((direction, packet.dport, packet.sport)) == packet.ack for direction in (C2S, S2C)
               if wire.fin_end.get((direction, packet.dport, packet.sport)) is not None)
