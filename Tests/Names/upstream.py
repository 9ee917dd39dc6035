#!/usr/bin/python3
"""Name servers that are not to be relied on: upstream.py ADDRESS MODE. Says "ready", then answers over UDP and TCP as MODE says until it is ended."""
import os, random, socket, struct, sys, threading, time

address, mode = sys.argv[1:3]


def question(query):
    end = 12
    while query[end]:
        end += query[end] + 1
    return query[12:end + 5]


def name(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin1"))
        at += query[at] + 1
    return ".".join(labels).lower()


def kind(query):
    return struct.unpack(">H", question(query)[-4:-2])[0]


def answer(query, records=(), code=0, flags=0x8180, number=None, asked=None):
    body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", t, 1, 60, len(d)) + d for t, d in records)
    head = struct.pack(">6H", number if number is not None else struct.unpack(">H", query[:2])[0], flags | code, 1, len(records), 0, 0)
    return head + (asked or question(query)) + body


GOOD = [(1, socket.inet_aton("192.0.2.10"))]
BAD = [(1, socket.inet_aton("192.0.2.66"))]


def replies(query, stream):
    """(seconds to wait, bytes, send it from another port)"""
    if mode == "silent":
        return
    if mode == "slow":
        yield 1.2, answer(query, GOOD if kind(query) == 1 else []), False
    elif mode == "servfail":
        yield 0, answer(query, code=2), False
    elif mode == "refusing":
        yield 0, answer(query, code=5), False
    elif mode == "garbage":
        for size in (0, 1, 11, 12, 13, 40, 500, 4000):
            yield 0, os.urandom(size), False
        yield 0, query, False
        yield 0, query[:2] + b"\x81\x80" + os.urandom(200), False
        if stream:
            return
        yield 0.2, answer(query, GOOD if kind(query) == 1 else []), False
    elif mode == "lying":
        number = struct.unpack(">H", query[:2])[0]
        other = b"\x04evil\x07example\x00" + question(query)[-4:]
        if kind(query) == 1:
            yield 0, answer(query, BAD, number=number ^ 1), False
            yield 0, answer(query, BAD, asked=other), False
            yield 0, answer(query, BAD), True
            yield 0, answer(query, BAD, flags=0x0180), False
            # Addresses of names that nobody asked for.
            body = b"\x04evil\x07example\x00" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton("192.0.2.66")
            said = answer(query, GOOD)
            yield 0.2, said[:6] + struct.pack(">H", 2) + said[8:] + body, False
        else:
            yield 0, answer(query), False
    elif mode == "large":
        texts = [(16, bytes([255]) + b"x" * 255)] * 234 + [(16, bytes([63]) + b"y" * 63)]
        if stream:
            said = answer(query, texts)
            # To the last byte of what a message can have.
            room = 65535 - len(said) - 12
            yield 0, answer(query, texts + [(16, b"\xff" + b"z" * 255)] * (room // 268)), False
        else:
            yield 0, answer(query, flags=0x8380), False
    else:
        yield 0, answer(query, GOOD if kind(query) == 1 else []), False


family, _, _, _, place = socket.getaddrinfo(address, 53, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
udp = socket.socket(family, socket.SOCK_DGRAM)
udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
udp.bind(place)
elsewhere = socket.socket(family, socket.SOCK_DGRAM)
elsewhere.bind((address, 0) + place[2:])
tcp = socket.socket(family)
tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
tcp.bind(place)
tcp.listen(64)


def datagram(query, peer):
    for pause, said, is_elsewhere in replies(query, False):
        if pause:
            time.sleep(pause)
        (elsewhere if is_elsewhere else udp).sendto(said, peer)


def datagrams():
    while True:
        query, peer = udp.recvfrom(65535)
        if mode in ("good", "silent"):
            datagram(query, peer)
        else:
            threading.Thread(target=datagram, args=(query, peer), daemon=True).start()


def serve(peer):
    with peer:
        while True:
            length = peer.recv(2, socket.MSG_WAITALL)
            if len(length) < 2:
                return
            query = peer.recv(struct.unpack(">H", length)[0], socket.MSG_WAITALL)
            for pause, said, _ in replies(query, True):
                time.sleep(pause)
                peer.sendall(struct.pack(">H", len(said)) + said)


threading.Thread(target=datagrams, daemon=True).start()
print("ready", flush=True)
while True:
    peer, _ = tcp.accept()
    threading.Thread(target=serve, args=(peer,), daemon=True).start()
