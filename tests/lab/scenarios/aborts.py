"""RST instead of FIN: linger-zero, unread data, data after close, sockets destroyed, a listener closed."""

import time

from lab import found, receive, scenario
from netns import abort_close
from wire import C2S, data

NOT_REUSE = ["recycled-port-rst", "half-open", "lost-final-ack", "fin-wait-2-timeout", "injected-rst", "challenge-ack"]


def abort(cause, seen="OOO", host=None):
    return found("abortive-close", seen, host=host, cause=cause)


@scenario(expect=[abort(["linger-zero", "unknown"], "EEE")], forbid=NOT_REUSE,
          counters={"client": {"TCPAbortOnData": 1}})
def abort_linger_zero(lab):
    """The client has sent a request, has got nothing, and closes with SO_LINGER 0."""
    client, server = lab.pair()
    client.sendall(b"q" * 120)
    receive(server, 120)
    time.sleep(0.1)
    abort_close(client)
    lab.rest(3)


@scenario(expect=[abort(["linger-zero", "unknown"], "EEE")], forbid=NOT_REUSE,
          counters={"server": {"TCPAbortOnData": 1}})
def abort_linger_zero_server(lab):
    """The server answers and resets at once: the transfer was complete."""
    client, server = lab.pair()
    lab.talk(client, server)
    abort_close(server)
    lab.rest(3)


@scenario(expect=[abort(["linger-zero", "unknown"], "EEE")], forbid=NOT_REUSE[:-1], allow=["challenge-ack"])
def abort_linger_zero_data_lost(lab):
    """The client's last 3000 bytes are lost and it closes with SO_LINGER 0 before they come again: they are gone.  Its RST
    lies beyond the gap and draws a challenge ACK; the answer to that ends the server's socket."""
    client, server = lab.pair()
    lab.talk(client, server)
    lab.wire.drop(C2S, data, count=None)
    client.sendall(b"q" * 3000)
    time.sleep(0.02)
    abort_close(client)
    lab.rest(3)


@scenario(expect=[abort(["linger-zero", "unknown"], "EEE")], forbid=NOT_REUSE + ["half-close", "close-wait-leak"])
def abort_after_fin(lab):
    """The client closes; the server, in CLOSE_WAIT, answers with an RST instead of its FIN."""
    client, server = lab.pair()
    lab.talk(client, server)
    client.close()
    server.recv(1)
    time.sleep(0.2)
    abort_close(server)
    lab.rest(3)


@scenario(expect=[abort(["unread-data", "unknown"], "EEE")], forbid=NOT_REUSE,
          counters={"client": {"TCPAbortOnClose": 1}})
def abort_unread_data(lab):
    """The client closes with 9000 bytes of the response unread."""
    client, server = lab.pair()
    client.sendall(b"q" * 120)
    receive(server, 120)
    server.sendall(b"r" * 9000)
    time.sleep(0.2)
    receive(client, 100)
    client.close()
    lab.rest(3)


@scenario(expect=[abort("data-after-close")], forbid=NOT_REUSE,
          counters={"client": {"OutRsts": 1}})
def abort_data_after_close(lab):
    """The client closes; 0.3 s later the server sends data: a bare RST."""
    client, server = lab.pair()
    lab.talk(client, server)
    client.close()
    server.recv(1)
    time.sleep(0.3)
    server.sendall(b"r" * 500)
    lab.rest(3)


@scenario(delay=(0.020, 0.020), expect=[abort("data-after-close")], forbid=NOT_REUSE,
          counters={"client": {"TCPAbortOnData": 1}})
def abort_data_crosses_close(lab):
    """The server is sending when the client closes: the data on its way meets FIN_WAIT_1."""
    client, server = lab.pair()
    client.sendall(b"q" * 120)
    receive(server, 120)
    client.close()
    time.sleep(0.005)
    server.sendall(b"r" * 5000)
    lab.rest(3)


@scenario(expect=[abort("unknown", "EEE")], forbid=NOT_REUSE,
          counters={"server": {"OutRsts": 1}})
def abort_destroyed(lab):
    """`ss -K` at the server destroys an idle connection: RST with ACK."""
    client, server = lab.pair()
    lab.talk(client, server)
    lab.server.kill_sockets("state", "established")
    lab.rest(3)


@scenario(expect=[abort("unknown", "EEE")], forbid=NOT_REUSE)
def abort_listener_closed(lab):
    """The listener is closed with a connection not yet accepted: RST."""
    listener = lab.listen()
    client = lab.dial()
    client.sendall(b"q" * 120)
    time.sleep(0.3)
    listener.close()
    lab.rest(3)
