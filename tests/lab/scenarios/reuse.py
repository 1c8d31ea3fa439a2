"""A port reused into every state a peer can hold, behind a NAT too; old duplicates; assassination."""

import contextlib
import errno
import os
import socket
import time

from lab import PORT, SERVER_MAC, CLIENT_MAC, Lab, found, receive, scenario
from netns import Host, choose_isn, ip_batch, join_hosts, write_sysctl
from packet import RST, Packet, build, seq_add, seq_diff
from wire import C2S, S2C, acks_fin, data, rst, syn, syn_ack

ONE_ONLY = {"recycled-port-rst", "timestamp-rejected-syn", "time-wait-reuse"}
NEVER = ["challenge-ack", "abortive-close", "time-wait-assassination", "injected-rst", "syn-refused", "shared-address"]


def never(kind, *also):
    """The other two things a SYN over a held 4-tuple can be, and what the same segments must not be called."""
    return sorted(ONE_ONLY - {kind}) + NEVER + list(also)


def refused(state, recovered=True, seen="OOO"):
    return found("recycled-port-rst", seen, held_state=state, recovered=recovered)


def without_timestamps(lab):
    lab.client.sysctl("tcp_timestamps", 0)


def redial(lab, port, isn=None, fine=True):
    """A new connection from the same port; whether it came to be, and how long it took, is noted."""
    begun = time.monotonic()
    sock = lab.keep(lab.client.socket(port))
    try:
        if isn is not None:
            choose_isn(sock, isn)
        sock.connect((lab.address(2), PORT))
        outcome = "connected"
    except OSError as error:
        outcome = errno.errorcode.get(error.errno, str(error))
    lab.note("second connect: %s after %.3f s" % (outcome, time.monotonic() - begun))
    lab.must((outcome == "connected") == fine, "second connect: %s" % outcome)
    return sock if outcome == "connected" else None


def finish(lab, client):
    """The new incarnation is used and closed normally."""
    lab.wire.rules.clear()
    server = lab.accept(lab.listen())
    lab.talk(client, server)
    lab.close_both(client, server)
    lab.rest(2)


def snd_nxt(lab, port):
    """Where the client's sequence space of its last connection ended."""
    sent = lab.wire.seen(C2S, lambda p: p.sport == port and not p.is_rst)
    end = sent[0].seq_end
    for packet in sent:
        if seq_diff(packet.seq_end, end) > 0:
            end = packet.seq_end
    return end


def timestamp_offset(lab, address, port):
    """What the kernel adds to its clock for this 4-tuple, signed: from a SYN that leaves a scratch host (the secret is
    the machine's, so the offset is the same in every namespace)."""
    scratch = Host(lab.nursery, "scratch", address, CLIENT_MAC, lab.address(2), SERVER_MAC, ipv6=lab.scenario.ipv6)
    sock = scratch.socket(port)
    sock.setblocking(False)
    sock.connect_ex((lab.address(2), PORT))
    clock = int(time.monotonic() * 1000)
    for _ in range(50):
        with contextlib.suppress(BlockingIOError):
            packet = Packet(os.read(scratch.tap, 65536))
            if packet.is_syn:
                break
        time.sleep(0.01)
    sock.close()
    os.close(scratch.tap)
    os.close(scratch.descriptor)
    return seq_diff(packet.tsval, clock)


def port_with_newer_clock(lab, address=None):
    """A port for which tcp_timestamps=1 gives larger stamps than tcp_timestamps=2 (the plain clock)."""
    while True:
        port = lab.next_port()
        if timestamp_offset(lab, address or lab.address(7), port) > 10**8:
            return port


# --- LAST_ACK ------------------------------------------------------------------------------------------

def into_last_ack(lab):
    """The server is left in LAST_ACK; the client's TIME_WAIT is taken over by a bound connect, or killed first where
    that needs timestamps."""
    lab.wire.drop(C2S, acks_fin, count=None)
    port = lab.next_port()
    client, server = lab.pair(port)
    lab.talk(client, server)
    client.close()
    server.recv(1)
    time.sleep(0.1)
    server.close()
    time.sleep(0.05)
    return port


# Only the client's capture has the final ACK: elsewhere its FIN may as well have been lost.
LAST_ACK = dict(expect=[refused("LAST-ACK"), found("lost-final-ack", "E??", host="server", outcome="port-recycled")],
                forbid=never("recycled-port-rst", "half-open"), allow=["fin-retransmitted"],
                counters={"server": {"TCPSYNChallenge": ">=1"}})


