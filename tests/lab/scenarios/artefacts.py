"""What captures do to the truth (late, early, doubled, thinned), and what only old kernels did (crafted)."""

import random
import socket
import struct
import time

import packet
from crafted import CraftedRoom
from lab import PORT, found, receive, scenario
from netns import abort_close
from packet import ACK, FIN, PSH, SYN, timestamps
from wire import C2S, S2C, acks_fin, fin


def mixed(lab):
    """Two dozen connections, one after the other, good and bad."""
    listener = lab.listen()
    for number in range(5):
        normal(lab, number % 2)
    lose_final_ack(lab)
    normal(lab, 1)
    lab.wire.drop(S2C, fin, where="after")
    normal(lab, 0)
    leak, leak_server = lab.pair()
    lab.talk(leak, leak_server)
    leak.close()
    reset, _ = lab.pair()
    reset.sendall(b"q" * 50)
    time.sleep(0.05)
    abort_close(reset)
    for number in range(5):
        normal(lab, number % 2)
    lose_final_ack(lab)
    try:
        lab.client.socket().connect((lab.address(2), PORT + 9))
    except ConnectionRefusedError:
        pass
    port = lab.next_port()
    normal(lab, 1, port)
    normal(lab, 0, port)
    half, half_server = lab.pair()
    half.shutdown(socket.SHUT_WR)
    for _ in range(5):
        half_server.sendall(b"d" * 2000)
        receive(half, 2000)
        time.sleep(0.2)
    half_server.close()
    half.recv(1)
    half.close()
    for number in range(5):
        normal(lab, number % 2)
    lab.rest(4)


def normal(lab, server_first, port=None):
    client, server = lab.pair(port)
    lab.talk(client, server)
    lab.close_both(*((server, client) if server_first else (client, server)))


def lose_final_ack(lab):
    lab.wire.drop(C2S, acks_fin, where="after")
    normal(lab, 0)
    time.sleep(0.3)


MIXED = [found("lost-final-ack", "OOO", host="server", outcome="re-acked", count=2),
         found("fin-retransmitted", "-OO", host="server", cause="fin-lost"),
         found("close-wait-leak", "--I", host="server"), found("abortive-close", "EEE"), found("syn-refused", "OOO"),
         found("time-wait-reuse", "OOO", side="server"), found("half-close", "OOO")]
KINDS = sorted({entry["kind"] for entry in MIXED})
NOT_MIXED = ["recycled-port-rst", "timestamp-rejected-syn", "half-open", "fin-wait-2-timeout", "time-wait-assassination",
             "injected-rst", "shared-address", "old-duplicate", "simultaneous-close", "close-wait-pileup"]


def rewrite(lab, change):
    """The three captures are changed as a bad capture would be."""
    for name in ("client", "middle", "server"):
        path = lab.path(name + ".pcap")
        packet.write_pcap(path, change(packet.read_pcap(path), name))


