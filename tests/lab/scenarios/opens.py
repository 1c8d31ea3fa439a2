"""Attempts: refused, unanswered, late, overflowing queues, cookies, floods, scans, simultaneous open."""

import contextlib
import errno
import random
import time

from lab import PORT, found, scenario
from netns import ip_batch
from packet import FIN, PSH, SYN, URG, build, mss
from wire import C2S, S2C, pure_ack, syn, syn_ack

NO_OLD_LIFE = ["recycled-port-rst", "timestamp-rejected-syn", "time-wait-reuse", "half-open", "abortive-close",
               "challenge-ack", "injected-rst"]


def attempt(lab, port, host=None):
    """connect() and what came of it."""
    sock = lab.keep((host or lab.client).socket())
    sock.settimeout(None)
    begun = time.monotonic()
    try:
        sock.connect((lab.address(2), port))
        outcome = "connected"
    except OSError as error:
        outcome = errno.errorcode.get(error.errno, str(error))
    lab.note("connect to %d: %s after %.3f s" % (port, outcome, time.monotonic() - begun))
    return sock, outcome


@scenario(expect=[found("syn-refused", "OOO")], forbid=NO_OLD_LIFE,
          counters={"client": {"AttemptFails": 1}})
def open_refused(lab):
    """Nobody listens: RST with ACK."""
    _, outcome = attempt(lab, PORT)
    lab.must(outcome == "ECONNREFUSED", outcome)
    lab.rest(2)


@scenario(ipv6=True, expect=[found("syn-refused", "OOO")], forbid=NO_OLD_LIFE)
def open_refused_ipv6(lab):
    """Nobody listens, over IPv6."""
    _, outcome = attempt(lab, PORT)
    lab.must(outcome == "ECONNREFUSED", outcome)
    lab.rest(2)


@scenario(sysctls={"client": {"tcp_syn_retries": 2}}, expect=[found("syn-unanswered", "EE-")],
          forbid=NO_OLD_LIFE + ["syn-queue-overflow", "accept-queue-overflow"], counters={"client": {"TCPSynRetrans": ">=2"}})
def open_black_hole(lab):
    """Every SYN is lost after the middle; tcp_syn_retries=2."""
    lab.wire.cut_link(C2S, "after")
    lab.cannot_show(lab.client, "tcp_syn_retries=2: given up without a packet")
    _, outcome = attempt(lab, PORT)
    lab.must(outcome == "ETIMEDOUT", outcome)
    lab.rest(2)


@scenario(limit=190, expect=[found("syn-unanswered", "EEE")], forbid=NO_OLD_LIFE)
def open_black_hole_filtered(lab):
    """The server's firewall drops the SYNs, with the default retries of the client (about 131 s)."""
    lab.server.run("nft", "-f", "-", text=DROP % PORT)
    _, outcome = attempt(lab, PORT)
    lab.must(outcome == "ETIMEDOUT", outcome)
    lab.rest(2)


DROP = """
table inet filter {
    chain input {
        type filter hook input priority 0;
        tcp dport %d drop
    }
}
"""


@scenario(expect=[found("syn-retransmitted", "EE-")], forbid=NO_OLD_LIFE + ["syn-unanswered"],
          counters={"client": {"TCPSynRetrans": 1}})
def open_syn_lost(lab):
    """The first SYN is lost after the middle: connect() takes one second."""
    lab.wire.drop(C2S, syn, where="after")
    client, server = lab.pair()
    lab.talk(client, server)
    lab.close_both(client, server)
    lab.rest(2)


@scenario(expect=[found("syn-retransmitted", "EEE")], forbid=NO_OLD_LIFE + ["syn-unanswered", "accept-queue-overflow"],
          counters={"server": {"TCPSynRetrans": ">=1"}})
def open_syn_ack_lost(lab):
    """The SYN-ACK is lost after the middle."""
    lab.wire.drop(S2C, syn_ack, where="after")
    client, server = lab.pair()
    lab.talk(client, server)
    lab.close_both(client, server)
    lab.rest(2)


