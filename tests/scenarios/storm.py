#!/usr/bin/python3
"""Random closes: two Linux ends that close over a bad path, and what lastack says about each, held against the truth.

Loss, delay and reordering are drawn for every packet; the ends react as REFERENCE says (repeat a FIN, re-ACK it, D-SACK
outside TIME_WAIT, bare RST from CLOSED). Each story becomes a packet script, so a failure can be read and kept.
Not part of `make test`: it looks for what nobody thought of. Soundness: a cause that is named must be one that happened.
Completeness: a final ACK lost behind the vantage, in a story without another fault, must be found.
"""
import argparse
import concurrent.futures
import heapq
import json
import os
import random
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import pkt2pcap  # noqa: E402


class Peer:
    def __init__(self, name):
        self.name = name
        self.fins = []  # indices of the packets
        self.got_fin = self.fin_acked = self.passive = self.closed = False
        self.close_delay = None
        self.rto = 0.0
        self.timer = 0

    def time_wait(self):
        return bool(self.fins) and self.fin_acked and self.got_fin and not self.passive


class Packet:
    def __init__(self, sender, when, flags, acks_fin):
        self.sender, self.when, self.flags, self.acks_fin = sender, when, flags, acks_fin
        self.words, self.arrives, self.lost = [], None, None


class Story:
    """One close, drawn from `seed`."""

    def __init__(self, seed):
        self.dice = dice = random.Random(seed)
        self.seed = seed
        self.path = dice.choice((0.002, 0.005, 0.010, 0.025, 0.060))
        self.timestamps = dice.random() < 0.7
        self.fault = dice.choice((0.0, 0.1, 0.25, 0.4))
        self.late = dice.choice((0.0, 0.1, 0.3))
        self.packets, self.queue, self.serial = [], [], 0
        self.peers = {"C": Peer("C"), "S": Peer("S")}
        first = dice.choice("CS")
        self.begin = 0.5 + 4 * self.path
        self.at(self.begin, self.close, first)
        if dice.random() < 0.15:
            self.at(self.begin + dice.uniform(0, 2 * self.path), self.close, self.other(first))
        self.peers[self.other(first)].close_delay = dice.choice((0.0, 0.0, 0.001, 0.05, 0.4))
        while self.queue:
            when, _, action, arguments = heapq.heappop(self.queue)
            if when > 12:
                break
            self.now = when
            action(*arguments)

    @staticmethod
    def other(name):
        return "S" if name == "C" else "C"

    def at(self, when, action, *arguments):
        self.serial += 1
        heapq.heappush(self.queue, (round(when, 6), self.serial, action, arguments))

    def send(self, name, flags, *words):
        me = self.peers[name]
        packet = Packet(name, self.now, flags, me.got_fin and "R" not in flags)
        index = len(self.packets)
        packet.words = list(words) + ["as", "p%d" % index]
        draw = self.dice.random()
        if draw < self.fault:
            packet.lost = self.dice.choice(("early", "far"))
            packet.words.append({"early": "lost-early", "far": "lost"}[packet.lost])
        near = far = self.path / 2
        if self.dice.random() < self.late:
            if self.dice.random() < 0.5:
                near += self.dice.uniform(0, 0.7)
            else:
                far += self.dice.uniform(0, 0.7)
        near, far = round(near, 6), round(far, 6)
        packet.words.append("delay %.6fs+%.6fs" % (near, far))
        self.packets.append(packet)
        packet.nominal = self.now + near + far
        if packet.lost is None:
            packet.arrives = packet.nominal
            self.at(packet.arrives, self.receive, index)
        return index

    def close(self, name):
        me = self.peers[name]
        if me.closed or me.fins:
            return
        me.fins.append(self.send(name, "FA"))
        me.rto = 0.2 + 2 * self.path
        self.arm(name, self.dice.uniform(0.205, 0.235) + 2 * self.path)

    def arm(self, name, delay):
        me = self.peers[name]
        me.timer += 1
        self.at(self.now + delay, self.expire, name, me.timer)

    def expire(self, name, timer):
        me = self.peers[name]
        if timer != me.timer or me.closed or me.fin_acked:
            return
        me.fins.append(self.send(name, "FA"))
        me.rto *= 2 if len(me.fins) > 2 else 1
        self.arm(name, me.rto)

    def receive(self, index):
        packet = self.packets[index]
        me = self.peers[self.other(packet.sender)]
        answer = round(self.now + 0.000001, 6)  # before any timer: a repeated FIN would carry a pending D-SACK itself
        if "R" in packet.flags:
            me.closed = True
            return
        if me.closed:
            self.at(answer, self.reset, me.name, index)
            return
        if packet.acks_fin and me.fins:
            me.fin_acked = True
            if me.passive:
                me.closed = True
                return
        if "F" not in packet.flags:
            return
        if me.got_fin:
            self.at(answer, self.acknowledge, me.name, not me.time_wait())
            return
        me.got_fin = True
        me.passive = not me.fins
        if me.passive and me.close_delay == 0.0:
            self.at(answer, self.close, me.name)
            return
        self.at(answer, self.acknowledge, me.name, False)
        if me.passive:
            self.at(answer + me.close_delay, self.close, me.name)

    def acknowledge(self, name, dsack):
        if not self.peers[name].closed:
            self.send(name, "A", *(["dsack"] if dsack else []))

    def reset(self, name, index):
        self.send(name, "R", "seq a:p%d" % index)

    # -- what was true ----------------------------------------------------------------------------

    def reasons(self, name):
        """Why the FINs of `name` were repeated: a set of fin-lost, fin-late, ack-lost, late."""
        me, found = self.peers[name], set()
        acks = [p for p in self.packets if p.sender != name and p.acks_fin]
        for index in me.fins[1:]:
            when = self.packets[index].when
            before = [p for p in acks if p.when <= when]
            earlier = [self.packets[i] for i in me.fins if i < index]
            if any(p.nominal > when for p in before):
                found.add("late")
            if any(p.arrives is None for p in before):
                found.add("ack-lost")
            if any(p.lost for p in earlier):
                found.add("fin-lost")
            if any(p.arrives is not None and p.arrives > when for p in earlier):
                found.add("fin-late")
            if not before and any(p.arrives is not None and p.arrives <= when for p in earlier):
                found.add("late")
        return found

    def beyond_knowing(self, name):
        """A late ACK, and the packet lost that would have shown it: another ACK of the FIN of `name`, or the RST."""
        lost_ack = any(p.sender != name and p.acks_fin and p.lost for p in self.packets)
        return lost_ack or any("R" in p.flags and p.lost for p in self.packets)

    def script(self):
        head = ["# story %d" % self.seed, "host C 10.0.0.7%s" % ("" if self.timestamps else " ts=off"), "host S 10.0.0.2",
                "path %dms" % round(self.path * 1000), "conn 1 C:40112 S:8080", "", "0.000  open", "+0.002 talk C 120 S 1400"]
        for packet in self.packets:
            head.append("%.6f %s > %s %s %s" % (packet.when, packet.sender, self.other(packet.sender), packet.flags,
                                                " ".join(packet.words)))
        return "\n".join(head + ["tail 20", ""])