@scenario(**LAST_ACK)
def reuse_last_ack(lab):
    """The final ACK is lost and the client reuses its port: challenge ACK, RST, and its next SYN gets through."""
    port = into_last_ack(lab)
    finish(lab, redial(lab, port))


@scenario(**LAST_ACK)
def reuse_last_ack_without_timestamps(lab):
    """A SYN into LAST_ACK without timestamps."""
    without_timestamps(lab)
    port = into_last_ack(lab)
    lab.destroy(lab.client, "time-wait")
    finish(lab, redial(lab, port))


@scenario(ipv6=True, **LAST_ACK)
def reuse_last_ack_ipv6(lab):
    """A SYN into LAST_ACK over IPv6."""
    port = into_last_ack(lab)
    finish(lab, redial(lab, port))


@scenario(**LAST_ACK)
def reuse_last_ack_rst_lost(lab):
    """A SYN into LAST_ACK whose RST is lost: the quick SYN meets the rate limit and gets no answer; the next FIN or SYN
    repairs it."""
    port = into_last_ack(lab)
    lab.wire.drop(C2S, rst, where="after")
    finish(lab, redial(lab, port))


@scenario(expect=[found(["lost-final-ack", "recycled-port-rst"], "EE?", count=">=1")],
          forbid=["timestamp-rejected-syn", "time-wait-reuse", "abortive-close", "injected-rst"],
          allow=["syn-retransmitted", "fin-retransmitted"])
def reuse_last_ack_fin_meets_syn_sent(lab):
    """The new SYN is lost; the old FIN comes again, meets SYN_SENT and draws the RST that ends LAST_ACK."""
    port = into_last_ack(lab)
    lab.wire.drop(C2S, syn, where="after")
    finish(lab, redial(lab, port))


# --- TIME_WAIT -----------------------------------------------------------------------------------------

def into_time_wait(lab, port=None, pause=0.5):
    """The server closes first and holds TIME_WAIT."""
    port = port or lab.next_port()
    client, server = lab.pair(port)
    lab.talk(client, server)
    lab.close_both(server, client)
    time.sleep(pause)
    return port


ACCEPTED = dict(expect=[found("time-wait-reuse", "OOO", side="server")],
                forbid=never("time-wait-reuse", "lost-final-ack", "half-open"))


@scenario(**ACCEPTED)
def reuse_time_wait_accepted(lab):
    """The server's TIME_WAIT is taken over by a SYN with a newer timestamp."""
    port = into_time_wait(lab)
    finish(lab, redial(lab, port))
    lab.rest(3)


@scenario(**ACCEPTED)
def reuse_time_wait_accepted_without_timestamps(lab):
    """TIME_WAIT is taken over without timestamps: the higher initial sequence number is what counts."""
    without_timestamps(lab)
    port = into_time_wait(lab)
    finish(lab, redial(lab, port))


@scenario(**ACCEPTED)
def reuse_time_wait_accepted_lower_isn(lab):
    """A newer timestamp is enough, even with a lower initial sequence number."""
    port = into_time_wait(lab)
    finish(lab, redial(lab, port, isn=seq_add(snd_nxt(lab, port), -5000000)))


@scenario(expect=[found("time-wait-reuse", "OOO", side="client")],
          forbid=never("time-wait-reuse", "lost-final-ack", "half-open"),
          counters={"client": {"TWRecycled": 1}})
def reuse_time_wait_client_bound(lab):
    """The client closed first and connects again from its bound port, over its own TIME_WAIT."""
    port = lab.next_port()
    client, server = lab.pair(port)
    lab.talk(client, server)
    lab.close_both(client, server)
    time.sleep(0.3)
    finish(lab, redial(lab, port))


STALE = dict(expect=[found("timestamp-rejected-syn", "OOO", mechanism="per-connection", recovered=True)],
             forbid=never("timestamp-rejected-syn", "lost-final-ack", "half-open"),
             counters={"server": {"PAWSTimewait": ">=1"}})


def into_time_wait_newer(lab):
    """TIME_WAIT at the server with a stamp that the client's plain clock is behind."""
    port = into_time_wait(lab, port_with_newer_clock(lab))
    lab.client.sysctl("tcp_timestamps", 2)
    lab.note("tcp_timestamps=2 at the client: its stamps are the plain clock now")
    return port


