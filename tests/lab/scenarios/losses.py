"""Each segment of the close lost once, repeatedly, for ever; late instead of lost; doubled by the network."""

import socket
import threading
import time

from lab import found, receive, scenario
from wire import C2S, S2C, acks_fin, fin, pure_ack

# What nobody may see in a loss: none of these needs a host that lost its state.
NO_RESETS = ["recycled-port-rst", "abortive-close", "half-open", "injected-rst", "challenge-ack", "syn-retransmitted",
             "time-wait-reuse"]
ONLY_FINAL = NO_RESETS + ["fin-retransmitted", "time-wait-assassination", "close-wait-leak", "slow-close"]
ONLY_FIN = NO_RESETS + ["lost-final-ack", "time-wait-assassination", "close-wait-leak", "slow-close"]


def close_client_first(lab, gap=0.1, **options):
    """The close that these scenarios disturb; the server's end is returned."""
    client, server = lab.pair(**options)
    lab.talk(client, server)
    lab.close_both(client, server, gap)
    return server


# --- the first half: the client's FIN and its ACK -----------------------------------------------

@scenario(expect=[found("fin-retransmitted", "E--", host="client", cause=["fin-lost", "unknown"])], forbid=ONLY_FIN,
          counters={"client": {"RetransSegs": 1}})
def loss_first_fin(lab):
    """The client's FIN is lost before the middle; it comes again after 0.2 s."""
    lab.wire.drop(C2S, fin)
    client, server = lab.pair()
    lab.talk(client, server)
    lab.close_both(client, server)
    lab.rest(5)


@scenario(expect=[found("fin-retransmitted", "EE-", host="client", cause=["fin-lost", "unknown"])], forbid=ONLY_FIN)
def loss_first_fin_after_middle(lab):
    """The client's FIN is lost between the middle and the server."""
    lab.wire.drop(C2S, fin, where="after")
    client, server = lab.pair()
    lab.talk(client, server)
    lab.close_both(client, server)
    lab.rest(5)


@scenario(expect=[found("fin-retransmitted", "E--", host="client", cause=["fin-lost", "unknown"])], forbid=ONLY_FIN)
def loss_first_fin_three_times(lab):
    """The client's FIN is lost three times (0.2, 0.4, 0.8 s)."""
    lab.wire.drop(C2S, fin, count=3)
    client, server = lab.pair()
    lab.talk(client, server)
    lab.close_both(client, server)
    lab.rest(5)


@scenario(expect=[found("fin-retransmitted", "OOE", host="client",
                        cause={"client": "first-ack-lost", "middle": "first-ack-lost",
                               "server": ["first-ack-lost", "unknown"]})], forbid=ONLY_FIN,
          counters={"client": {"TCPDSACKRecv": ">=1"}})
def loss_first_ack(lab):
    """The server's ACK of the client's FIN is lost before the middle; the server closes 0.8 s later."""
    lab.wire.drop(S2C, acks_fin)
    close_client_first(lab, 0.8)
    lab.rest(5)


@scenario(expect=[found("fin-retransmitted", "OEE", host="client",
                        cause={"client": "first-ack-lost", "middle": ["first-ack-lost", "unknown"],
                               "server": ["first-ack-lost", "unknown"]})], forbid=ONLY_FIN,
          counters={"client": {"TCPDSACKRecv": ">=1"}})
def loss_first_ack_after_middle(lab):
    """The ACK of the client's FIN is lost between the middle and the client."""
    lab.wire.drop(S2C, acks_fin, where="after")
    close_client_first(lab, 0.8)
    lab.rest(5)


@scenario(expect=[found("fin-retransmitted", "OOE", host="client",
                        cause={"client": "first-ack-lost", "middle": "first-ack-lost",
                               "server": ["first-ack-lost", "unknown"]})], forbid=ONLY_FIN)
def loss_first_ack_twice(lab):
    """The ACK of the client's FIN is lost, and that of its repeat too."""
    lab.wire.drop(S2C, acks_fin, count=2)
    close_client_first(lab, 0.9)
    lab.rest(5)


