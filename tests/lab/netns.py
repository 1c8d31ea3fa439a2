"""Hosts in network namespaces without names.

A namespace here is only a file descriptor: it disappears with the last process that is in it, so
nothing can be left behind, whatever kills the lab.  Every child dies with its parent (PR_SET_PDEATHSIG).
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import threading
import time

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG, PR_SET_TIMERSLACK = 1, 29
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
SEND_QUEUE, REPAIR_OFF_QUIETLY = 2, -1
LINGER_ZERO = struct.pack("ii", 1, 0)

libc = ctypes.CDLL(None, use_errno=True)

# Namespaces made below the nursery get a socket hash of their own: a dump of the machine's would
# walk 262144 buckets, twenty times a second, for every host.
CHILD_HASH = 4096
# What the small hash would scale down, back to what a machine of this size has.
MACHINE_SYSCTLS = {"net.ipv4.tcp_max_tw_buckets": 131072, "net.ipv4.tcp_max_syn_backlog": 2048,
                   "net.ipv4.tcp_congestion_control": "reno"}


def check(result):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def unshare_net():
    check(libc.unshare(CLONE_NEWNET))
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def enter_net(descriptor):
    check(libc.setns(descriptor, CLONE_NEWNET))


def die_with_parent(sig=signal.SIGKILL):
    libc.prctl(PR_SET_PDEATHSIG, sig, 0, 0, 0)


def hurry():
    """The calling thread is woken on time, as well as a busy machine lets it."""
    libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -10)


def write_sysctl(name, value):
    with open("/proc/sys/" + name.replace(".", "/"), "w") as file:
        file.write(str(value))


def read_counters():
    """The counters of the current namespace: {"Tcp.ActiveOpens": 3, "TcpExt.TW": 1, ...}."""
    counters = {}
    for name in ("snmp", "netstat"):
        with open("/proc/thread-self/net/" + name) as file:
            lines = file.read().splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            group = names.split(":")[0]
            if group in ("Tcp", "TcpExt"):
                for key, value in zip(names.split()[1:], values.split()[1:]):
                    counters["%s.%s" % (group, key)] = int(value)
    return counters


def silent_close(sock):
    """The socket is gone and nobody was told: what a crash or a reboot leaves."""
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    sock.close()


def choose_isn(sock, isn):
    """The coming connect() will use this initial sequence number."""
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, SEND_QUEUE)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, struct.pack("=I", isn & 0xFFFFFFFF))
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, struct.pack("=i", REPAIR_OFF_QUIETLY))


def abort_close(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    sock.close()


class Nursery:
    """The namespace from which those of a scenario are made; the process lives in it."""

    def __init__(self):
        self.descriptor = unshare_net()
        write_sysctl("net.ipv4.tcp_child_ehash_entries", CHILD_HASH)


class Host:
    """A namespace with one TAP device, eth0, whose other end the wire holds."""

    def __init__(self, nursery, name, address, mac, peer_address, peer_mac, ipv6=False, sysctls=(), tap=True):
        self.nursery, self.name, self.address, self.mac, self.ipv6 = nursery, name, address, mac, ipv6
        enter_net(nursery.descriptor)
        self.descriptor = unshare_net()
        try:
            if not ipv6:
                write_sysctl("net.ipv6.conf.all.disable_ipv6", 1)
                write_sysctl("net.ipv6.conf.default.disable_ipv6", 1)
            else:
                write_sysctl("net.ipv6.conf.default.accept_dad", 0)
                write_sysctl("net.ipv6.conf.default.router_solicitations", 0)
            for key, value in list(MACHINE_SYSCTLS.items()) + list(dict(sysctls).items()):
                write_sysctl(key, value)
            self.tap = self._make_tap(peer_address, peer_mac) if tap else None
            self.before = read_counters()
        finally:
            enter_net(nursery.descriptor)

    def _make_tap(self, peer_address, peer_mac):
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"eth0", IFF_TAP | IFF_NO_PI))
        prefix = 64 if self.ipv6 else 24
        ip_batch(["link set lo up", "link set eth0 address %s up" % self.mac,
                  "addr add %s/%d dev eth0%s" % (self.address, prefix, " nodad" if self.ipv6 else ""),
                  "route replace %s dev eth0" % peer_address,
                  "neigh replace %s lladdr %s dev eth0 nud permanent" % (peer_address, peer_mac)])
        return tap

    @contextlib.contextmanager
    def inside(self):
        """The calling thread is in this host: sockets and processes made now belong to it."""
        enter_net(self.descriptor)
        try:
            yield self
        finally:
            enter_net(self.nursery.descriptor)

    @property
    def family(self):
        return socket.AF_INET6 if self.ipv6 else socket.AF_INET

    def socket(self, port=None, **options):
        """A TCP socket of this host; with a port it is bound to it (as a client that fixes its port does)."""
        with self.inside():
            made = socket.socket(self.family, socket.SOCK_STREAM)
        made.settimeout(30)
        if port:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((self.address, port))
        return made

    def listen(self, port, backlog=128):
        listener = self.socket(port)
        listener.listen(backlog)
        return listener

    def sysctl(self, name, value):
        with self.inside():
            write_sysctl("net.ipv4." + name, value)

    def sysctls(self):
        """What `sysctl -a` says of net.ipv4 here, as far as TCP is concerned."""
        lines = []
        with self.inside():
            for name in sorted(os.listdir("/proc/sys/net/ipv4")):
                if name.startswith(("tcp_", "ip_local_")) and not name.endswith("_key"):
                    with contextlib.suppress(OSError), open("/proc/sys/net/ipv4/" + name) as file:
                        lines.append("net.ipv4.%s = %s" % (name, " ".join(file.read().split())))
        return "\n".join(lines) + "\n"

    def run(self, *command, check=True, text=None):
        with self.inside():
            return subprocess.run(command, check=check, input=text, capture_output=True, text=True)

    def spawn(self, *command, **options):
        with self.inside():
            return subprocess.Popen(command, preexec_fn=die_with_parent, **options)

    def kill_sockets(self, *expression):
        """`ss -K`: destroy matching sockets (it needs CONFIG_INET_DIAG_DESTROY)."""
        self.run("ss", "-K", *expression)

    def counters(self):
        with self.inside():
            after = read_counters()
        return {key: {"before": self.before[key], "after": after[key], "difference": after[key] - self.before[key]}
                for key in after if after[key] != self.before[key]}

    def start_capture(self, path, device="eth0"):
        """A tcpdump that has begun to listen."""
        process = self.spawn("tcpdump", "-i", device, "-n", "-U", "--immediate-mode", "-s", "2048", "-B", "8192",
                             "-Z", "root", "-w", path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for line in process.stderr:
            if b"listening on" in line:
                return process
        raise RuntimeError("tcpdump did not start on %s" % self.name)


def stop_capture(process):
    """Ends a tcpdump; the number of packets the kernel dropped, which has to be 0."""
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    for line in errors.decode().splitlines():
        if "dropped by kernel" in line:
            return int(line.split()[0])
    return None


def ip_batch(commands):
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands) + "\n", text=True, check=True, capture_output=True)


def join_hosts(left, right, left_name, right_name):
    """A veth pair between two hosts (for what lies behind a gateway)."""
    with left.inside():
        ip_batch(["link add %s type veth peer name %s netns /proc/%d/fd/%d" %
                  (left_name, right_name, os.getpid(), right.descriptor)])