@scenario(**STALE)
def reuse_time_wait_old_timestamp(lab):
    """A SYN with an older timestamp meets TIME_WAIT: ACK, RST, and the next SYN gets through."""
    port = into_time_wait_newer(lab)
    finish(lab, redial(lab, port))


@scenario(sysctls={"client": {"tcp_syn_retries": 3}, "server": {"tcp_rfc1337": 1}},
          expect=[found("timestamp-rejected-syn", "OOO", mechanism="per-connection", recovered=False)],
          allow=["syn-unanswered"], forbid=never("timestamp-rejected-syn", "lost-final-ack", "half-open"),
          counters={"server": {"PAWSTimewait": ">=2"}})
def reuse_time_wait_old_timestamp_rfc1337(lab):
    """A SYN with an older timestamp and tcp_rfc1337=1 at the server: it ignores the RST, connect() fails."""
    port = into_time_wait_newer(lab)
    lab.cannot_show(lab.client, "tcp_syn_retries=3: given up without a packet")
    redial(lab, port, fine=False)
    lab.rest(3)


@scenario(expect=[refused("TIME-WAIT")], forbid=never("recycled-port-rst", "lost-final-ack", "half-open"))
def reuse_time_wait_low_isn(lab):
    """Without timestamps a lower initial sequence number is refused: ACK, RST, and the next SYN gets through."""
    without_timestamps(lab)
    port = into_time_wait(lab)
    finish(lab, redial(lab, port, isn=seq_add(snd_nxt(lab, port), -100000)))


@scenario(sysctls={"client": {"tcp_syn_retries": 3}, "server": {"tcp_rfc1337": 1}},
          expect=[refused("TIME-WAIT", recovered=False)], allow=["syn-unanswered"],
          forbid=never("recycled-port-rst", "lost-final-ack", "half-open"),
          counters={"server": {"PAWSTimewait": 0}})
def reuse_time_wait_low_isn_rfc1337(lab):
    """A lower initial sequence number without timestamps, and tcp_rfc1337=1 at the server: connect() fails."""
    without_timestamps(lab)
    port = into_time_wait(lab)
    lab.cannot_show(lab.client, "tcp_syn_retries=3: given up without a packet")
    redial(lab, port, isn=seq_add(snd_nxt(lab, port), -100000), fine=False)
    lab.rest(3)


# --- states with an owner ------------------------------------------------------------------------------

def into_close_wait(lab):
    port = lab.next_port()
    client, server = lab.pair(port)
    lab.talk(client, server)
    client.close()
    server.recv(1)
    time.sleep(2.5)
    lab.destroy(lab.client, "fin-wait-2")
    return port


CLOSE_WAIT = dict(expect=[refused("CLOSE-WAIT"), found("close-wait-leak", "OOO", host="server")],
                  forbid=never("recycled-port-rst", "lost-final-ack", "fin-wait-2-timeout"), allow=["half-open"],
                  counters={"server": {"TCPSYNChallenge": ">=1"}})


@scenario(**CLOSE_WAIT)
def reuse_close_wait(lab):
    """The server leaks CLOSE_WAIT; a new connection from the same port frees it."""
    finish(lab, redial(lab, into_close_wait(lab)))


@scenario(**CLOSE_WAIT)
def reuse_close_wait_without_timestamps(lab):
    """A SYN into CLOSE_WAIT without timestamps."""
    without_timestamps(lab)
    finish(lab, redial(lab, into_close_wait(lab)))


def into_estab(lab):
    port = lab.next_port()
    client, server = lab.pair(port)
    lab.talk(client, server)
    lab.crash(client)
    time.sleep(1)
    return port


ESTAB = dict(expect=[refused("ESTAB"), found("half-open", "OOO", host="server")],
             forbid=never("recycled-port-rst", "lost-final-ack", "close-wait-leak"),
             counters={"server": {"TCPSYNChallenge": ">=1"}})


@scenario(**ESTAB)
def reuse_estab(lab):
    """The client crashes; its new connection from the same port meets the server's ESTAB."""
    finish(lab, redial(lab, into_estab(lab)))


@scenario(**ESTAB)
def reuse_estab_without_timestamps(lab):
    """A SYN into ESTAB without timestamps."""
    without_timestamps(lab)
    finish(lab, redial(lab, into_estab(lab)))


