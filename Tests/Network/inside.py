# What a program in a session does: inside.py WHAT ARGUMENT…; prints lines that are the same without supervision, or that a policy explains.
import errno, os, select, socket, struct, sys

def name(error): return errno.errorcode.get(error.errno, str(error.errno)) if isinstance(error, OSError) else repr(error)

def tried(body):
    try: return body()
    except OSError as error: return name(error)

def talk(family, address, size=1_000_000, blocking=True):
    s = socket.socket(family)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if blocking:
        s.connect(address)
    else:
        s.setblocking(False)
        # Waited for in a set that was made before there was a connection.
        p = select.epoll()
        p.register(s, select.EPOLLOUT)
        result = s.connect_ex(address)
        if result not in (0, errno.EINPROGRESS): raise OSError(result, "")
        assert p.poll(10), "never connected"
        result = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if result: raise OSError(result, "")
        p.close()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.setblocking(False)
    left, got = memoryview(b"x" * size), b""
    while True:
        readable, writable, _ = select.select([s], [s] if left else [], [], 20)
        if not readable and not writable: return "stuck"
        if writable:
            left = left[s.send(left[:65536]):]
            if not left: s.shutdown(socket.SHUT_WR)
        if readable:
            data = s.recv(65536)
            if not data: break
            got += data
    first, rest = got.split(b"\n", 1)
    return f"{first.decode()}, {rest.count(b'x')} back, {rest[-20:].split(b'end ')[-1].strip().decode()} there"

def redirect(port, family="v4", blocking="blocking"):
    if family == "v4": return talk(socket.AF_INET, ("192.0.2.7", int(port)), blocking=blocking == "blocking")
    return talk(socket.AF_INET6, ("::ffff:192.0.2.7", int(port)), blocking=blocking == "blocking")

def shut(host, port):
    import threading, time
    s = socket.socket()
    def end():
        # Under way: its state is SYN_SENT (tcp(7)).
        for _ in range(500):
            if s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 2: break
            time.sleep(0.01)
        s.shutdown(socket.SHUT_RDWR)
    threading.Thread(target=end).start()
    s.connect((host, int(port)))

def local(port, blocking="blocking"):
    return talk(socket.AF_INET, ("127.0.0.1", int(port)), blocking=blocking == "blocking")

def fast_open(port):
    s = socket.socket()
    s.sendto(b"hello", socket.MSG_FASTOPEN, ("192.0.2.7", int(port)))
    s.shutdown(socket.SHUT_WR)
    got = b""
    while data := s.recv(1000): got += data
    return got.decode().replace("\n", ", ")

def last_words(port):
    s = socket.socket()
    s.connect(("192.0.2.7", int(port)))
    s.sendall(b"last words of %d" % os.getpid())
    return str(os.getpid())

def web(port):
    import http.client
    c = http.client.HTTPConnection("192.0.2.7", int(port), timeout=20)
    c.request("GET", "/a")
    first = c.getresponse().read().decode()
    c.request("GET", "/b")
    return first + ", " + c.getresponse().read().decode()

def asynchronous(port):
    import asyncio
    async def main():
        reader, writer = await asyncio.open_connection("192.0.2.7", int(port))
        writer.write(b"GET /c HTTP/1.0\r\n\r\n")
        return (await reader.read()).split(b"\r\n\r\n")[-1].decode()
    return asyncio.run(main())