@scenario(forbid=NO_OLD_LIFE + ["syn-unanswered", "accept-queue-overflow"], allow=["syn-retransmitted"])
def open_handshake_ack_lost(lab):
    """The third segment is lost and the client is silent: SYN-ACK repeated after a second, ACKed again."""
    lab.wire.drop(C2S, pure_ack, where="after")
    listener = lab.listen()
    client = lab.dial()
    time.sleep(1.5)
    server = lab.accept(listener)
    lab.talk(client, server)
    lab.close_both(client, server)
    lab.rest(2)


@scenario(limit=150, forbid=["recycled-port-rst", "syn-refused"], allow=["half-open", "syn-unanswered", "abortive-close"],
          sysctls={"server": {"tcp_synack_retries": 3}})
def open_half_open_given_up(lab):
    """The SYN-ACK never arrives, the client gives up after a second: SYN_RECV until its retries (3) are over."""
    lab.wire.drop(S2C, syn_ack, where="after", count=None)
    lab.listen()
    sock = lab.client.socket()
    sock.settimeout(0.9)
    lab.cannot_show(lab.client, "closed in SYN_SENT: the attempt ended without a packet")
    lab.cannot_show(lab.server, "tcp_synack_retries=3: given up without a packet")
    try:
        sock.connect((lab.address(2), PORT))
    except OSError:
        pass
    sock.close()
    lab.rest(25)


@scenario(expect=[found("simultaneous-open", "OOO")], delay=(0.020, 0.020),
          forbid=NO_OLD_LIFE + ["syn-unanswered", "syn-retransmitted", "syn-refused"])
def open_simultaneous(lab):
    """Both ends connect to each other; the SYNs cross."""
    one, two = lab.keep(lab.client.socket(5001)), lab.keep(lab.server.socket(5002))
    one.setblocking(False)
    two.setblocking(False)
    one.connect_ex((lab.address(2), 5002))
    two.connect_ex((lab.address(7), 5001))
    time.sleep(0.2)
    one.setblocking(True)
    two.setblocking(True)
    lab.talk(one, two)
    lab.close_both(one, two)
    lab.rest(2)


# --- answers that do not fit ---------------------------------------------------------------------------

NOT_REFUSED = NO_OLD_LIFE + ["syn-refused", "syn-queue-overflow", "accept-queue-overflow"]


# Next to the server the SYN-ACK had not been changed yet.
TIMESTAMP = {"client": "timestamp", "middle": "timestamp", "server": None}
NUMBER = {"client": "acknowledgement", "middle": "acknowledgement", "server": None}

# The client's RST does not fit the server's request, which answers it by a challenge ACK.
NUMBERS_REFUSED = [kind for kind in NOT_REFUSED if kind != "challenge-ack"]


def invent_echo(packet):
    return packet.changed(tsecr=12345)


def invent_ack(packet):
    return packet.changed(ack=packet.ack + 1000)


@scenario(expect=[found("syn-retransmitted", "OOO", cause="answer-rejected", misfit=TIMESTAMP)], forbid=NOT_REFUSED,
          crafted="the first SYN-ACK was given another TSecr", counters={"client": {"PAWSActive": 1, "TCPSynRetrans": 1}})
def answer_with_an_invented_echo(lab):
    """The first SYN-ACK echoes a timestamp that the client never sent: it resets that, and sends its SYN again."""
    lab.wire.rewrite(S2C, syn_ack, invent_echo, count=1)
    client, server = lab.pair()
    lab.talk(client, server)
    lab.close_both(client, server)
    lab.rest(2)


@scenario(sysctls={"client": {"tcp_syn_retries": 2}}, forbid=NOT_REFUSED + ["syn-retransmitted"],
          expect=[found("syn-unanswered", "OOO", cause="answer-rejected", misfit=TIMESTAMP)],
          crafted="the SYN-ACKs were given another TSecr", counters={"client": {"PAWSActive": ">=3", "TCPSynRetrans": ">=2"}})