@scenario(expect=[refused("FIN-WAIT-2")], allow=["half-open", "half-close", "close-wait-leak"],
          forbid=never("recycled-port-rst", "lost-final-ack", "fin-wait-2-timeout"),
          counters={"server": {"TCPSYNChallenge": ">=1"}})
def reuse_fin_wait_2_owned(lab):
    """The server has shut down its direction only and holds FIN_WAIT_2; the client crashes and reuses its port."""
    port = lab.next_port()
    client, server = lab.pair(port)
    lab.talk(client, server)
    server.shutdown(socket.SHUT_WR)
    client.recv(1)
    time.sleep(0.5)
    lab.crash(client)
    finish(lab, redial(lab, port))


@scenario(expect=[refused("FIN-WAIT-2")], allow=["half-open", "half-close", "close-wait-leak"],
          forbid=never("recycled-port-rst", "lost-final-ack", "fin-wait-2-timeout"))
def reuse_fin_wait_2_owned_without_timestamps(lab):
    """A SYN into FIN_WAIT_2 that still has an owner, without timestamps."""
    without_timestamps(lab)
    reuse_fin_wait_2_owned(lab)


def into_fin_wait_2_orphan(lab):
    port = lab.next_port()
    client, server = lab.pair(port)
    lab.talk(client, server)
    server.close()
    client.recv(1)
    time.sleep(0.5)
    lab.crash(client)
    return port


@scenario(expect=[refused("FIN-WAIT-2", recovered=False)], allow=["half-open", "close-wait-leak"],
          forbid=never("recycled-port-rst", "lost-final-ack", "fin-wait-2-timeout"),
          counters={"client": {"AttemptFails": 1}})
def reuse_fin_wait_2_orphan_in_window(lab):
    """The server's FIN_WAIT_2 is an orphan and the new SYN lies in its window: RST with ACK, connect() is refused
    although the port is open."""
    port = into_fin_wait_2_orphan(lab)
    redial(lab, port, isn=seq_add(snd_nxt(lab, port), 1000), fine=False)
    lab.rest(3)


@scenario(expect=[refused("FIN-WAIT-2")], allow=["half-open", "close-wait-leak"],
          forbid=never("recycled-port-rst", "lost-final-ack", "fin-wait-2-timeout"))
def reuse_fin_wait_2_orphan_above(lab):
    """The server's FIN_WAIT_2 is an orphan and the new SYN lies above its window: ACK, RST, and the next SYN gets through."""
    port = into_fin_wait_2_orphan(lab)
    finish(lab, redial(lab, port, isn=seq_add(snd_nxt(lab, port), 5000000)))


@scenario(expect=[refused("FIN-WAIT-2")], allow=["half-open", "close-wait-leak"],
          forbid=never("recycled-port-rst", "lost-final-ack", "fin-wait-2-timeout"))
def reuse_fin_wait_2_orphan_without_timestamps(lab):
    """A SYN into an orphan FIN_WAIT_2, below its window, without timestamps: ACK, RST, and the next SYN gets through."""
    without_timestamps(lab)
    port = into_fin_wait_2_orphan(lab)
    finish(lab, redial(lab, port, isn=seq_add(snd_nxt(lab, port), -100000)))


@scenario(expect=[found(["recycled-port-rst", "timestamp-rejected-syn"], "OOO", recovered=True)],
          allow=["half-open", "close-wait-leak"],
          forbid=["time-wait-reuse", "lost-final-ack", "fin-wait-2-timeout", "abortive-close", "syn-refused", "challenge-ack"])
def reuse_fin_wait_2_orphan_old_timestamp(lab):
    """A SYN into an orphan FIN_WAIT_2, in its window but with an older timestamp: ACK instead of RST, then RST from the
    client, and the next SYN gets through."""
    lab.last_port = port_with_newer_clock(lab) - 1
    port = into_fin_wait_2_orphan(lab)
    lab.client.sysctl("tcp_timestamps", 2)
    finish(lab, redial(lab, port, isn=seq_add(snd_nxt(lab, port), 1000)))


# The client's capture lacks the SYN-ACK.
SYN_RECV = {"client": ["SYN-RECV", None], "middle": "SYN-RECV", "server": "SYN-RECV"}


