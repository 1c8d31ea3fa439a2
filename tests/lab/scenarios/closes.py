"""Each close order and shape; CLOSE_WAIT that stays, goes late, is freed; FIN_WAIT_2 that runs out."""

import socket
import threading
import time

from lab import found, receive, scenario

QUIET = ["lost-final-ack", "fin-retransmitted", "recycled-port-rst", "abortive-close", "half-open", "close-wait-leak",
         "slow-close", "fin-wait-2-timeout", "shared-address", "challenge-ack"]


@scenario(forbid=QUIET, counters={"client": {"TW": "<=1", "TCPTimeouts": 0}})
def close_client_first(lab):
    """The client closes, 100 ms later the server; four segments, TIME_WAIT at the client until it ends."""
    client, server = lab.pair()
    lab.talk(client, server)
    lab.close_both(client, server)
    lab.rest(64)


@scenario(forbid=QUIET)
def close_server_first(lab):
    """The server closes, 100 ms later the client; TIME_WAIT at the server until it ends."""
    client, server = lab.pair()
    lab.talk(client, server)
    lab.close_both(server, client)
    lab.rest(64)


@scenario(forbid=QUIET)
def close_three_segments(lab):
    """The server closes in the same instant as it sees the client's FIN: its ACK rides on its FIN."""
    client, server = lab.pair()
    lab.talk(client, server)

    def close_at_end():
        server.recv(1)
        server.close()
    thread = threading.Thread(target=close_at_end)
    thread.start()
    client.close()
    thread.join()
    lab.rest(10)


@scenario(forbid=QUIET, delay=(0.010, 0.030))
def close_asymmetric_path(lab):
    """A normal close over a path with 10 ms one way and 30 ms back."""
    client, server = lab.pair()
    lab.talk(client, server)
    lab.close_both(client, server)
    lab.rest(5)


@scenario(forbid=QUIET)
def close_without_timestamps(lab):
    """A normal close without TCP timestamps."""
    lab.client.sysctl("tcp_timestamps", 0)
    client, server = lab.pair()
    lab.talk(client, server)
    lab.close_both(client, server)
    lab.rest(64)


@scenario(forbid=QUIET)
def close_fin_with_data(lab):
    """The client's FIN rides on its last data."""
    client, server = lab.pair()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    client.sendall(b"q" * 500)
    client.close()
    receive(server, 500)
    server.recv(1)
    server.close()
    lab.rest(3)


@scenario(forbid=QUIET)
def close_fin_with_data_both(lab):
    """Both FINs ride on data; the client waits for the answer (shutdown, not close)."""
    client, server = lab.pair()
    for sock in (client, server):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    client.sendall(b"q" * 500)
    client.shutdown(socket.SHUT_WR)
    receive(server, 500)
    server.recv(1)
    server.sendall(b"r" * 900)
    server.close()
    receive(client, 900)
    client.recv(1)
    client.close()
    lab.rest(5)


@scenario(delay=(0.010, 0.010), forbid=QUIET, expect=[found("simultaneous-close", "OOO")],
          counters={"client": {"TCPTimeouts": 0}})
def close_simultaneous(lab):
    """Both ends close within the path's delay: the FINs cross, both go through CLOSING to TIME_WAIT."""
    client, server = lab.pair()
    lab.talk(client, server)
    time.sleep(0.1)
    client.close()
    server.close()
    lab.rest(64)


@scenario(forbid=[kind for kind in QUIET if kind != "half-close"], expect=[found("half-close", "OOO")])
def close_half_close_used(lab):
    """The client ends its direction and goes on receiving for 20 s; then the server closes."""
    client, server = lab.pair()
    lab.talk(client, server)
    client.shutdown(socket.SHUT_WR)
    server.recv(1)
    for _ in range(40):
        server.sendall(b"d" * 400)
        receive(client, 400)
        time.sleep(0.5)
    server.close()
    client.recv(1)
    client.close()
    lab.rest(63)


@scenario(forbid=["half-open", "abortive-close", "lost-final-ack"], delay=(0.025, 0.025),
          expect=[found("half-close", "OOO"), found("slow-close", "???", host="server")])
def close_half_close_pauses(lab):
    """A half-close whose data comes in bursts with silences of 4 s.  The path is long enough for no stall of this machine
    to bring a loss probe (late-final-ack-of-a-burst)."""
    client, server = lab.pair()
    client.sendall(b"q" * 100)
    client.shutdown(socket.SHUT_WR)
    receive(server, 100)
    for _ in range(4):
        server.sendall(b"d" * 3000)
        receive(client, 3000)
        time.sleep(4)
    server.sendall(b"d" * 3000)
    server.close()
    receive(client, 3000)
    client.recv(1)
    client.close()
    lab.rest(3)


@scenario(limit=150, expect=[found("close-wait-leak", "III", host="server", ended="never")],
          forbid=["half-close", "half-open", "fin-wait-2-timeout", "lost-final-ack", "fin-retransmitted", "slow-close"])
def close_wait_leaked(lab):
    """The client closes; the server never does.  The client's orphan FIN_WAIT_2 ends after 60 s without a packet."""
    client, server = lab.pair()
    lab.talk(client, server)
    client.close()
    lab.rest(75)