# --- the second half: the server's FIN and the final ACK ------------------------------------------

@scenario(expect=[found("fin-retransmitted", "--O", host="server", cause="fin-lost")], forbid=ONLY_FIN,
          counters={"server": {"RetransSegs": 1}})
def loss_second_fin(lab):
    """The server's FIN is lost before the middle."""
    lab.wire.drop(S2C, fin)
    close_client_first(lab)
    lab.rest(5)


@scenario(expect=[found("fin-retransmitted", "-OO", host="server", cause="fin-lost")], forbid=ONLY_FIN)
def loss_second_fin_after_middle(lab):
    """The server's FIN is lost between the middle and the client: only the client's capture has it once."""
    lab.wire.drop(S2C, fin, where="after")
    close_client_first(lab)
    lab.rest(5)


@scenario(expect=[found("fin-retransmitted", "--E", host="server", cause=["fin-lost", "unknown"])],
          forbid=["recycled-port-rst", "abortive-close", "half-open"])
def loss_second_fin_without_timestamps(lab):
    """The server's FIN is lost, without timestamps: at the server nothing tells it from a lost ACK."""
    lab.client.sysctl("tcp_timestamps", 0)
    lab.wire.drop(S2C, fin)
    close_client_first(lab)
    lab.rest(3)


def final_ack(**said):
    said.setdefault("forbid", ONLY_FINAL)
    return said


@scenario(**final_ack(expect=[found("lost-final-ack", "OOO", host="server", outcome="re-acked")],
                      counters={"server": {"TCPLossProbes": ">=1"}}))
def loss_final_ack(lab):
    """The final ACK is lost before the middle; the repeated FIN is ACKed from TIME_WAIT, which starts again."""
    lab.wire.drop(C2S, acks_fin)
    close_client_first(lab)
    lab.rest(64)


@scenario(**final_ack(expect=[found("lost-final-ack", "OOO", host="server", outcome="re-acked")]))
def loss_final_ack_after_middle(lab):
    """The final ACK is lost between the middle and the server."""
    lab.wire.drop(C2S, acks_fin, where="after")
    close_client_first(lab)
    lab.rest(5)


@scenario(last_sign=False, **final_ack(expect=[found("lost-final-ack", "IEE", host="server", outcome="re-acked")]))
def loss_final_ack_capture_ends(lab):
    """The final ACK is lost before the middle, and the captures end with the second one: whether an RST followed, which
    would mean that the first was only late, is not known at the client."""
    lab.wire.drop(C2S, acks_fin)
    close_client_first(lab)
    lab.rest(0.5)


@scenario(**final_ack(expect=[found("lost-final-ack", "OOO", host="server", outcome="re-acked")]))
def loss_final_ack_twice(lab):
    """The final ACK is lost twice."""
    lab.wire.drop(C2S, acks_fin, count=2)
    close_client_first(lab)
    lab.rest(5)


@scenario(**final_ack(expect=[found("lost-final-ack", "OOO", host="server", outcome="re-acked")]))
def loss_final_ack_five_times(lab):
    """The final ACK is lost five times: 0.2, 0.4, 0.8, 1.7, 3.3 s; each repeat starts TIME_WAIT again."""
    lab.wire.drop(C2S, acks_fin, count=5)
    close_client_first(lab)
    lab.rest(72)


@scenario(**final_ack(expect=[found("lost-final-ack", "OOO", host="client", outcome="re-acked")]))
def loss_final_ack_server_first(lab):
    """The server closes first and its final ACK is lost: the client repeats its FIN."""
    lab.wire.drop(S2C, acks_fin)
    client, server = lab.pair()
    lab.talk(client, server)
    lab.close_both(server, client)
    lab.rest(5)


@scenario(delay=(0.010, 0.030), **final_ack(expect=[found("lost-final-ack", "OOO", host="server", outcome="re-acked")]))
def loss_final_ack_long_path(lab):
    """The final ACK is lost on a path of 10 ms one way and 30 ms back."""
    lab.wire.drop(C2S, acks_fin)
    close_client_first(lab)
    lab.rest(5)