def into_syn_recv(lab):
    """The server holds SYN_RECV: its SYN-ACK was lost and the client is gone."""
    lab.listen()
    dropped = lab.wire.drop(S2C, syn_ack, where="after")
    port = lab.next_port()
    client = lab.client.socket(port)
    client.setblocking(False)
    client.connect_ex((lab.address(2), PORT))
    dropped.fired.wait(5)
    time.sleep(0.05)
    lab.cannot_show(lab.client, "closed in SYN_SENT: the attempt ended without a packet")
    client.close()
    time.sleep(0.6)
    return port


@scenario(expect=[refused(SYN_RECV, seen="EOO")], allow=["syn-unanswered", "half-open"],
          forbid=["timestamp-rejected-syn", "time-wait-reuse", "abortive-close", "syn-refused"],
          counters={"server": {"EmbryonicRsts": 1}})
def reuse_syn_recv(lab):
    """The server holds SYN_RECV of an attempt that was given up; a new SYN from the same port has another initial
    sequence number."""
    finish(lab, redial(lab, into_syn_recv(lab)))


# At the client the first SYN-ACK is missing, and the RST is a refusal as any other.
@scenario(expect=[refused("SYN-RECV", recovered=False, seen="?OO")], allow=["syn-unanswered", "half-open", "syn-refused"],
          counters={"server": {"EmbryonicRsts": ">=1"}},
          forbid=["timestamp-rejected-syn", "time-wait-reuse", "abortive-close"])
def reuse_syn_recv_in_window(lab):
    """A SYN into SYN_RECV whose initial sequence number lies in the window: RST with ACK, and the request is dropped."""
    port = into_syn_recv(lab)
    redial(lab, port, isn=seq_add(lab.wire.seen(C2S)[0].seq, 1000), fine=False)
    lab.rest(3)


@scenario(expect=[refused(SYN_RECV, seen="EOO")], allow=["syn-unanswered", "half-open"],
          forbid=["timestamp-rejected-syn", "time-wait-reuse", "abortive-close", "syn-refused"])
def reuse_syn_recv_without_timestamps(lab):
    """A SYN into SYN_RECV without timestamps, its initial sequence number above the window."""
    without_timestamps(lab)
    finish(lab, redial(lab, into_syn_recv(lab)))


# --- two clients behind one address -----------------------------------------------------------------------

MASQUERADE = """
table ip nat {
    chain post {
        type nat hook postrouting priority 100;
        oifname "eth0" masquerade
    }
}
"""


class NatRoom(Lab):
    """Two inner hosts behind a gateway that masquerades them; the gateway's outer side is the client vantage."""

    def make_hosts(self):
        super().make_hosts()
        gateway = self.client
        self.inner = []
        for number, name in ((10, "inner-a"), (11, "inner-b")):
            address, router = "192.168.%d.2" % number, "192.168.%d.1" % number
            host = Host(self.nursery, name, address, None, None, None, sysctls=self.sysctls_of(name), tap=False)
            join_hosts(gateway, host, name, "eth0")
            with gateway.inside():
                ip_batch(["addr add %s/24 dev %s" % (router, name), "link set %s up" % name])
            with host.inside():
                ip_batch(["link set lo up", "addr add %s/24 dev eth0" % address, "link set eth0 up",
                          "route add default via %s" % router])
            self.inner.append(host)
        gateway.sysctl("ip_forward", 1)
        gateway.run("nft", "-f", "-", text=MASQUERADE)
        self.hosts += self.inner

    def scored(self, host):
        return host is self.server      # the others' sockets are not those that the captures show

    def conntrack(self, name, value):
        with self.client.inside():
            write_sysctl("net.netfilter.nf_conntrack_tcp_" + name, value)


@scenario(room=NatRoom, sysctls={"inner-b": {"tcp_timestamps": 2}}, allow=["shared-address"],
          expect=[found("timestamp-rejected-syn", "OOO", mechanism="per-connection", recovered=True)],
          forbid=[kind for kind in never("timestamp-rejected-syn", "lost-final-ack") if kind != "shared-address"],
          counters={"server": {"PAWSTimewait": ">=1"}})