def answers_with_an_invented_echo(lab):
    """Every SYN-ACK echoes a timestamp that the client never sent."""
    lab.listen()
    lab.wire.rewrite(S2C, syn_ack, invent_echo)
    lab.cannot_show(lab.client, "tcp_syn_retries=2: given up without a packet")
    _, outcome = attempt(lab, PORT)
    lab.must(outcome == "ETIMEDOUT", outcome)
    lab.rest(2)


@scenario(expect=[found("syn-retransmitted", "OOO", cause="answer-rejected", misfit=NUMBER)],
          forbid=NUMBERS_REFUSED, allow=["challenge-ack"],
          crafted="the first SYN-ACK was given another acknowledgement number", counters={"client": {"TCPSynRetrans": ">=1"}})
def answer_with_an_invented_ack(lab):
    """The first SYN-ACK acknowledges what the client never sent: it resets that, and Linux sends its SYN again at once."""
    lab.wire.rewrite(S2C, syn_ack, invent_ack, count=1)
    client, server = lab.pair()
    lab.talk(client, server)
    lab.close_both(client, server)
    lab.rest(2)


@scenario(sysctls={"client": {"tcp_syn_retries": 2}}, forbid=NUMBERS_REFUSED + ["syn-retransmitted"],
          allow=["challenge-ack"], expect=[found("syn-unanswered", "OOO", cause="answer-rejected", misfit=NUMBER)],
          crafted="the SYN-ACKs were given another acknowledgement number")
def answers_with_an_invented_ack(lab):
    """Every SYN-ACK acknowledges what the client never sent."""
    lab.listen()
    lab.wire.rewrite(S2C, syn_ack, invent_ack)
    lab.cannot_show(lab.client, "tcp_syn_retries=2: given up without a packet")
    _, outcome = attempt(lab, PORT)
    lab.must(outcome == "ETIMEDOUT", outcome)
    lab.rest(2)


@scenario(sysctls={"client": {"tcp_syn_retries": 2}}, forbid=NOT_REFUSED + ["syn-retransmitted"],
          expect=[found("syn-unanswered", "OOO", cause="answer-rejected", misfit=None)])
def answers_rejected_by_a_filter(lab):
    """A packet filter before the client rejects the SYN-ACKs in its name (REJECT --reject-with tcp-reset)."""
    lab.listen()
    lab.client.run("nft", "-f", "-", text=REJECT_ANSWERS)
    lab.cannot_show(lab.client, "tcp_syn_retries=2: given up without a packet")
    _, outcome = attempt(lab, PORT)
    lab.must(outcome == "ETIMEDOUT", outcome)
    lab.rest(2)


REJECT_ANSWERS = """
table inet filter {
    chain input {
        type filter hook input priority 0;
        tcp flags & (syn | ack) == (syn | ack) reject with tcp reset
    }
}
"""


# --- queues ----------------------------------------------------------------------------------------------

def fill(lab, backlog, **sysctls):
    """A listener that accepts nothing and is full."""
    listener = lab.listen(PORT, backlog)
    for _ in range(backlog + 1):
        lab.dial()
    return listener


@scenario(sysctls={"client": {"tcp_syn_retries": 3}}, limit=120,
          expect=[found(["accept-queue-overflow", "syn-queue-overflow"], "IIE", count=">=3")],
          allow=["syn-unanswered", "syn-retransmitted", "close-wait-leak", "slow-close"],
          forbid=["recycled-port-rst", "syn-refused", "half-open", "timestamp-rejected-syn"],
          counters={"server": {"ListenOverflows": ">=3", "ListenDrops": ">=3"}})