@scenario(expect=[found(["lost-final-ack", "fin-retransmitted"], "EEE", host="server")],
          forbid=["recycled-port-rst", "abortive-close", "half-open", "time-wait-assassination"])
def loss_final_ack_without_timestamps(lab):
    """The final ACK is lost, without timestamps: at the server a lost FIN would look the same."""
    lab.client.sysctl("tcp_timestamps", 0)
    lab.wire.drop(C2S, acks_fin)
    close_client_first(lab)
    lab.rest(5)


@scenario(ipv6=True, **final_ack(expect=[found("lost-final-ack", "OOO", host="server", outcome="re-acked")]))
def loss_final_ack_ipv6(lab):
    """The final ACK is lost, over IPv6."""
    lab.wire.drop(C2S, acks_fin)
    close_client_first(lab)
    lab.rest(5)


# --- nobody answers any more -----------------------------------------------------------------------

@scenario(limit=190, expect=[found("lost-final-ack", "-E-", host="server", outcome="unanswered"),
                             found("fin-retransmitted", "--E", host="server", cause="unanswered"),
                             found("last-ack-timeout", "-II", host="server")],
          forbid=["recycled-port-rst", "abortive-close", "half-open", "time-wait-assassination"],
          counters={"server": {"TCPAbortOnTimeout": 1}})
def loss_final_ack_then_dead(lab):
    """The final ACK is lost after the middle, and nothing reaches the client any more: the server repeats its FIN until
    its time is over (about 110 s), without an RST."""
    lab.wire.drop(C2S, acks_fin, where="after")
    client, server = lab.pair()
    lab.talk(client, server)
    client.close()
    server.recv(1)
    time.sleep(0.1)
    server.close()
    time.sleep(0.1)
    lab.wire.cut_link(S2C, "after")
    lab.rest(128)


@scenario(limit=190, expect=[found("fin-retransmitted", "-EE", host="server", cause="unanswered"),
                             found("last-ack-timeout", "-II", host="server"),
                             found("lost-final-ack", "E--", host="server", outcome=["re-acked", "unanswered"])],
          allow=["last-ack-timeout"],
          forbid=["recycled-port-rst", "abortive-close", "half-open", "time-wait-assassination"],
          counters={"server": {"TCPAbortOnTimeout": 1}})
def loss_final_ack_always(lab):
    """Every ACK of the server's FIN is lost before the middle: the client answers each repeat, in vain."""
    lab.wire.drop(C2S, acks_fin, count=None)
    close_client_first(lab)
    lab.rest(128)


@scenario(limit=190, expect=[found("fin-retransmitted", "E--", host="client", cause="unanswered"),
                             found("retransmission-timeout", "???", host="client")],
          forbid=["recycled-port-rst", "abortive-close", "lost-final-ack", "close-wait-leak"],
          counters={"client": {"TCPAbortOnTimeout": 1}})
def loss_first_fin_always(lab):
    """The link dies before the client's FIN: FIN_WAIT_1 until its retries are over (about 110 s)."""
    client, server = lab.pair()
    lab.talk(client, server)
    lab.wire.cut_link(C2S)
    lab.wire.cut_link(S2C)
    client.close()
    lab.rest(128)


# --- TIME_WAIT is gone when it is needed -----------------------------------------------------------

@scenario(expect=[found(["lost-final-ack"], "EE-", host="server", outcome="reset"),
                  found(["lost-final-ack", "fin-wait-2-timeout", "fin-retransmitted"], "--?")],
          forbid=["recycled-port-rst", "abortive-close", "half-open"],
          counters={"client": {"OutRsts": 1}})