def nat_collision_time_wait(lab):
    """Two clients behind one masqueraded address use the same outer port within the server's TIME_WAIT; the second
    client's clock is behind."""
    lab.conntrack("timeout_time_wait", 1)
    first, second = lab.inner
    port = port_with_newer_clock(lab, first.address)
    client, server = lab.pair(port, host=first)
    lab.talk(client, server)
    lab.close_both(server, client)
    time.sleep(3)                       # the gateway's conntrack entry ends, the server's TIME_WAIT does not
    again = lab.keep(second.socket(port))
    again.connect((lab.address(2), PORT))
    finish(lab, again)


@scenario(room=NatRoom, allow=["shared-address", "half-open"], expect=[refused("ESTAB")],
          forbid=[kind for kind in never("recycled-port-rst", "lost-final-ack") if kind != "shared-address"],
          counters={"server": {"TCPSYNChallenge": ">=1"}})
def nat_collision_estab(lab):
    """The gateway forgets an idle connection and gives its outer port to the other client: SYN into ESTAB."""
    lab.conntrack("timeout_established", 2)
    first, second = lab.inner
    port = lab.next_port()
    client, server = lab.pair(port, host=first)
    lab.talk(client, server)
    time.sleep(4)
    again = lab.keep(second.socket(port))
    again.connect((lab.address(2), PORT))
    finish(lab, again)


# --- old duplicates, assassination --------------------------------------------------------------------------

@scenario(expect=[found("old-duplicate", "EEE", accepted=False), found("time-wait-assassination", "III", host="client")],
          forbid=["lost-final-ack", "recycled-port-rst", "abortive-close", "half-open", "fin-retransmitted",
                  "fin-wait-2-timeout"],
          counters={"client": {"PAWSTimewait": 1}, "server": {"OutRsts": 1}})
def old_duplicate_assassinates(lab):
    """A copy of the server's data reaches the client's TIME_WAIT 1 s later: ACK, bare RST, TIME_WAIT is dead."""
    copy = lab.wire.copy(S2C, data)
    client, server = lab.pair()
    lab.talk(client, server)
    lab.close_both(client, server)
    time.sleep(1)
    lab.wire.replay(copy)
    lab.rest(5)


@scenario(sysctls={"client": {"tcp_rfc1337": 1}}, allow=["time-wait-assassination"],
          expect=[found("old-duplicate", "EEE", accepted=False)],
          forbid=["lost-final-ack", "recycled-port-rst", "abortive-close", "half-open", "fin-retransmitted"],
          counters={"client": {"PAWSTimewait": 2}})
def old_duplicate_rfc1337(lab):
    """An old duplicate with tcp_rfc1337=1: TIME_WAIT survives its RST; a second copy 2 s later is ACKed again, which
    proves it."""
    lab.cannot_show(lab.client, "tcp_rfc1337=1: the RST was ignored", "TIME-WAIT")
    copy = lab.wire.copy(S2C, data)
    client, server = lab.pair()
    lab.talk(client, server)
    lab.close_both(client, server)
    time.sleep(1)
    kept = list(copy.held)
    lab.wire.replay(copy)
    time.sleep(2)
    copy.held = kept
    lab.wire.replay(copy)
    lab.rest(5)


@scenario(expect=[found("old-duplicate", "?EE", accepted=False), found("time-wait-reuse", "OOO", side="server")],
          forbid=["recycled-port-rst", "abortive-close", "half-open", "lost-final-ack"], allow=["challenge-ack"],
          counters={"server": {"PAWSEstab": ">=1"}})
def old_duplicate_next_incarnation(lab):
    """A data segment of the old incarnation reaches the new one: an ACK, nothing else."""
    copy = lab.wire.copy(C2S, data)
    port = into_time_wait(lab)
    client = redial(lab, port)
    server = lab.accept(lab.listen())
    lab.talk(client, server)
    lab.wire.replay(copy)
    time.sleep(0.5)
    lab.talk(client, server)
    lab.close_both(client, server)
    lab.rest(3)


@scenario(expect=[found("old-duplicate", "III", accepted=True, bytes=400), found("time-wait-reuse", "OOO", side="server")],
          crafted="the copy of the old segment was given sequence numbers that fit the new incarnation",
          forbid=["recycled-port-rst", "half-open", "lost-final-ack"], limit=90)
