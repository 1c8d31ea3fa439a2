"""Ethernet/IP/TCP frames, as little of them as the lab needs: read, change, build.

A Packet is parsed once, when it enters the wire.  Rules look at its fields; a rule that
changes a packet calls rebuild(), which makes the checksums right again.
"""

import socket
import struct

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
ETH_IP4, ETH_IP6 = 0x0800, 0x86DD


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def seq_add(a, b):
    return (a + b) & 0xFFFFFFFF


def seq_diff(a, b):
    """a - b as a signed 32-bit number: positive when a is newer."""
    return ((a - b + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def parse_options(data):
    """[(kind, payload)], stopping at the first malformed one."""
    options, at = [], 0
    while at < len(data) and data[at] != 0:
        if data[at] == 1:
            at += 1
            continue
        if at + 1 >= len(data) or data[at + 1] < 2 or at + data[at + 1] > len(data):
            break
        options.append((data[at], data[at + 2:at + data[at + 1]]))
        at += data[at + 1]
    return options


class Packet:
    """One frame.  `tcp` is False for what is not an unfragmented TCP segment; such frames only pass."""

    def __init__(self, frame):
        self.frame = frame
        self.tcp = False
        self.eth_type = struct.unpack_from("!H", frame, 12)[0]
        if self.eth_type == ETH_IP4 and len(frame) >= 54 and frame[23] == 6:
            header = (frame[14] & 15) * 4
            self.src, self.dst = (socket.inet_ntop(socket.AF_INET, frame[o:o + 4]) for o in (26, 30))
            self.end = 14 + struct.unpack_from("!H", frame, 16)[0]
            self.ip_id = struct.unpack_from("!H", frame, 18)[0]
            self._parse_tcp(14 + header)
        elif self.eth_type == ETH_IP6 and len(frame) >= 74 and frame[20] == 6:
            self.src, self.dst = (socket.inet_ntop(socket.AF_INET6, frame[o:o + 16]) for o in (22, 38))
            self.end = 54 + struct.unpack_from("!H", frame, 18)[0]
            self._parse_tcp(54)

    def _parse_tcp(self, at):
        self.tcp = True
        self.at = at
        (self.sport, self.dport, self.seq, self.ack, offset, self.flags,
         self.window) = struct.unpack_from("!HHIIBBH", self.frame, at)
        self.data_at = at + (offset >> 4) * 4
        self.payload = self.frame[self.data_at:self.end]
        self.options = parse_options(self.frame[at + 20:self.data_at])
        self.tsval = self.tsecr = None
        for kind, value in self.options:
            if kind == 8 and len(value) == 8:
                self.tsval, self.tsecr = struct.unpack("!II", value)

    @property
    def length(self):
        """Sequence space: data, and one each for SYN and FIN."""
        return len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)

    @property
    def seq_end(self):
        return seq_add(self.seq, self.length)

    def has(self, flags):
        return self.tcp and self.flags & flags == flags

    @property
    def is_syn(self):
        return self.tcp and self.flags & (SYN | ACK) == SYN

    @property
    def is_syn_ack(self):
        return self.has(SYN | ACK)

    @property
    def is_fin(self):
        return self.has(FIN)

    @property
    def is_rst(self):
        return self.has(RST)

    @property
    def is_pure_ack(self):
        return self.tcp and self.flags & (SYN | FIN | RST | ACK) == ACK and not self.payload

    @property
    def has_data(self):
        return self.tcp and bool(self.payload)

    def changed(self, **fields):
        """A copy with other seq, ack, tsval, tsecr, flags or window; checksums made right."""
        frame = bytearray(self.frame[:self.end])
        for name, (code, offset) in {"seq": ("!I", 4), "ack": ("!I", 8), "flags": ("!B", 13),
                                     "window": ("!H", 14)}.items():
            if name in fields:
                struct.pack_into(code, frame, self.at + offset, fields[name] & (0xFFFFFFFF if code == "!I" else 0xFFFF))
        at = self.at + 20
        while at < self.data_at and frame[at] != 0:
            if frame[at] == 1:
                at += 1
                continue
            if frame[at] == 8:
                if "tsval" in fields:
                    struct.pack_into("!I", frame, at + 2, fields["tsval"] & 0xFFFFFFFF)
                if "tsecr" in fields:
                    struct.pack_into("!I", frame, at + 6, fields["tsecr"] & 0xFFFFFFFF)
            at += frame[at + 1]
        set_tcp_checksum(frame, self.at, self.eth_type)
        return Packet(bytes(frame))

    def __str__(self):
        if not self.tcp:
            return "frame type %04x, %d bytes" % (self.eth_type, len(self.frame))
        flags = "".join(c for bit, c in zip((FIN, SYN, RST, PSH, ACK), "FSRPA") if self.flags & bit)
        stamp = "" if self.tsval is None else " v=%d e=%d" % (self.tsval, self.tsecr)
        return "%s:%d > %s:%d %s s=%d a=%d len=%d w=%d%s" % (
            self.src, self.sport, self.dst, self.dport, flags, self.seq, self.ack,
            len(self.payload), self.window, stamp)


def set_tcp_checksum(frame, at, eth_type):
    struct.pack_into("!H", frame, at + 16, 0)
    segment = bytes(frame[at:])
    if eth_type == ETH_IP4:
        pseudo = bytes(frame[26:34]) + struct.pack("!HH", 6, len(segment))
    else:
        pseudo = bytes(frame[22:54]) + struct.pack("!II", len(segment), 6)
    struct.pack_into("!H", frame, at + 16, checksum(pseudo + segment))


def timestamps(value, echo):
    return struct.pack("!BBBBII", 1, 1, 8, 10, value & 0xFFFFFFFF, echo & 0xFFFFFFFF)


def mss(value):
    return struct.pack("!BBH", 2, 4, value)


def build(source, destination, flags, seq=0, ack=0, window=64240, options=b"", payload=b"", ttl=64, macs=None,
          ip_id=0):
    """A frame; source and destination are (address, port)."""
    macs = macs or (b"\2\0\0\0\0\1", b"\2\0\0\0\0\2")
    (src, sport), (dst, dport) = source, destination
    options += b"\0" * (-len(options) % 4)
    tcp = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                      (5 + len(options) // 4) << 4, flags, window, 0, 0) + options + payload
    if ":" in src:
        ip = struct.pack("!IHBB", 0x60000000, len(tcp), 6, ttl)
        ip += socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
        eth_type = ETH_IP6
    else:
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), ip_id, 0x4000, ttl, 6, 0,
                         socket.inet_aton(src), socket.inet_aton(dst))
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        eth_type = ETH_IP4
    frame = bytearray(macs[1] + macs[0] + struct.pack("!H", eth_type) + ip + tcp)
    set_tcp_checksum(frame, 14 + len(ip), eth_type)
    return bytes(frame)


class PcapWriter:
    """A classic microsecond pcap of Ethernet frames, flushed at every packet."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))

    def write(self, time_ns, frame):
        self.file.write(struct.pack("<IIII", time_ns // 10**9, time_ns % 10**9 // 1000, len(frame), len(frame)) + frame)
        self.file.flush()

    def close(self):
        self.file.close()


def read_pcap(path):
    with open(path, "rb") as file:
        return parse_pcap(file.read())


def parse_pcap(data):
    """[(time_ns, frame)] of a pcap as this lab and tcpdump here write it: little endian, microseconds."""
    packets, at = [], 24
    while at + 16 <= len(data):
        seconds, micros, captured, _ = struct.unpack_from("<IIII", data, at)
        if at + 16 + captured > len(data):
            break
        packets.append((seconds * 10**9 + micros * 1000, data[at + 16:at + 16 + captured]))
        at += 16 + captured
    return packets


def write_pcap(path, packets):
    writer = PcapWriter(path)
    for time_ns, frame in packets:
        writer.write(time_ns, frame)
    writer.close()
