"""Connections that live, or die without a close: keepalive, retransmission time-outs, zero windows, crashes."""

import socket
import time

from lab import found, receive, scenario
from wire import C2S, S2C, data

TCP = socket.IPPROTO_TCP


def keepalive(sock, idle=1, interval=1, probes=3):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(TCP, socket.TCP_KEEPIDLE, idle)
    sock.setsockopt(TCP, socket.TCP_KEEPINTVL, interval)
    sock.setsockopt(TCP, socket.TCP_KEEPCNT, probes)


LIVING = ["recycled-port-rst", "lost-final-ack", "fin-retransmitted", "injected-rst", "challenge-ack"]


@scenario(expect=[found("keepalive", "OOO", host="client")], counters={"client": {"TCPKeepAlive": ">=5"}},
          forbid=LIVING + ["half-open", "abortive-close", "keepalive-death", "retransmission-timeout", "old-duplicate"])
def keepalive_alive(lab):
    """Keepalive every second for 8 s on an idle connection, then a normal close."""
    client, server = lab.pair()
    keepalive(client)
    lab.talk(client, server)
    lab.rest(8)
    lab.close_both(client, server)
    lab.rest(3)


@scenario(expect=[found("keepalive-death", "O--", host="client"), found("keepalive", "???")],
          allow=["half-open", "abortive-close"], counters={"client": {"TCPKeepAlive": ">=3", "TCPAbortOnTimeout": ">=1"}},
          forbid=LIVING + ["retransmission-timeout"])
def keepalive_death_link_cut(lab):
    """The link dies (both ways, at the client); keepalive (1 s, 3 probes) ends the connection with an RST nobody gets."""
    client, server = lab.pair()
    keepalive(client)
    lab.talk(client, server)
    lab.wire.cut_link(C2S)
    lab.wire.cut_link(S2C)
    lab.rest(8)


@scenario(expect=[found("keepalive-death", "OO-", host="client"), found("keepalive", "???")],
          allow=["half-open", "abortive-close"], counters={"client": {"TCPKeepAlive": ">=3", "TCPAbortOnTimeout": ">=1"}},
          forbid=LIVING + ["retransmission-timeout"])
def keepalive_death_server_gone(lab):
    """The server's end of the wire is dead: probes and RST pass the middle."""
    client, server = lab.pair()
    keepalive(client)
    lab.talk(client, server)
    lab.wire.cut_link(C2S, "after")
    lab.wire.cut_link(S2C)
    lab.rest(8)


@scenario(expect=[found("half-open", "OOO", host="client")], allow=["keepalive"],
          forbid=LIVING + ["abortive-close", "keepalive-death"])
def keepalive_finds_crash(lab):
    """The server crashes silently; the client's first keepalive probe draws a bare RST."""
    client, server = lab.pair()
    keepalive(client, idle=3)
    lab.talk(client, server)
    lab.crash(server)
    lab.rest(6)


@scenario(expect=[found("half-open", "OOO", host="client")],
          forbid=LIVING + ["abortive-close", "retransmission-timeout", "keepalive"],
          counters={"server": {"OutRsts": 1}})
def half_open_data(lab):
    """The server crashes silently; the client's next request draws a bare RST."""
    client, server = lab.pair()
    lab.talk(client, server)
    lab.crash(server)
    time.sleep(2)
    client.sendall(b"q" * 200)
    lab.rest(3)


@scenario(expect=[found("half-open", "OOO", host="client")],
          forbid=LIVING + ["abortive-close", "retransmission-timeout", "keepalive"],
          counters={"server": {"OutRsts": 1}})
def half_open_fin(lab):
    """The server crashes silently; the client's FIN draws a bare RST."""
    client, server = lab.pair()
    lab.talk(client, server)
    lab.crash(server)
    time.sleep(2)
    client.close()
    lab.rest(3)


@scenario(limit=120, sysctls={"client": {"tcp_retries2": 4}}, expect=[found("retransmission-timeout", "?--", host="client")],
          forbid=LIVING + ["half-open", "abortive-close", "keepalive-death"],
          counters={"client": {"TCPAbortOnTimeout": 1}})
def rto_retries_exhausted(lab):
    """The link dies; the client's data is repeated until tcp_retries2=4 ends it, without an RST.  Without the host's
    settings no capture can tell that it has ended."""
    client, server = lab.pair()
    lab.talk(client, server)
    lab.wire.cut_link(C2S)
    lab.wire.cut_link(S2C)
    lab.cannot_show(lab.client, "tcp_retries2=4: given up without a packet")
    client.sendall(b"q" * 500)
    lab.rest(22)


@scenario(limit=120, sysctls={"client": {"tcp_orphan_retries": 3}}, expect=[found("retransmission-timeout", "?--", host="client")],
          allow=["fin-retransmitted"], forbid=["recycled-port-rst", "lost-final-ack", "half-open", "abortive-close", "keepalive-death"],
          counters={"client": {"TCPAbortOnTimeout": 1}})