def judge(story, vantage, findings):
    """-> problems with what was said at this vantage"""
    problems = []
    addresses = {"10.0.0.7": "C", "10.0.0.2": "S"}
    both = {name: story.reasons(name) for name in "CS"}
    said = {finding["kind"] for finding in findings}
    for finding in findings:
        kind, sure = finding["kind"], finding["confidence"] == "observed"
        what = "%s %s" % (finding["confidence"], kind)
        if kind == "lost-final-ack":
            why = both[addresses[finding["host"]]]
            masked = story.beyond_knowing(addresses[finding["host"]])
            if "ack-lost" not in why:
                problems.append(("UNSOUND " if sure and not masked else "weak    ") + "%s, but of %s: %s" % (what, finding["host"], why))
        elif kind == "fin-retransmitted":
            needed = {"fin-lost": "fin-lost", "first-ack-lost": "ack-lost", "late-ack": "late"}.get(finding["cause"])
            why = both[addresses[finding["host"]]]
            masked = story.beyond_knowing(addresses[finding["host"]])
            if needed and needed not in why:
                close = needed == "fin-lost" and "fin-late" in why or needed == "late" and "fin-late" in why
                problems.append(("UNSOUND " if sure and not masked and not close else "weak    ") + "%s %s, but of %s: %s" % (
                    what, finding["cause"], finding["host"], why))
        elif kind in ("recycled-port-rst", "timestamp-rejected-syn", "time-wait-reuse"):
            problems.append("UNSOUND %s in a single connection" % what)
    for name in "CS":
        me, peer = story.peers[name], story.peers[story.other(name)]
        simple = me.passive and both[name] == {"ack-lost"} and not both[peer.name] and me.fin_acked
        clean = all(p.arrives is None or "delay" not in " ".join(p.words) or p.arrives - p.when < story.path + 0.001
                    for p in story.packets)
        no_reset = not any("R" in p.flags for p in story.packets)
        first = next((p for p in story.packets if p.sender != name and p.acks_fin), None)
        side = "client" if name == "C" else "server"
        passed = first is not None and (vantage not in (side, "middle") or (vantage == "middle" and first.lost == "far"))
        if simple and clean and no_reset and (passed or story.timestamps) and "lost-final-ack" not in said:
            problems.append("MISSED  lost-final-ack of %s" % name)
    return problems


def tell(job):
    lastack, seed, variant = job
    story = Story(seed)
    text = story.script()
    out = []
    with tempfile.TemporaryDirectory(prefix="lastack-storm-") as work:
        for vantage in pkt2pcap.VANTAGES:
            script = pkt2pcap.Script("storm%d" % seed, text)
            if variant:
                script.duplicates = (variant, 0.00015)
            data, _ = script.pcap(vantage)
            with open(os.path.join(work, "x.pcap"), "wb") as stream:
                stream.write(data)
            result = subprocess.run([lastack, "--findings", "f", "x.pcap"], cwd=work, capture_output=True, check=False)
            if result.returncode:
                out.append((vantage, ["exit code %d" % result.returncode]))
                continue
            with open(os.path.join(work, "f"), encoding="utf-8") as stream:
                findings = [json.loads(line) for line in stream]
            out.append((vantage, judge(story, vantage, findings)))
    return seed, text, out


def main():
    parser = argparse.ArgumentParser(description="random closes against the truth")
    parser.add_argument("--lastack", required=True)
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first story's number")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--duplicates", default="", choices=("", "span", "routed", "any"))
    parser.add_argument("--show", type=int, help="print this story as a packet script")
    options = parser.parse_args()
    if options.show is not None:
        print(Story(options.show).script(), end="")
        return 0
    jobs = [(os.path.abspath(options.lastack), seed, options.duplicates)
            for seed in range(options.first, options.first + options.count)]
    passed = failed = weak = 0
    with concurrent.futures.ProcessPoolExecutor(max_workers=2) as pool:
        for seed, _, told in pool.map(tell, jobs, chunksize=8):
            for vantage, problems in told:
                hard = [problem for problem in problems if not problem.startswith("weak")]
                weak += len(problems) - len(hard)
                passed += not hard
                failed += bool(hard)
                for problem in problems:
                    print("story %d at %s: %s" % (seed, vantage, problem))
    print("%d inferences that were wrong" % weak)
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
