#!/usr/bin/python3
"""What programs do with names from inside a session: ask.py WHAT ARGUMENT…; one word or line says what came of it."""
import errno, os, socket, struct, sys, time

what, words = sys.argv[1], sys.argv[2:]


def server():
    for line in open("/etc/resolv.conf"):
        if line.startswith("nameserver"):
            return line.split()[1]


def query(name, kind=1, number=0x4242, more=b"", counts=(1, 0, 0, 0)):
    labels = name if isinstance(name, list) else [label.encode("latin1") for label in name.split(".") if label]
    wire = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return struct.pack(">6H", number, 0x0100, *counts) + wire + struct.pack(">HH", kind, 1) + more


def said(code):
    return {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}.get(code, str(code))


def word(error):
    return errno.errorcode.get(error.errno, str(error))


if what == "getaddrinfo":
    try:
        print(*sorted({entry[4][0] for entry in socket.getaddrinfo(words[0], None)}))
    except socket.gaierror:
        print("unknown")
elif what == "urllib":
    import urllib.request
    try:
        print(urllib.request.urlopen(words[0], timeout=10).read().decode().strip())
    except Exception as error:
        print("failed:", error)
elif what == "asyncio":
    import asyncio

    async def main():
        reader, writer = await asyncio.open_connection(words[0], int(words[1]))
        writer.write(b"GET /file HTTP/1.0\r\n\r\n")
        return (await reader.read()).decode().rsplit("\r\n", 1)[-1].strip()

    try:
        print(asyncio.run(main()))
    except OSError as error:
        print("failed:", error)
elif what == "connect":
    # By address alone: connect, sendto, sendmsg of UDP, and a fast open; each says its own word.
    host, port = words[0], int(words[1])
    results = []
    for way in ("connect", "sendto", "sendmsg", "fastopen"):
        peer = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM if way in ("sendto", "sendmsg") else socket.SOCK_STREAM)
        peer.settimeout(5)
        try:
            if way == "connect":
                peer.connect((host, port))
            elif way == "sendto":
                peer.sendto(b"x", (host, port))
            elif way == "sendmsg":
                peer.sendmsg([b"x"], [], 0, (host, port))
            else:
                peer.sendto(b"x", 0x20000000, (host, port))
            results.append("ok")
        except OSError as error:
            results.append(word(error))
    print(*results)
elif what == "hasty":
    # A connect that doesn't wait: what it says, and after how many milliseconds.
    peer = socket.socket(socket.AF_INET6 if ":" in words[0] else socket.AF_INET)
    peer.setblocking(False)
    began = time.monotonic()
    number = peer.connect_ex((words[0], int(words[1])))
    print(errno.errorcode.get(number, str(number)), round((time.monotonic() - began) * 1000))
elif what == "probe":
    # The source address that a UDP socket has after a connect; whether it is connected to anybody; what a send to that very place says.
    host, port = words[0], int(words[1])
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    results = []
    for step in (lambda: peer.connect((host, port)), lambda: peer.getpeername(), lambda: peer.sendto(b"x", (host, port))):
        try:
            step()
            results.append(peer.getsockname()[0])
        except OSError as error:
            results.append("nobody" if error.errno == errno.ENOTCONN else word(error))
            if not results[:-1]:
                break
    print(*results)
elif what == "raw":
    # A query with odd bytes, by hand, not connected: the source of the answer has to be the server.
    place = server()
    results = []
    cases = {
        "odd": query([b"a.b\\\xff\x00", b"allowed", b"example"]),
        "deep": query([b"a", b"b", b"allowed", b"example"]),
        "dotted": query([b"allowed.example"]),
        "two": query("allowed.example", counts=(2, 0, 0, 0), more=query("denied.example")[12:]),
        "carried": query("allowed.example", counts=(1, 0, 1, 0), more=b"\0" + struct.pack(">HHIH", 16, 1, 0, 6) + b"secret"),
        "trailing": query("allowed.example", more=b"secret"),
        "transfer": query("allowed.example", 252),
        "chaos": query("version.bind", 16)[:-2] + struct.pack(">H", 3),
        "update": query("allowed.example")[:2] + b"\x28" + query("allowed.example")[3:],
        "any": query("allowed.example", 255),
        "case": query("ALLOWED.eXample"),
    }
    for name, bytes_ in cases.items():
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.settimeout(5)
        peer.sendto(bytes_, (place, 53))
        got, source = peer.recvfrom(65535)
        assert source == (place, 53), source
        assert got[:2] == bytes_[:2] and got[2] & 0x80
        results.append(name + "=" + said(got[3] & 15))
    print(*results)
elif what == "pipelined":
    # Many questions on one connection before the first answer is read, in odd pieces.
    place = server()
    peer = socket.create_connection((place, 53), 10)
    count = int(words[0])
    stream = b"".join(struct.pack(">H", len(q)) + q for q in (query("n%d.allowed.example" % i, number=i) for i in range(count)))
    numbers, buffer = set(), b""
    for at in range(0, len(stream), 333):
        peer.sendall(stream[at:at + 333])
    while len(numbers) < count:
        part = peer.recv(65536)
        if not part:
            break
        buffer += part
        while len(buffer) >= 2 and len(buffer) >= 2 + struct.unpack(">H", buffer[:2])[0]:
            length = struct.unpack(">H", buffer[:2])[0]
            numbers.add(struct.unpack(">H", buffer[2:4])[0])
            buffer = buffer[2 + length:]
    print(len(numbers))
elif what == "flood":
    # As many names as asked for, as fast as they can be sent; how many were answered at all.
    place, count = server(), int(words[0])
    suffix = words[1]
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    peer.connect((place, 53))
    peer.setblocking(False)
    began, codes = time.monotonic(), {}

    def drain():
        while True:
            try:
                got = peer.recv(65535)
            except BlockingIOError:
                return
            codes[said(got[3] & 15)] = codes.get(said(got[3] & 15), 0) + 1

    for index in range(count):
        # Two socket calls for the name, neither of which is asked about: the socket is connected.
        while True:
            try:
                peer.send(query("n%d.%s" % (index, suffix), number=index & 0xffff))
                break
            except (BlockingIOError, OSError):
                drain()
        if index % 16 == 0:
            drain()
    sent = time.monotonic() - began
    end = time.monotonic() + float(words[2])
    while time.monotonic() < end and sum(codes.values()) < count:
        drain()
        time.sleep(0.005)
    print("%d sent in %.2f s:" % (count, sent), *["%s=%d" % pair for pair in sorted(codes.items())])
elif what == "parallel":
    # So many connections at once, each after a look-up of its own.
    import concurrent.futures
    host, port, count = words[0], int(words[1]), int(words[2])

    def one(_):
        try:
            with socket.create_connection((host, port), 20):
                return "ok"
        except OSError as error:
            return word(error)

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        results = list(pool.map(one, range(count)))
    print(*["%s=%d" % (r, results.count(r)) for r in sorted(set(results))])
elif what == "unix":
    peer = socket.socket(socket.AF_UNIX)
    try:
        peer.connect(words[0])
        print("ok")
    except OSError as error:
        print(word(error))
elif what == "latency":
    # Median of look-ups that are answered from what is known, in microseconds.
    times = []
    for _ in range(int(words[1])):
        began = time.perf_counter()
        socket.getaddrinfo(words[0], 80, socket.AF_INET, socket.SOCK_STREAM)
        times.append(time.perf_counter() - began)
    print(round(sorted(times)[len(times) // 2] * 1e6))