def queue_accept_full(lab):
    """Backlog 3 and nobody accepts: the fifth to seventh SYN are dropped.  Another service of the host answers
    meanwhile.  After 4 s the application accepts again and the waiting attempts succeed."""
    other = lab.listen(PORT + 1)
    listener = fill(lab, 3)
    waiting = [lab.keep(lab.client.socket()) for _ in range(3)]
    for sock in waiting:
        sock.setblocking(False)
        sock.connect_ex((lab.address(2), PORT))
        time.sleep(0.3)
    for _ in range(4):
        client, server = lab.pair(port=PORT + 1)
        lab.talk(client, server)
        lab.close_both(client, server)
        time.sleep(0.6)
    accepted = [lab.accept(listener) for _ in range(7)]
    time.sleep(1)
    lab.must(all(sock.fileno() >= 0 for sock in accepted), "not all were accepted")
    lab.rest(3)


@scenario(limit=120, expect=[found("accept-queue-overflow", "??O", count=">=1")], delay=(0.010, 0.010),
          allow=["syn-unanswered", "syn-retransmitted", "syn-queue-overflow"],
          forbid=["recycled-port-rst", "syn-refused", "timestamp-rejected-syn", "half-open"],
          counters={"server": {"ListenOverflows": ">=1"}})
def queue_accept_full_in_flight(lab):
    """Three connections wait in a queue of 6 (backlog 5), five SYNs are in flight together: two clients are ESTAB whose
    last ACK was ignored; the server repeats its SYN-ACK until the application accepts."""
    listener = lab.listen(PORT, 5)
    clients = [lab.dial() for _ in range(3)] + [lab.keep(lab.client.socket()) for _ in range(5)]
    for sock in clients[3:]:
        sock.setblocking(False)
        sock.connect_ex((lab.address(2), PORT))
    time.sleep(2.5)
    listener.settimeout(3)
    accepted = 0
    with contextlib.suppress(OSError):
        while accepted < len(clients):
            lab.keep(listener.accept()[0])
            accepted += 1
    lab.note("%d accepted" % accepted)
    lab.rest(6)


@scenario(limit=120, expect=[found("accept-queue-overflow", "III", count=2, mechanism="ack-reset")], delay=(0.010, 0.010),
          sysctls={"server": {"tcp_abort_on_overflow": 1}},
          allow=["syn-retransmitted", "syn-queue-overflow"],
          forbid=["recycled-port-rst", "timestamp-rejected-syn", "half-open", "abortive-close"],
          counters={"server": {"ListenOverflows": ">=3", "EmbryonicRsts": 2}})
def queue_accept_full_abort(lab):
    """As queue-accept-full-in-flight with tcp_abort_on_overflow=1: the last ACK draws RST.  A SYN that comes then is
    dropped all the same, until the application accepts after 2.5 s."""
    listener = lab.listen(PORT, 5)
    clients = [lab.dial() for _ in range(3)] + [lab.keep(lab.client.socket()) for _ in range(6)]
    for sock in clients[3:]:
        sock.setblocking(False)
        if sock is clients[-1]:
            time.sleep(0.1)
        sock.connect_ex((lab.address(2), PORT))
    time.sleep(2.5)
    for _ in range(7):
        lab.accept(listener)
    lab.rest(6)


@scenario(limit=120, delay=(0.010, 0.010), sysctls={"server": {"tcp_abort_on_overflow": 1}}, allow=["abortive-close"],
          expect=[found("accept-queue-overflow", "???", count=2)],
          counters={"server": {"ListenOverflows": 2, "EmbryonicRsts": 2}})
def queue_accept_full_abort_only(lab):
    """The same without anything afterwards: so would a program look that stops to listen in that moment."""
    lab.listen(PORT, 5)
    clients = [lab.dial() for _ in range(3)] + [lab.keep(lab.client.socket()) for _ in range(5)]
    for sock in clients[3:]:
        sock.setblocking(False)
        sock.connect_ex((lab.address(2), PORT))
    lab.rest(3)


@scenario(limit=120, delay=(0.010, 0.010), allow=["abortive-close"], expect=[found("syn-refused", "OOO")],
          forbid=["accept-queue-overflow", "half-open", "recycled-port-rst", "injected-rst"])
