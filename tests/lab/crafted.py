"""Captures without a kernel: segments with times, as they would pass the client, the middle and the server.

Only for what no running kernel does any more; meta.json says so in `crafted`.
"""

import time

import packet
from lab import Lab
from wire import C2S


class CraftedRoom(Lab):
    """No hosts: the scenario calls send(), finish() writes the three captures."""

    def __init__(self, scenario, directory):
        self.scenario, self.directory = scenario, directory
        self.events, self.unseen, self.problems, self.hosts, self.sent = [], [], [], [], []
        self.start = int(time.time() - 300) * 10**9

    def send(self, seconds, direction, source, destination, flags, lost=None, **fields):
        """A segment that leaves its sender at that moment; lost: 'before' or 'after' the middle."""
        frame = packet.build(source, destination, flags, **fields)
        self.sent.append((self.start + round(seconds * 1e9), direction, frame, lost))

    def stalled(self):
        return 0.0

    def finish(self):
        captures = {"client": [], "middle": [], "server": []}
        for when, direction, frame, lost in self.sent:
            delay = round(self.scenario.delay[0 if direction == C2S else 1] * 1e9)
            near, far = ("client", "server") if direction == C2S else ("server", "client")
            captures[near].append((when, frame))
            if lost != "before":
                captures["middle"].append((when + delay // 2, frame))
                if lost != "after":
                    captures[far].append((when + delay, frame))
        for name, packets in captures.items():
            packet.write_pcap(self.path(name + ".pcap"), sorted(packets, key=lambda item: item[0]))
        self.write("counters.json", {})
        self.write("meta.json", self.meta())
        if self.scenario.transform:
            self.scenario.transform(self)