def rto_orphan(lab):
    """The link dies; the client sends data and closes. The orphan repeats its data, not its FIN, until tcp_orphan_retries=3
    ends it, without an RST.  Without the host's settings no capture can tell that it has ended."""
    client, server = lab.pair()
    lab.talk(client, server)
    lab.wire.cut_link(C2S)
    lab.wire.cut_link(S2C)
    lab.cannot_show(lab.client, "tcp_orphan_retries=3: given up without a packet")
    client.sendall(b"q" * 500)
    client.close()
    lab.rest(14)


@scenario(limit=120, expect=[found("retransmission-timeout", "EE-", host="client")], allow=["half-open"],
          forbid=LIVING + ["abortive-close", "keepalive-death"],
          counters={"client": {"TCPAbortOnTimeout": 1, "OutRsts": 1}})
def rto_user_timeout_then_rst(lab):
    """TCP_USER_TIMEOUT (4 s) ends the client's socket while nothing gets through; then the server's data reaches it
    again and draws a bare RST."""
    client, server = lab.pair()
    client.setsockopt(TCP, socket.TCP_USER_TIMEOUT, 4000)
    lab.talk(client, server)
    lab.wire.cut_link(C2S, "after")
    lab.wire.cut_link(S2C)
    lab.cannot_show(lab.client, "TCP_USER_TIMEOUT: given up without a packet")
    client.sendall(b"q" * 500)
    time.sleep(10)
    lab.wire.mend_link()
    server.sendall(b"r" * 100)
    lab.rest(4)


@scenario(expect=[found("zero-window-stall", "OOO")], limit=90,
          forbid=LIVING + ["half-open", "abortive-close", "keepalive", "keepalive-death", "retransmission-timeout"],
          counters={"server": {"TCPToZeroWindowAdv": ">=1"}, "client": {"TCPWinProbe": ">=1"}})
def zero_window(lab):
    """The server does not read for 6 s while the client sends 400 kB; then it reads everything and both close."""
    listener = lab.listen()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    client, server = lab.pair()
    client.setblocking(False)
    payload = b"q" * 120000
    sent = send_what_goes(client, payload, 6)
    client.setblocking(True)
    got = 0
    while got < sent:
        got += len(server.recv(65536))
    time.sleep(0.5)
    lab.close_both(client, server)
    lab.rest(3)


def send_what_goes(sock, payload, seconds):
    """Writes into the socket for a while; how many bytes went."""
    sent, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            sent += sock.send(payload[sent:sent + 65536]) if sent < len(payload) else 0
        except BlockingIOError:
            pass
        time.sleep(0.05)
    return sent


@scenario(expect=[found("zero-window-stall", "OOO")], limit=90,
          forbid=LIVING + ["half-open", "close-wait-leak", "keepalive", "keepalive-death", "retransmission-timeout"],
          counters={"client": {"TCPWinProbe": ">=1"}})
def zero_window_fin_queued(lab):
    """The client closes while the server's window is zero: ss says FIN-WAIT-1, no FIN is on the wire for 5 s."""
    listener = lab.listen()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    client, server = lab.pair()
    client.setblocking(False)
    sent = send_what_goes(client, b"q" * 120000, 3)
    client.close()
    lab.note("the client has closed; its FIN waits behind the window")
    time.sleep(5)
    lab.note("the server reads again")
    while server.recv(65536):
        pass
    server.close()
    lab.rest(3)


@scenario(expect=[found("zero-window-stall", "OOO", count=">=1")], limit=90, allow=["half-open", "abortive-close"],
          forbid=LIVING + ["keepalive-death"],
          counters={"client": {"TCPAbortOnTimeout": 1}})
def zero_window_killed(lab):
    """The server never reads; TCP_USER_TIMEOUT (5 s) ends the client's socket while the window is zero."""
    listener = lab.listen()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    client, server = lab.pair()
    client.setsockopt(TCP, socket.TCP_USER_TIMEOUT, 5000)
    lab.cannot_show(lab.client, "TCP_USER_TIMEOUT: given up without a packet")
    client.setblocking(False)
    send_what_goes(client, b"q" * 120000, 15)
    lab.rest(5)


@scenario(forbid=LIVING + ["half-open", "abortive-close", "keepalive", "old-duplicate"])
def data_lost_and_repaired(lab):
    """A long response with losses, then a normal close: data retransmissions are not a fault of the close."""
    for number in (5, 12, 13, 30):
        lab.wire.drop(S2C, data, first=number)
    client, server = lab.pair()
    client.sendall(b"q" * 100)
    receive(server, 100)
    server.sendall(b"r" * 80000)
    receive(client, 80000)
    time.sleep(0.1)
    lab.close_both(client, server)
    lab.rest(3)