def old_duplicate_accepted(lab):
    """Without timestamps a segment of the old incarnation that lies in the new one's window is taken as its data."""
    without_timestamps(lab)
    port = lab.next_port()
    client, server = lab.pair(port)
    lab.talk(client, server, request=100)
    copy = lab.wire.copy(C2S, data)
    client.sendall(b"X" * 400)                                  # the segment that will come twice
    receive(server, 400)
    lab.close_both(server, client)
    time.sleep(0.5)
    fresh = seq_add(snd_nxt(lab, port), 30)                     # acceptable to TIME_WAIT: above RCV.NXT
    client = redial(lab, port, isn=fresh)
    server = lab.accept(lab.listen())
    lab.talk(client, server)
    answer = lab.wire.seen(S2C, lambda p: p.is_syn_ack)[-1]
    with lab.wire.lock:
        copy.held = [copy.held[0].changed(seq=seq_add(fresh, 1 + 120 + 300), ack=seq_add(answer.seq, 1))]
    lab.note("the copy's numbers were moved into the window: an accident of one in 2^32, made to happen")
    lab.wire.replay(copy)
    time.sleep(0.3)
    client.sendall(b"Y" * 300)
    got = receive(server, 700)
    lab.must(got == b"Y" * 300 + b"X" * 400, "the old data was not taken")
    lab.rest(3)


@scenario(expect=[found("old-duplicate", "?EE"), found("time-wait-assassination", "III", host="client")],
          allow=["half-open", "syn-unanswered", "challenge-ack"],
          forbid=["lost-final-ack", "recycled-port-rst", "abortive-close", "fin-retransmitted", "timestamp-rejected-syn",
                  "syn-refused", "syn-flood"])
def old_duplicate_syn(lab):
    """A copy of the first SYN reaches the server 2 s after the close: it answers with a SYN-ACK, the client's
    TIME_WAIT with an ACK, the request with an RST that kills TIME_WAIT; the repeated SYN-ACK draws an RST."""
    copy = lab.wire.copy(C2S, syn)
    client, server = lab.pair()
    lab.talk(client, server)
    lab.close_both(client, server)
    time.sleep(2)
    lab.wire.replay(copy)
    lab.rest(8)


# --- segments that neither end sent --------------------------------------------------------------------------

def forge(lab, direction, offset, where):
    """An RST without timestamps, with another TTL and an identification far from the sender's own, in whose name it is."""
    last = lab.wire.seen(direction)[-1]
    frame = build((last.src, last.sport), (last.dst, last.dport), RST, seq=seq_add(last.seq_end, offset), window=0, ttl=250,
                  macs=(last.frame[6:12], last.frame[:6]), ip_id=last.ip_id ^ 0x8000)
    lab.wire.inject(direction, frame, where)


@scenario(expect=[found("challenge-ack", "?OO", host="server")], allow=["injected-rst"],
          counters={"server": {"TCPChallengeACK": ">=1"}},
          forbid=["recycled-port-rst", "abortive-close", "half-open", "lost-final-ack", "old-duplicate"])
def forged_rst_in_window(lab):
    """A forged RST in the window, but not at its edge, enters before the middle: a challenge ACK, the connection lives."""
    client, server = lab.pair()
    lab.talk(client, server)
    forge(lab, C2S, 1000, "before")
    time.sleep(1)
    lab.talk(client, server)
    lab.close_both(client, server)
    lab.rest(3)


@scenario(expect=[found("injected-rst", "III", count=">=1")], allow=["abortive-close", "half-open"],
          forbid=["recycled-port-rst", "lost-final-ack", "challenge-ack", "fin-wait-2-timeout"])
def forged_rst_both_ends(lab):
    """A middlebox sends exact RSTs to both ends, each in the other's name, with a TTL of its own."""
    client, server = lab.pair()
    lab.talk(client, server)
    time.sleep(0.5)
    forge(lab, C2S, 0, "before")
    forge(lab, S2C, 0, "before")
    lab.rest(3)


@scenario(expect=[found("injected-rst", "I??", count=">=1")], allow=["abortive-close", "half-open", "challenge-ack"],
          forbid=["recycled-port-rst", "lost-final-ack", "fin-wait-2-timeout"])
def forged_rst_to_client(lab):
    """Only the client is sent a forged RST, after the middle; the server goes on sending and draws a bare RST."""
    client, server = lab.pair()
    lab.talk(client, server)
    time.sleep(0.5)
    forge(lab, S2C, 0, "after")
    time.sleep(0.5)
    server.sendall(b"r" * 300)
    lab.rest(3)