def tw_killed_final_ack_lost(lab):
    """The final ACK is lost after the middle and TIME_WAIT destroyed (ss -K): the repeated FIN draws a bare RST."""
    lab.wire.drop(C2S, acks_fin, where="after")
    client, server = lab.pair()
    lab.talk(client, server)
    client.close()
    server.recv(1)
    time.sleep(0.1)
    server.close()
    time.sleep(0.05)
    lab.destroy(lab.client, "time-wait")
    lab.rest(5)


@scenario(sysctls={"client": {"tcp_max_tw_buckets": 0}},
          expect=[found(["lost-final-ack"], "EE-", host="server", outcome="reset"),
                  found(["lost-final-ack", "fin-wait-2-timeout"], "--?")],
          counters={"client": {"TCPTimeWaitOverflow": ">=1"}},
          forbid=["recycled-port-rst", "abortive-close", "half-open"])
def tw_buckets_none_final_ack_lost(lab):
    """tcp_max_tw_buckets=0, the close in three segments and the final ACK lost after the middle: no TIME_WAIT, the
    repeated FIN draws a bare RST."""
    lab.wire.drop(C2S, acks_fin, where="after")
    client, server = lab.pair()
    lab.talk(client, server)
    lab.cannot_show(lab.client, "tcp_max_tw_buckets: thrown away at once")

    def close_at_end():
        server.recv(1)
        server.close()
    thread = threading.Thread(target=close_at_end)
    thread.start()
    client.close()
    thread.join()
    lab.rest(5)


# --- late, not lost --------------------------------------------------------------------------------

SPURIOUS = ["lost-final-ack", "recycled-port-rst", "abortive-close", "half-open", "injected-rst", "challenge-ack"]


@scenario(expect=[found("fin-retransmitted", "OOO", host="server", cause="late-ack"),
                  found("time-wait-assassination", "III", host="client")], forbid=SPURIOUS,
          counters={"server": {"OutRsts": 1, "TCPLossProbes": 1}})
def late_final_ack(lab):
    """The final ACK is 300 ms late: the FIN comes again, its second ACK finds no socket, the bare RST kills TIME_WAIT."""
    lab.wire.late(C2S, acks_fin, 0.3)
    close_client_first(lab)
    lab.rest(10)


@scenario(expect=[found("fin-retransmitted", "OOO", host="server", cause="late-ack"),
                  found("time-wait-assassination", "III", host="client"), found("half-close", "OOO")], forbid=SPURIOUS,
          delay=(0.010, 0.010), counters={"server": {"OutRsts": 1, "TCPLossProbes": 1}})
def late_final_ack_of_a_burst(lab):
    """Data and FIN leave together, and their ACKs are 80 ms late: with more than one segment under way the loss probe,
    which is the FIN, is due after twice the round trip of 20 ms already."""
    client, server = lab.pair()
    lab.talk(client, server)
    client.shutdown(socket.SHUT_WR)
    server.recv(1)
    lab.wire.late(C2S, pure_ack, 0.08, count=None)
    server.sendall(b"d" * 3000)
    server.close()
    receive(client, 3000)
    client.recv(1)
    client.close()
    lab.rest(3)


@scenario(expect=[found("fin-retransmitted", "OOO", host="server", cause="late-ack"),
                  found("time-wait-assassination", "III", host="client")], forbid=SPURIOUS)
def late_final_ack_after_middle(lab):
    """A late final ACK; the delay lies between the middle and the server."""
    lab.wire.late(C2S, acks_fin, 0.3, where="after")
    close_client_first(lab)
    lab.rest(5)


@scenario(sysctls={"client": {"tcp_rfc1337": 1}}, allow=["time-wait-assassination"],
          expect=[found("fin-retransmitted", "OOO", host="server", cause="late-ack")], forbid=SPURIOUS)
def late_final_ack_rfc1337(lab):
    """A late final ACK with tcp_rfc1337=1 at the client: the RST is ignored, TIME_WAIT lives on.  No packet tells."""
    lab.cannot_show(lab.client, "tcp_rfc1337=1: the RST was ignored", "TIME-WAIT")
    lab.wire.late(C2S, acks_fin, 0.3)
    close_client_first(lab)
    lab.rest(63)


