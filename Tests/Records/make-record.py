#!/usr/bin/env python3
"""Writes a session's record of so many lines, as the supervisor would, with nothing of agentsh: its chain is what docs/operations.md says.

make-record.py FILE LINES
"""
import hashlib
import sys

path, count = sys.argv[1], int(sys.argv[2])
session = "0b1c2d3e-4f50-4a61-8b72-9c83ad94be05"
previous = "0" * 64
head = '{"seq":%d,"time":"2026-01-02T03:04:%02d.%09dZ","session":"' + session + '","uid":60001,"pid":%d,'
parts = []
with open(path, "wb") as out:
    for number in range(1, count + 1):
        line = head % (number, number // 20000 % 60, number, 1000 + number % 30000)
        if number == 1:
            line += '"op":"session.start","command":["make","-j2"],"policy":"agent-default"'
        elif number == count:
            line += '"op":"session.end","status":0,"decisions":{"allow":%d},"refused":0' % (count - 2)
        else:
            line += '"exe":"/usr/bin/cc","op":"file.write","syscall":"openat","path":"/home/ann/shop/obj/%d.o","decision":"allow","rule":"project"' % number
        line = (line + ',"prev":"' + previous + '"').encode()
        previous = hashlib.sha256(line).hexdigest()
        parts.append(line + b',"hash":"' + previous.encode() + b'"}\n')
        if len(parts) == 10000:
            out.write(b"".join(parts))
            parts.clear()
    out.write(b"".join(parts))