def datagram(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    return " ".join([tried(lambda: s.connect(("192.0.2.7", int(port)))) or "0", str(tried(lambda: s.sendto(b"x", ("192.0.2.7", int(port)))))])

KINDS = {"stream": socket.SOCK_STREAM, "seqpacket": socket.SOCK_SEQPACKET, "dgram": socket.SOCK_DGRAM}

def unix(kind, place):
    place = place.replace("@", "\0", 1) if place[0] == "@" else place
    s = socket.socket(socket.AF_UNIX, KINDS[kind])
    s.settimeout(20)
    if kind != "dgram":
        s.connect(place)
        return s.recv(100).decode().strip()
    s.bind("")
    s.sendto(b"sent", place)
    said = s.recv(100).decode()
    t = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    t.settimeout(20)
    t.bind("")
    t.connect(place)
    t.send(b"connected")
    u = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    u.settimeout(20)
    u.bind("")
    u.sendmsg([b"message"], [], 0, place)
    return "; ".join([said, t.recv(100).decode(), u.recv(100).decode()])

def bound(kind, place):
    place = place.replace("@", "\0", 1) if place[0] == "@" else place
    s = socket.socket(socket.AF_UNIX, KINDS[kind])
    s.bind(place)
    kept = s.getsockname()
    kept = kept.decode().replace("\0", "@", 1) if isinstance(kept, bytes) else kept
    if kind == "dgram": return f"bound {kept}"
    s.listen(5)
    c = socket.socket(socket.AF_UNIX, KINDS[kind])
    c.connect(place)
    peer, _ = s.accept()
    uid = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
    return f"bound {kept}, uid {'mine' if uid == os.getuid() else uid}"

def protocols():
    wanted = [
        ("tcp", 2, 1, 0), ("tcp6", 10, 1, 6), ("udp", 2, 2, 0), ("udp6", 10, 2, 17), ("mptcp", 2, 1, 262), ("mptcp6", 10, 1, 262), ("udplite", 2, 2, 136),
        ("udplite6", 10, 2, 136), ("icmp", 2, 2, 1), ("icmp6", 10, 2, 58), ("sctp", 2, 1, 132), ("sctp packets", 2, 5, 132), ("sctp by type", 2, 5, 0), ("dccp", 2, 6, 33),
        ("l2tp", 2, 2, 115), ("smc", 2, 1, 256), ("raw", 2, 3, 1), ("raw6", 10, 3, 58), ("raw any", 2, 3, 255), ("sock_packet", 2, 10, 3), ("packet", 17, 3, 0x300),
        ("packet cooked", 17, 2, 0x300), ("vsock", 40, 1, 0), ("alg", 38, 5, 0), ("route", 16, 3, 0), ("netfilter", 16, 3, 12), ("kobject", 16, 2, 15), ("xfrm", 16, 3, 6),
        ("diag", 16, 3, 4), ("bluetooth", 31, 3, 0), ("can", 29, 3, 1), ("tipc", 30, 2, 0), ("smc family", 43, 1, 0), ("xdp", 44, 3, 0), ("rds", 21, 5, 0), ("key", 15, 3, 2),
        ("mctp", 45, 2, 0), ("high half", 2 | 1 << 40, 3, 1), ("unix", 1, 1, 0), ("unknown family", 77, 1, 0),
    ]
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    lines = []
    for label, family, kind, protocol in wanted:
        s = libc.syscall(41, ctypes.c_long(family), ctypes.c_long(kind), ctypes.c_long(protocol))
        lines.append(f"{label}: {'made' if s >= 0 else errno.errorcode[ctypes.get_errno()]}")
        if s >= 0: os.close(s)
    for label, family in [("pair", 1), ("pair inet", 2), ("pair inet6", 10), ("pair tipc", 30)]:
        room = (ctypes.c_int * 2)()
        lines.append(f"{label}: {'made' if libc.socketpair(family, 1, 0, room) == 0 else errno.errorcode[ctypes.get_errno()]}")
    return "\n".join(lines)

def uses(port):
    """What those that can be made do with an address."""
    lines = []
    def used(label, family, kind, protocol, address, port):
        try: s = socket.socket(family, kind, protocol)
        except OSError as error: return lines.append(f"{label}: not made {name(error)}")
        s.settimeout(5)
        try:
            s.connect((address, port))
            lines.append(f"{label} {address}: connected")
        except OSError as error: lines.append(f"{label} {address}: {name(error)}")
        s.close()
    for address in ["127.0.0.1", "192.0.2.66"]:
        used("tcp", 2, 1, 6, address, int(port))
        used("mptcp", 2, 1, 262, address, int(port))
        used("udp", 2, 2, 17, address, int(port))
        used("udplite", 2, 2, 136, address, int(port))
        used("icmp", 2, 2, 1, address, int(port))
    return "\n".join(lines)

def routes():
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    s.bind((0, 0))
    s.send(struct.pack("=IHHII", 17, 18, 0x301, 1, 0) + b"\0")  # RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP
    kind = struct.unpack("=IH", s.recv(65536)[:6])[1]
    names = [n for _, n in socket.if_nameindex()]
    return f"{kind} {'lo' in names}"

# Bytes that python's own calls don't make: to a family of one's choice.
def send_to(s, data, flags, family, address, port):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    name = struct.pack("=H", family) + struct.pack("!H4s8x", port, socket.inet_aton(address))
    if libc.sendto(s.fileno(), data, len(data), flags, name, len(name)) < 0: raise OSError(ctypes.get_errno(), "")

# Datagrams to a receiver on this machine, by an address of no family: udp(7) takes that for one of IPv4.
def unspecified(flags):
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.setblocking(False)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    send_to(s, b"x", int(flags, 0), 0, "127.0.0.1", receiver.getsockname()[1])
    return "arrived" if receiver.recv(10) == b"x" else "?"

# 0.0.0.0 leads a socket that is bound to its own address.
def own_address(family):
    mapped = "::ffff:" if family == "v6" else ""
    listener = socket.socket()
    listener.bind(("127.9.9.9", 0))
    listener.listen()
    s = socket.socket(socket.AF_INET6 if mapped else socket.AF_INET)
    s.bind((mapped + "127.9.9.9", 0))
    s.connect((mapped + "0.0.0.0", listener.getsockname()[1]))
    return f"connected to {s.getpeername()[0]}"

# A long message, interrupted while the other end reads nothing: what was taken is told, and nothing is sent twice.
def interrupted(limit):
    import signal, threading
    a, b = socket.socketpair()
    if float(limit): a.settimeout(None), a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("=qq", int(limit), 0))
    signals, got = [], []
    def read():
        while data := b.recv(1 << 20): got.append(len(data))
    reader = threading.Thread(target=read)
    def on_alarm(*_):
        signals.append(1)
        if len(signals) == 3: reader.start()
    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    sent = a.sendmsg([b"x" * (4 << 20)])
    signal.setitimer(signal.ITIMER_REAL, 0)
    a.close()
    if not reader.ident: reader.start()
    reader.join()
    return "as told" if sum(got) == sent > 0 else f"{sum(got)} came of {sent}"

# scm(7): 253 descriptors in a message, and not one more.
def descriptors(count):
    a, b = socket.socketpair()
    ends = [os.open("/dev/null", os.O_RDONLY) for _ in range(int(count))]
    half = len(ends) // 2
    parts = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"={len(part)}i", *part)) for part in (ends[:half], ends[half:])]
    return f"sent {a.sendmsg([b'x'], parts)}"

what, *rest = sys.argv[1:]
def run(): return globals()[what](*rest)
print(tried(run))