def queue_listener_closed(lab):
    """The look-alike: the listener is closed while a handshake is under way, and the next attempt is refused."""
    listener = lab.listen(PORT, 5)
    sock = lab.keep(lab.client.socket())
    sock.setblocking(False)
    sock.connect_ex((lab.address(2), PORT))
    time.sleep(0.015)
    listener.close()
    time.sleep(0.1)
    _, outcome = attempt(lab, PORT)
    lab.must(outcome == "ECONNREFUSED", outcome)
    lab.rest(3)


@scenario(limit=120, sysctls={"server": {"tcp_syncookies": 0, "tcp_max_syn_backlog": 8}, "client": {"tcp_syn_retries": 2}},
          expect=[found(["syn-queue-overflow"], "??E", count=">=1")],
          allow=["syn-unanswered", "syn-retransmitted", "syn-flood", "half-open", "accept-queue-overflow", "abortive-close"],
          forbid=["recycled-port-rst", "timestamp-rejected-syn"],
          counters={"server": {"ListenDrops": ">=1", "SyncookiesSent": 0}})
def queue_syn_full(lab):
    """Cookies off: half-open attempts from absent sources fill the SYN queue (backlog 8), a client's SYN is dropped.
    Another service answers meanwhile."""
    route_back(lab)
    lab.listen(PORT, 8)
    spoof(lab, 12)
    time.sleep(0.1)
    client, server = lab.pair(port=PORT + 1)
    lab.talk(client, server)
    sock = lab.keep(lab.client.socket())
    sock.setblocking(False)
    sock.connect_ex((lab.address(2), PORT))
    time.sleep(2)
    lab.close_both(client, server)
    lab.rest(6)


def spoof(lab, count, port=PORT, gap=0.0, seed=1):
    """SYNs from addresses where nobody is."""
    chance = random.Random(seed)
    for number in range(count):
        source = "172.%d.%d.%d" % (16 + number % 16, chance.randrange(256), chance.randrange(1, 255))
        frame = build((source, chance.randrange(1024, 65535)), (lab.address(2), port), SYN, seq=chance.randrange(2**32), options=mss(1460), ttl=64,
                      macs=tuple(bytes.fromhex(mac.replace(":", "")) for mac in (lab.client.mac, lab.server.mac)))
        lab.wire.inject(C2S, frame, "before")
        if gap:
            time.sleep(gap)


def route_back(lab):
    """The server answers sources that do not exist into the wire, where their answers end."""
    with lab.server.inside():
        ip_batch(["route add 172.16.0.0/12 via %s" % lab.address(7)])
    lab.client.run("nft", "-f", "-", text=NOBODY)


NOBODY = """
table inet filter {
    chain prerouting {
        type filter hook prerouting priority -300;
        ip daddr 172.16.0.0/12 drop
    }
}
"""


@scenario(limit=120, expect=[found("accept-queue-overflow", "??I", count=4, mechanism="cookie-ignored")],
          delay=(0.010, 0.010),
          allow=["syn-unanswered", "syn-retransmitted", "syn-queue-overflow", "half-open", "retransmission-timeout",
                 "abortive-close"],
          forbid=["recycled-port-rst", "timestamp-rejected-syn"],
          counters={"server": {"SyncookiesSent": ">=1"}})
def queue_cookies(lab):
    """Backlog 1 and six SYNs together: the kernel answers with cookies; clients are ESTAB, their data is unanswered, the
    server holds nothing.  The two that got in are answered all the time."""
    lab.listen(PORT, 1)
    lab.cannot_show(lab.server, "SYN cookies: nothing is held")
    clients = [lab.keep(lab.client.socket()) for _ in range(6)]
    for sock in clients:
        sock.setblocking(False)
        sock.connect_ex((lab.address(2), PORT))
    for pause in (0.5, 2.5):
        time.sleep(pause)
        for sock in clients:
            with contextlib.suppress(OSError):
                sock.send(b"q" * 120)
    lab.rest(8)


