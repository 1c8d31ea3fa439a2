"""Thousands of short connections closed by either side; the port range used up."""

import errno
import threading
import time

from lab import PORT, found, receive, scenario

CALM = ["lost-final-ack", "recycled-port-rst", "timestamp-rejected-syn", "abortive-close", "half-open", "close-wait-leak",
        "fin-wait-2-timeout", "shared-address", "syn-flood", "scan"]


def crowd(lab, count, server_first, workers=4):
    """So many connections from each of a few threads, each on a port of its own so that accepts do not mix."""
    def work(port):
        listener = lab.server.listen(port)
        lab.kept.append(listener)
        for _ in range(count // workers):
            client = lab.client.socket()
            client.connect((lab.address(2), port))
            server, _ = listener.accept()
            client.sendall(b"q" * 60)
            receive(server, 60)
            first, second = (server, client) if server_first else (client, server)
            first.close()
            second.recv(1)
            second.close()
    threads = [threading.Thread(target=work, args=(PORT + number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@scenario(delay=(0.001, 0.001), hertz=2, full_every=10, limit=190, forbid=CALM, allow=["time-wait-pileup", "fin-retransmitted"],
          counters={"client": {"TW": ">=2900"}})
def crowd_client_first(lab):
    """3000 short connections, closed by the client; TIME_WAIT piles up there and ends."""
    crowd(lab, 3000, server_first=False)
    lab.rest(66)


@scenario(delay=(0.001, 0.001), hertz=2, full_every=10, limit=190, forbid=CALM,
          allow=["time-wait-pileup", "fin-retransmitted", "time-wait-reuse"], counters={"server": {"TW": ">=2900"}})
def crowd_server_first(lab):
    """3000 short connections, closed by the server; TIME_WAIT piles up there and ends."""
    crowd(lab, 3000, server_first=True)
    lab.rest(66)


def use_ports(lab, seconds):
    """Short connections one after the other, the client closes first; (made, refused for want of a port)."""
    listener = lab.listen()
    made = failed = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        client = lab.client.socket()
        try:
            client.connect((lab.address(2), PORT))
        except OSError as error:
            lab.must(error.errno == errno.EADDRNOTAVAIL, str(error))
            failed += 1
            client.close()
            time.sleep(0.1)
            continue
        made += 1
        server, _ = listener.accept()
        client.close()
        server.recv(1)
        server.close()
    lab.note("%d connections made, %d had no port" % (made, failed))
    return made, failed


@scenario(sysctls={"client": {"ip_local_port_range": "40000 40199", "tcp_tw_reuse": 0}}, hertz=5,
          expect=[found("port-exhaustion", "???")], allow=["time-wait-pileup", "fin-retransmitted"], forbid=CALM)
def ports_exhausted(lab):
    """A range of 200 ports, tcp_tw_reuse=0: after 200 connections connect() fails without a packet."""
    made, failed = use_ports(lab, 8)
    lab.must(made == 200 and failed > 5, "%d made, %d without a port" % (made, failed))
    lab.rest(3)


@scenario(sysctls={"client": {"ip_local_port_range": "40000 40199", "tcp_tw_reuse": 1}}, hertz=5,
          expect=[found("time-wait-reuse", "OOO", side="client", count=">=100"), found("port-exhaustion", "???")],
          allow=["time-wait-pileup", "fin-retransmitted"], forbid=CALM,
          counters={"client": {"TWRecycled": ">=100"}})
def ports_exhausted_reuse(lab):
    """A range of 200 ports and tcp_tw_reuse=1: every port can be used again after a second."""
    made, _ = use_ports(lab, 8)
    lab.must(made > 300, "only %d made" % made)
    lab.rest(3)
