#!/usr/bin/python3
"""Servers to be reached: peers.py ADDRESS DIRECTORY. HTTP of a directory on 8080; on 2222, 5432 and 6379 the first words of ssh, PostgreSQL and Redis."""
import functools, http.server, socket, sys, threading

address, directory = sys.argv[1:3]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def banner(port, words):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(256)

    def run():
        while True:
            peer, _ = listener.accept()
            with peer:
                if port != 2222:
                    peer.recv(4096)
                peer.sendall(words)

    threading.Thread(target=run, daemon=True).start()


banner(2222, b"SSH-2.0-Reached_1\r\nno more\r\n")
# An ErrorResponse: severity, code, message.
fields = b"SFATAL\0C28000\0Mreached the database\0\0"
banner(5432, b"N" if False else b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
banner(6379, b"-ERR reached\r\n+PONG\r\n")
server = http.server.ThreadingHTTPServer((address, 8080), functools.partial(Quiet, directory=directory))
print("ready", flush=True)
server.serve_forever()