@scenario(limit=150, expect=[found("close-wait-leak", "III", host="server", count=5)],
          allow=["close-wait-pileup"], forbid=["half-close", "half-open", "slow-close"])
def close_wait_leaked_pattern(lab):
    """Five of eight connections are never closed by the server; the others are at once."""
    pairs = [lab.pair() for _ in range(8)]
    for client, server in pairs:
        lab.talk(client, server)
    for number, (client, server) in enumerate(pairs):
        client.close()
        time.sleep(0.05)
        if number % 3 == 2 or number == 7:
            server.close()
        time.sleep(1)
    lab.rest(60)


@scenario(expect=[found("slow-close", "--O", host="server", peer_gone=False)],
          forbid=["close-wait-leak", "fin-wait-2-timeout", "abortive-close", "lost-final-ack", "half-close"])
def close_wait_slow(lab):
    """The server closes 8 s after the client."""
    client, server = lab.pair()
    lab.talk(client, server)
    client.close()
    server.recv(1)
    time.sleep(8)
    server.close()
    lab.rest(5)


@scenario(limit=150, expect=[found("fin-wait-2-timeout", "OOO", cause="timeout"), found("slow-close", "IIO", host="server", peer_gone=True)],
          forbid=["close-wait-leak", "abortive-close", "recycled-port-rst", "lost-final-ack", "half-open"],
          counters={"server": {"EstabResets": "<=1"}})
def fin_wait_2_expired_fin(lab):
    """The server closes 66 s after the client, whose FIN_WAIT_2 has ended: its FIN draws a bare RST."""
    client, server = lab.pair()
    lab.talk(client, server)
    client.close()
    server.recv(1)
    time.sleep(66)
    server.close()
    lab.rest(3)


@scenario(limit=150, expect=[found("fin-wait-2-timeout", "OOO", cause="timeout"), found("half-close", "???"),
                             found("slow-close", "???", host="server"), found("close-wait-leak", "???", host="server")],
          forbid=["abortive-close", "recycled-port-rst", "lost-final-ack", "half-open"])
def fin_wait_2_expired_data(lab):
    """The server sends data 66 s after the client closed: RST, the connection is gone at both ends."""
    client, server = lab.pair()
    lab.talk(client, server)
    client.close()
    server.recv(1)
    time.sleep(66)
    server.sendall(b"late")
    lab.rest(3)


@scenario(sysctls={"client": {"tcp_fin_timeout": 3}}, allow=["slow-close", "fin-wait-2-timeout", "abortive-close"],
          forbid=["recycled-port-rst", "lost-final-ack", "half-open"])
def fin_wait_2_short(lab):
    """tcp_fin_timeout=3 at the client; the server's FIN after 8 s draws RST.  Only the host's settings explain it."""
    client, server = lab.pair()
    lab.cannot_show(lab.client, "tcp_fin_timeout=3: FIN_WAIT_2 ended early")
    lab.talk(client, server)
    client.close()
    server.recv(1)
    time.sleep(8)
    server.close()
    lab.rest(3)


@scenario(sysctls={"client": {"tcp_max_tw_buckets": 0}},
          expect=[found("fin-wait-2-timeout", "OOO", cause="discarded")],
          counters={"client": {"TCPTimeWaitOverflow": ">=1"}},
          forbid=["recycled-port-rst", "lost-final-ack", "half-open", "abortive-close", "slow-close"])
def tw_buckets_none_fin_wait_2(lab):
    """tcp_max_tw_buckets=0 at the client: FIN_WAIT_2 is thrown away at once, the server's FIN draws a bare RST."""
    client, server = lab.pair()
    lab.cannot_show(lab.client, "tcp_max_tw_buckets: thrown away at once")
    lab.talk(client, server)
    lab.close_both(client, server)
    lab.rest(5)


@scenario(limit=150, forbid=["lost-final-ack", "fin-retransmitted", "half-open", "recycled-port-rst"],
          expect=[found("keepalive", "???"), found("fin-wait-2-timeout", "EEE", cause="timeout"),
                  found("close-wait-leak", "OOO", host="server", ended="peer-gone")],
          counters={"server": {"TCPKeepAlive": ">=1"}})
def close_wait_freed_by_keepalive(lab):
    """The server holds CLOSE_WAIT with keepalive on: the first probe after the client's FIN_WAIT_2 ended (60 s) draws
    RST and frees it."""
    client, server = lab.pair()
    lab.talk(client, server)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 66)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    client.close()
    lab.rest(72)


@scenario(expect=[found("half-close", "???"), found("slow-close", "--O", host="server")],
          forbid=["close-wait-leak", "fin-wait-2-timeout", "abortive-close", "half-open"])
def fin_wait_2_owned(lab):
    """The client only shuts down its sending side; the server is silent for 12 s, then closes.  FIN_WAIT_2 with an
    owner has no time limit."""
    client, server = lab.pair()
    lab.talk(client, server)
    client.shutdown(socket.SHUT_WR)
    server.recv(1)
    time.sleep(12)
    server.close()
    client.recv(1)
    client.close()
    lab.rest(5)


@scenario(ipv6=True, forbid=QUIET)
def close_client_first_ipv6(lab):
    """A normal close over IPv6."""
    client, server = lab.pair()
    lab.talk(client, server)
    lab.close_both(client, server)
    lab.rest(64)