def start_late(lab):
    rewrite(lab, lambda packets, name: packets[len(packets) * 2 // 5:])


def stop_early(lab):
    rewrite(lab, lambda packets, name: packets[:len(packets) * 3 // 5])


def double(lab):
    rewrite(lab, lambda packets, name: [(when + extra, frame) for when, frame in packets for extra in (0, 15000)])


def thin(lab):
    def change(packets, name):
        chance = random.Random(name)
        return [entry for entry in packets if chance.random() > 0.08]
    rewrite(lab, change)


@scenario(expect=MIXED, forbid=NOT_MIXED)
def capture_whole(lab):
    """Two dozen connections, good and bad, captured as they are."""
    mixed(lab)


@scenario(expect=MIXED, forbid=NOT_MIXED, transform=double)
def capture_doubled(lab):
    """The connections of capture-whole; every packet is twice in each capture, 15 us apart."""
    mixed(lab)


@scenario(allow=KINDS, forbid=NOT_MIXED, transform=start_late, faulty=True)
def capture_started_late(lab):
    """The connections of capture-whole; the captures begin after two fifths of the packets, within a connection."""
    mixed(lab)


@scenario(allow=KINDS, forbid=NOT_MIXED, transform=stop_early, faulty=True)
def capture_stopped_early(lab):
    """The connections of capture-whole; the captures end after three fifths of the packets."""
    mixed(lab)


@scenario(allow=KINDS, forbid=NOT_MIXED, transform=thin, faulty=True)
def capture_thinned(lab):
    """The connections of capture-whole; 8 % of the packets are missing from each capture, at random."""
    mixed(lab)


# --- crafted: tcp_tw_recycle ---------------------------------------------------------------------------------

RECYCLE = ("written to the rule of Linux 3.10 to 4.11 with tcp_tw_recycle=1: a SYN whose TSval is more than 1 behind the "
           "last one stored for its source address within 60 s is dropped without an answer")


class OldServer:
    """A server with tcp_tw_recycle=1 that closes first, and the hosts behind one address that call it."""

    def __init__(self, room):
        self.room, self.nat, self.server = room, room.address(7), (room.address(2), 80)
        self.stored = None              # (stamp, when) of the last connection that the server closed first
        self.isn = 1000000

    def refuses(self, now, stamp):
        return self.stored and now - self.stored[1] < 60 and packet.seq_diff(self.stored[0], stamp) > 1

    def attempt(self, now, port, clock, retries=(0, 1, 3, 7)):
        """A connection of the inside host with that clock (ms at time 0); when it got through, or None."""
        self.isn += 70000
        for wait in retries:
            at = now + wait
            stamp = clock + round(at * 1000)
            self.room.send(at, C2S, (self.nat, port), self.server, SYN, seq=self.isn, options=syn_options(stamp, 0), ip_id=port)
            if not self.refuses(at, stamp):
                self.converse(at, port, stamp, self.isn)
                return at
        return None

    def converse(self, at, port, stamp, isn):
        """Handshake, request, response, and the server closes first."""
        one_way = self.room.scenario.delay[0]
        client, server, base, mine = (self.nat, port), self.server, 5000000 + isn, 77000 + round(at * 1000)

        def c2s(when, flags, seq, ack, **fields):
            self.room.send(when, C2S, client, server, flags, seq=isn + seq, ack=base + ack,
                           options=timestamps(stamp + round((when - at) * 1000), mine + round((when - at) * 1000)), **fields)

        def s2c(when, flags, seq, ack, **fields):
            self.room.send(when, S2C, server, client, flags, seq=base + seq, ack=isn + ack,
                           options=timestamps(mine + round((when - at) * 1000), stamp + round((when - at) * 1000)), **fields)
        turn = at + one_way
        self.room.send(turn, S2C, server, client, SYN | ACK, seq=base, ack=isn + 1, options=syn_options(mine, stamp))
        c2s(turn + one_way, ACK, 1, 1)
        c2s(turn + one_way + 0.001, ACK | PSH, 1, 1, payload=b"q" * 100)
        done = turn + 2 * one_way + 0.002
        s2c(done, ACK | PSH, 1, 101, payload=b"r" * 400)
        s2c(done + 0.001, FIN | ACK, 401, 101)
        c2s(done + one_way + 0.002, FIN | ACK, 101, 402)
        s2c(done + 2 * one_way + 0.002, ACK, 402, 102)
        self.stored = (stamp + round((done + one_way - at) * 1000), done + 2 * one_way)


def syn_options(value, echo):
    return packet.mss(1460) + b"\4\2" + struct.pack("!BBII", 8, 10, value & 0xFFFFFFFF, echo & 0xFFFFFFFF) + b"\1\3\3\7"


@scenario(room=CraftedRoom, crafted=RECYCLE, profile="linux-legacy", allow=["shared-address", "syn-unanswered"],
          expect=[found("timestamp-rejected-syn", "IIO", mechanism="per-host", count=2)],
          forbid=["recycled-port-rst", "syn-queue-overflow", "accept-queue-overflow"])
def tw_recycle(lab):
    """Two hosts behind one address call a server with tcp_tw_recycle=1.  The one with the older clock gets no answer while
    the other's connections succeed in between; after 60 s without those it is let in."""
    server = OldServer(lab)
    new, old = 900000000, 120000000
    now, port = 1.0, 41000
    refused = {2.3: 51000, 12.7: 51002}
    while now < 25:
        server.attempt(now, port, new)
        now, port = now + 0.5, port + 1
    stored = server.stored
    for start, source in refused.items():
        # the stamp that counts is the one stored at that time; X's connections go on all the while
        server.stored = (stored[0], start)
        lab.must(server.attempt(start, source, old) is None, "the older clock was let in")
    server.stored = stored
    lab.must(server.attempt(90, 51004, old, retries=(0,)) == 90, "not let in after 60 s")
    lab.note("all of this is crafted")
