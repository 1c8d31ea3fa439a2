"""The kernel's socket tables through sock_diag, sampled in a process of its own.

One line a sample: {"time": seconds, "until": seconds, "host": address, "sockets": [[local address,
local port, remote address, remote port, state], ...]}.  The dump happened between the two times
(CLOCK_REALTIME, the clock of the captures).  A large table is written in full only now and then, and
as {"counts": {state: number}} in between.
"""

import json
import os
import signal
import socket
import struct
import time

from netns import die_with_parent, enter_net

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
NLM_F_REQUEST, NLM_F_DUMP, NLMSG_DONE, NLMSG_ERROR = 1, 0x300, 3, 2
STATES = {1: "ESTAB", 2: "SYN-SENT", 3: "SYN-RECV", 4: "FIN-WAIT-1", 5: "FIN-WAIT-2", 6: "TIME-WAIT",
          8: "CLOSE-WAIT", 9: "LAST-ACK", 10: "LISTEN", 11: "CLOSING", 12: "SYN-RECV"}
STATE_MASK = sum(1 << number for number in STATES)


class Table:
    """The socket table of one namespace."""

    def __init__(self, host):
        enter_net(host.descriptor)
        self.netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
        self.netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        enter_net(host.nursery.descriptor)
        self.address = host.address
        self.families = [socket.AF_INET6] if host.ipv6 else [socket.AF_INET]

    def dump(self):
        sockets = []
        for family in self.families:
            request = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 0, STATE_MASK) + bytes(48)
            header = struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
            self.netlink.send(header + request)
            while not self._read(sockets):
                pass
        return sockets

    def _read(self, sockets):
        """One message batch; True when the dump is complete."""
        data = self.netlink.recv(1 << 18)
        at = 0
        while at < len(data):
            length, kind = struct.unpack_from("=IH", data, at)
            if kind in (NLMSG_DONE, NLMSG_ERROR):
                return True
            family, state = data[at + 16], data[at + 17]
            local_port, remote_port = struct.unpack_from("!HH", data, at + 20)
            size = 16 if family == socket.AF_INET6 else 4
            if state in STATES:
                sockets.append([socket.inet_ntop(family, data[at + 24:at + 24 + size]), local_port,
                                socket.inet_ntop(family, data[at + 40:at + 40 + size]), remote_port, STATES[state]])
            at += (length + 3) & ~3
        return False


def start_sampler(hosts, directory, hertz=20, full_every=1):
    """Forks the sampler; its process id.  SIGTERM ends it after a whole line."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        die_with_parent()
        sample_until_told(hosts, directory, hertz, full_every)
        status = 0
    finally:
        os._exit(status)


def stop_sampler(child):
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)


def sample_until_told(hosts, directory, hertz, full_every):
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(True))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tables = [Table(host) for host in hosts]
    files = [open("%s/truth-%s.ndjson" % (directory, host.name), "w") for host in hosts]
    due, count = time.monotonic(), 0
    while not told:
        for table, file in zip(tables, files):
            file.write(sample(table, count % full_every == 0) + "\n")
        count += 1
        due = max(due + 1 / hertz, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
    for file in files:
        file.close()


def sample(table, full):
    before = time.time()
    sockets = table.dump()
    after = time.time()
    line = {"time": round(before, 6), "until": round(after, 6), "host": table.address}
    if full:
        line["sockets"] = sorted(sockets)
    else:
        counts = {}
        for entry in sockets:
            counts[entry[4]] = counts.get(entry[4], 0) + 1
        line["counts"] = counts
    return json.dumps(line, separators=(",", ":"))
