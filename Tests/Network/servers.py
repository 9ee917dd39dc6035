# Servers outside of all sessions: servers.py DIRECTORY: says where they are, one NAME=PLACE a line, and then `ready`.
import os, socket, struct, sys, threading

directory = sys.argv[1]

def say(name, place): print(f"{name}={place}", flush=True)

def credentials(peer):
    if peer.family != socket.AF_UNIX: return "tcp"
    pid, uid, gid = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return f"uid {uid} gid {gid}"

def serve(listener, name):
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=talk, args=(peer, name), daemon=True).start()

def talk(peer, name):
    try: peer.sendall(f"{name} {credentials(peer)}\n".encode())
    except OSError: return peer.close()
    total = 0
    with open(f"{directory}/heard-{name}", "ab") as heard:
        while True:
            try: data = peer.recv(65536)
            except OSError: break
            if not data: break
            total += len(data)
            if len(data) < 100:
                heard.write(data)
                heard.flush()
            try: peer.sendall(data)
            except OSError: break
    try: peer.sendall(f"\nend {total}\n".encode())
    except OSError: pass
    peer.close()

def start(listener, name):
    threading.Thread(target=serve, args=(listener, name), daemon=True).start()

for name, family, host in [("v4", socket.AF_INET, "127.0.0.1"), ("v6", socket.AF_INET6, "::1")]:
    s = socket.socket(family)
    s.bind((host, 0))
    s.listen(4096)
    say(name, s.getsockname()[1])
    start(s, name)
for kind, name in [(socket.SOCK_STREAM, "stream"), (socket.SOCK_SEQPACKET, "seqpacket")]:
    for place in [f"{directory}/{name}.sock", f"{directory}/refused/{name}.sock", f"\0agentsh-{os.getpid()}-{name}", f"\0refused-{os.getpid()}-{name}"]:
        s = socket.socket(socket.AF_UNIX, kind)
        s.bind(place)
        if place[0] == "/": os.chmod(place, 0o777)
        s.listen(4096)
        if "refused" not in place: say(("abstract_" if place[0] == "\0" else "") + name, place.replace("\0", "@"))
        start(s, name)
for place in [f"{directory}/dgram.sock", f"{directory}/refused/dgram.sock", f"\0agentsh-{os.getpid()}-dgram", f"\0refused-{os.getpid()}-dgram"]:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    s.bind(place)
    if place[0] == "/": os.chmod(place, 0o777)
    def answer(s=s):
        while True:
            data, control, _, sender = s.recvmsg(1000, 200)
            uid = next((struct.unpack("3i", c[2][:12])[1] for c in control if c[1] == socket.SCM_CREDENTIALS), None)
            try: s.sendto(f"dgram uid {uid}: {data.decode()}".encode(), sender)
            except OSError: pass
    threading.Thread(target=answer, daemon=True).start()
say("number", os.getpid())

# HTTP over a Unix socket, for clients that set options of TCP on what they have connected.
import http.server, socketserver
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = f"http {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def address_string(self): return "local"
    def log_message(self, *arguments): pass
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer): daemon_threads = True
web = Server(f"{directory}/http.sock", Handler)
os.chmod(f"{directory}/http.sock", 0o777)
threading.Thread(target=web.serve_forever, daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