@scenario(limit=120, expect=[found("syn-flood", "-OO", host="server")], hertz=5,
          allow=["syn-unanswered", "syn-queue-overflow", "half-open"],
          forbid=["recycled-port-rst", "timestamp-rejected-syn", "scan"],
          counters={"server": {"SyncookiesSent": ">=1"}})
def flood(lab):
    """800 SYNs from as many absent sources in 4 s, entering before the middle; one real client connects during it."""
    route_back(lab)
    lab.listen(PORT, 64)
    lab.cannot_show(lab.server, "SYN cookies: nothing is held")
    spoof(lab, 400, gap=0.005)
    client, server = lab.pair()
    lab.talk(client, server)
    spoof(lab, 400, gap=0.005, seed=2)
    lab.close_both(client, server)
    lab.rest(15)


@scenario(expect=[found("scan", "EEE")], allow=["syn-refused", "simultaneous-close"],
          forbid=NO_OLD_LIFE[:3] + ["half-open", "syn-flood", "injected-rst"])
def scan(lab):
    """One client tries 300 ports; three of them are open, and closed from both sides at once: the FINs cross."""
    for port in (8100, 8200, 8300):
        lab.listen(port)
    for port in range(8050, 8350):
        sock = lab.client.socket()
        try:
            sock.connect((lab.address(2), port))
            lab.accept(lab.listen(port)).close()
        except OSError:
            pass
        sock.close()
    lab.rest(3)


def forge(lab, port, flags, number, source_port=61000):
    """A segment in the client's name that its kernel knows nothing of."""
    frame = build((lab.address(7), source_port), (lab.address(2), port), flags, seq=77000 + 31 * number, ttl=64,
                  macs=tuple(bytes.fromhex(mac.replace(":", "")) for mac in (lab.client.mac, lab.server.mac)))
    lab.wire.inject(C2S, frame, "before")


def scan_without_syns(lab, flags):
    """100 ports, of which three are open: these say nothing, and are asked twice."""
    opened = (8100, 8120, 8140)
    for port in opened:
        lab.listen(port)
    for number, port in enumerate(range(8050, 8150)):
        forge(lab, port, flags, number)
        time.sleep(0.01)
    for number, port in enumerate(opened):
        forge(lab, port, flags, 100 + number, 61001)
    lab.rest(3)


WITHOUT_SYNS = {"expect": [found("scan", "-OO", host="client", form="ports", targets=100, refused=97)],
                "crafted": "the segments, which no kernel sends", "counters": {"server": {"OutRsts": 97}}}


@scenario(**WITHOUT_SYNS)
def scan_fin(lab):
    """Bare FINs to 100 ports."""
    scan_without_syns(lab, FIN)


@scenario(**WITHOUT_SYNS)
def scan_null(lab):
    """Segments without any flag to 100 ports."""
    scan_without_syns(lab, 0)


@scenario(**WITHOUT_SYNS)
def scan_xmas(lab):
    """FIN, PSH and URG to 100 ports."""
    scan_without_syns(lab, FIN | PSH | URG)


@scenario(crafted="the SYNs in the client's name", allow=["syn-refused"],
          forbid=["scan", "syn-flood", "abortive-close", "half-open", "recycled-port-rst", "challenge-ack", "injected-rst"],
          counters={"client": {"OutRsts": 60}, "server": {"EmbryonicRsts": 60, "OutRsts": 60}})
def backscatter(lab):
    """Somebody sends SYNs in the client's name, to a service and to a closed port: the client gets SYN-ACKs, which it
    answers by RST, and RSTs, and has done nothing."""
    lab.listen()
    for number in range(60):
        forge(lab, PORT, SYN, number, 30000 + number)
        forge(lab, PORT + 1, SYN, number, 30100 + number)
        time.sleep(0.01)
    lab.rest(3)