@scenario(expect=[found("fin-retransmitted", "OOE", host="client",
                        cause={"client": "late-ack", "middle": "late-ack", "server": ["late-ack", "unknown"]})],
          forbid=SPURIOUS + ["time-wait-assassination"],
          counters={"client": {"TCPDSACKRecv": ">=1"}})
def late_first_ack(lab):
    """The ACK of the client's FIN is 400 ms late (before the middle); the server closes after 0.9 s."""
    lab.wire.late(S2C, acks_fin, 0.4)
    close_client_first(lab, 0.9)
    lab.rest(5)


@scenario(expect=[found("fin-retransmitted", "E??", host="client", cause=["late-ack", "unknown"])],
          forbid=["lost-final-ack", "recycled-port-rst", "abortive-close", "half-open"])
def late_first_fin(lab):
    """The client's FIN is 300 ms late and is overtaken by its repeat; the server closes after 0.9 s."""
    lab.wire.late(C2S, fin, 0.3)
    close_client_first(lab, 0.6)
    lab.rest(5)


@scenario(expect=[found("fin-retransmitted", "??E", host="server", cause=["fin-lost", "late-ack", "unknown"])],
          allow=["time-wait-assassination", "old-duplicate"],
          forbid=["recycled-port-rst", "abortive-close", "half-open"])
def late_second_fin(lab):
    """The server's FIN is 300 ms late and is overtaken by its repeat; the late one reaches TIME_WAIT."""
    lab.wire.late(S2C, fin, 0.3)
    close_client_first(lab)
    lab.rest(5)


@scenario(expect=[found("time-wait-assassination", "III", host="client")], forbid=SPURIOUS + ["fin-retransmitted"],
          counters={"server": {"OutRsts": 1, "RetransSegs": 0}})
def doubled_final_ack(lab):
    """The network delivers the final ACK twice: the second finds no socket, its bare RST kills TIME_WAIT."""
    lab.wire.duplicate(C2S, acks_fin, 0.004)
    close_client_first(lab)
    lab.rest(5)


@scenario(expect=[found("time-wait-assassination", "III", host="client")], forbid=SPURIOUS + ["fin-retransmitted"],
          counters={"server": {"OutRsts": 1, "RetransSegs": 0}})
def doubled_second_fin(lab):
    """The network delivers the server's FIN twice: TIME_WAIT answers both, the second ACK draws a bare RST."""
    lab.wire.duplicate(S2C, fin, 0.0005)
    close_client_first(lab)
    lab.rest(5)


# --- crossed FINs ------------------------------------------------------------------------------------

@scenario(delay=(0.010, 0.010), expect=[found("simultaneous-close", "OOO"),
                                        found(["lost-final-ack", "fin-retransmitted"], "EEE", count=">=1")],
          allow=["time-wait-assassination"], forbid=["recycled-port-rst", "abortive-close", "half-open"])
def closing_both_acks_lost(lab):
    """A simultaneous close whose two ACKs are both lost: both FINs come again, each repairs the other."""
    lab.wire.drop(C2S, acks_fin)
    lab.wire.drop(S2C, acks_fin)
    client, server = lab.pair()
    lab.talk(client, server)
    time.sleep(0.1)
    client.close()
    server.close()
    lab.rest(10)


@scenario(expect=[found("fin-retransmitted", "EEE", host="client", count=">=1"),
                  found(["lost-final-ack", "fin-retransmitted"], "EEE", host="server", count=">=1")],
          forbid=["recycled-port-rst", "abortive-close", "half-open"])
def loss_each_once(lab):
    """Each of the four segments of the close is lost once, after the middle towards the server, before it towards the
    client."""
    lab.wire.drop(C2S, fin, where="after")
    lab.wire.drop(S2C, acks_fin, where="after")
    lab.wire.drop(S2C, fin, where="after")
    lab.wire.drop(C2S, acks_fin, where="after")
    close_client_first(lab, 0.9)
    lab.rest(5)
