"""A DNS server for one test: answers from a table of text, over UDP, and remembers what it was asked.

    FakeDns("a.test MX 10 mx.a.test\\nmx.a.test A 192.0.2.1\\nsilent.test A TIMEOUT")

SERVFAIL and TIMEOUT stand in the place of data. CNAME records are answered alone. What is in no record
does not exist. With `authoritative` answers have AA, with `authentic` AD. Names that begin with "slow." are
answered 0.3 seconds later.
"""

import socket
import struct
import threading
import time

TYPES = {1: "A", 2: "NS", 5: "CNAME", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 52: "TLSA"}


def encode_name(name):
    labels = [label for label in name.strip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def encode_data(kind, text):
    words = text.split()
    if kind == "A":
        return socket.inet_aton(text)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, text)
    if kind == "MX":
        return struct.pack(">H", int(words[0])) + encode_name(words[1])
    if kind == "SRV":
        return struct.pack(">HHH", *map(int, words[:3])) + encode_name(words[3])
    if kind == "TLSA":
        return bytes(map(int, words[:3])) + bytes.fromhex(words[3])
    if kind == "TXT":
        return bytes([len(text)]) + text.encode()
    return encode_name(text)


class FakeDns:
    """Use as a context manager. `asked`: (name, type, has EDNS, DO bit) of every query."""

    def __init__(self, zone, authoritative=False, authentic=False, port=0):
        self.records = {}
        for line in zone.strip().splitlines():
            name, kind, data = line.split(None, 2)
            self.records.setdefault((name.lower(), kind), []).append(data.strip())
        self.flags = 0x8180 | (0x0400 if authoritative else 0) | (0x0020 if authentic else 0)
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def names(self, kind):
        return [name for name, asked_kind, *_ in self.asked if asked_kind == kind]

    def _serve(self):
        while True:
            try:
                query, client = self.socket.recvfrom(4096)
                answer = self._answer(query)
                if self.asked[-1][0].startswith("slow."):
                    time.sleep(0.3)
                if answer is not None:
                    self.socket.sendto(answer, client)
            except OSError:
                return

    def _answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        end = at + 5
        number = struct.unpack(">H", query[at + 1:at + 3])[0]
        name, kind = ".".join(labels).lower(), TYPES.get(number, str(number))
        has_edns = struct.unpack(">H", query[10:12])[0] > 0
        wants_signatures = has_edns and bool(query[end + 7] & 0x80)
        self.asked.append((name, kind, has_edns, wants_signatures))
        if (name, "CNAME") in self.records:
            kind, number = "CNAME", 5
        data = self.records.get((name, kind), [])
        if "TIMEOUT" in data:
            return None
        known = any(owner == name or owner.endswith("." + name) for owner, _ in self.records)
        code = 2 if "SERVFAIL" in data else 0 if known else 3
        records = [encode_data(kind, text) for text in data] if code == 0 else []
        body = b"".join(encode_name(name) + struct.pack(">HHIH", number, 1, 60, len(record)) + record for record in records)
        return query[:2] + struct.pack(">HHHHH", self.flags | code, 1, len(records), 0, 0) + query[12:end] + body
