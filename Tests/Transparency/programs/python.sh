# needs: python3
set -eu
cat >all.py <<'P'
import asyncio, concurrent.futures, errno, fcntl, glob, hashlib, json, mmap, multiprocessing, os, pathlib, select, selectors, shutil, signal, socket
import socketserver, sqlite3, stat, struct, subprocess, sys, tempfile, threading, time, zipfile


def square(x):
    return x * x


def child_writes(queue, lock, path):
    with lock:
        with open(path, "a") as file:
            file.write("x" * 1000 + "\n")
    queue.put(os.path.getsize(path) % 1001)


def processes():
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with context.Pool(3) as pool:
            print(method, pool.map(square, range(20)))
        queue, lock = context.Queue(), context.Lock()
        started = [context.Process(target=child_writes, args=(queue, lock, "shared.txt")) for _ in range(4)]
        for process in started:
            process.start()
        print([queue.get() for _ in started], [process.join() or process.exitcode for process in started])
    with multiprocessing.Manager() as manager:
        values = manager.dict()
        values["a"] = 1
        print(dict(values))
    from multiprocessing import shared_memory
    block = shared_memory.SharedMemory(create=True, size=100)
    block.buf[:3] = b"abc"
    again = shared_memory.SharedMemory(block.name)
    print(bytes(again.buf[:3]))
    again.close(), block.close(), block.unlink()
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        print(sum(pool.map(square, range(100), chunksize=10)))


def locks():
    file = open("lock", "w+")
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    code = "import fcntl,sys\ntry: fcntl.lockf(open('lock','w'), fcntl.LOCK_EX|fcntl.LOCK_NB)\nexcept OSError as e: print('held', e.errno)\nelse: print('free')"
    print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip())
    file.close()
    print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip())
    one, two = open("flock", "w"), open("flock", "w")
    fcntl.flock(one, fcntl.LOCK_EX)
    try:
        fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        print("flock", error.errno)
    one.close()
    fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
    print("flock free")


async def asynchronous():
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def ask(n):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"line {n}\n".encode())
        answer = await reader.readline()
        writer.close()
        return answer
    print(await asyncio.gather(*(ask(n) for n in range(20))))
    unix = await asyncio.start_unix_server(serve, path="server.sock")
    reader, writer = await asyncio.open_unix_connection("server.sock")
    writer.write(b"x" * 60000 + b"\n")
    print(hashlib.sha256(await reader.readexactly(60001)).hexdigest()[:8])
    writer.close(), server.close(), unix.close()
    process = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    print(await process.communicate(b"through cat"))
    process = await asyncio.create_subprocess_shell("echo $((6*7)); exit 3", stdout=subprocess.PIPE)
    print(await process.stdout.read(), await process.wait())
    loop = asyncio.get_running_loop()
    got = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, got.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await got.wait()
    print("signal")

    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, address):
            self.transport.sendto(data[::-1], address)

    class Wait(asyncio.DatagramProtocol):
        def datagram_received(self, data, address):
            answered.set_result(data)
    answered = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    client, _ = await loop.create_datagram_endpoint(Wait, remote_addr=transport.get_extra_info("sockname"))
    client.sendto(b"datagram")
    print(await asyncio.wait_for(answered, 10))
    try:
        await asyncio.open_connection("127.0.0.1", 1)
    except OSError as error:
        print(error.errno)


def files():
    with tempfile.TemporaryDirectory(dir=".") as folder:
        with tempfile.NamedTemporaryFile(dir=folder) as named:
            named.write(b"abc")
            named.flush()
            print(os.path.getsize(named.name), oct(os.stat(named.name).st_mode))
        with tempfile.TemporaryFile(dir=folder) as unnamed, tempfile.SpooledTemporaryFile() as spooled:
            unnamed.write(b"x"), spooled.write(b"y")
            print(os.fstat(unnamed.fileno()).st_nlink)
        print(os.listdir(folder))
    with open("mapped", "w+b") as file:
        file.truncate(8192)
        with mmap.mmap(file.fileno(), 0) as view:
            view[4090:4100] = b"across here"[:10]
            view.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as view:
            view[0:3] = b"xyz"
    print(open("mapped", "rb").read().strip(b"\0"))
    pathlib.Path("a/b/c").mkdir(parents=True)
    pathlib.Path("a/b/c/file").write_text("text")
    shutil.copytree("a", "copied")
    shutil.move("copied/b", "moved")
    shutil.make_archive("archive", "tar", "a")
    os.remove("archive.tar")
    print(sorted(glob.glob("**", recursive=True)))
    shutil.rmtree("copied")
    with zipfile.ZipFile("z.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("inside"), "content")
    print(zipfile.ZipFile("z.zip").namelist())
    os.replace("z.zip", "y.zip")
    with os.scandir(".") as entries:
        print(sorted((entry.name, entry.is_dir()) for entry in entries))
    print(os.getxattr("mapped", "user.none") if False else shutil.disk_usage(".").total > 0)
    base = sqlite3.connect("python.db")
    base.execute("create table t(a)")
    base.executemany("insert into t values (?)", [(n,) for n in range(100)])
    base.commit()
    print(base.execute("select sum(a) from t").fetchone())


def threads():
    results = []

    def work(n):
        for turn in range(50):
            name = f"thread-{n}"
            with open(name, "w") as file:
                file.write(str(turn))
            with open(name) as file:
                results.append(file.read() == str(turn))
            os.unlink(name)
    started = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    print(len(results), all(results))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        print(sorted(pool.map(lambda n: subprocess.run(["sh", "-c", f"exit {n}"]).returncode, range(24))))


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"hello " + self.rfile.readline())


def servers():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with socket.create_connection(server.server_address) as client:
            client.sendall(b"world\n")
            print(client.makefile().read())
        server.shutdown()
    import http.server, urllib.request
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *a: None}))
    threading.Thread(target=web.serve_forever, daemon=True).start()
    print(urllib.request.urlopen(f"http://127.0.0.1:{web.server_address[1]}/y.zip").status)
    web.shutdown()
    print(socket.gethostbyname("localhost"), socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)[0][4])


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    processes()
    locks()
    asyncio.run(asynchronous())
    files()
    threads()
    servers()
    print(subprocess.run(["sh", "-c", "kill -9 $$"]).returncode, subprocess.getoutput("echo shell | tr a-z A-Z"))
    try:
        subprocess.run(["./no-such-program"])
    except FileNotFoundError as error:
        print(error)
    try:
        subprocess.run(["./mapped"])
    except PermissionError as error:
        print(error)
    try:
        subprocess.run(["sleep", "10"], timeout=0.05)
    except subprocess.TimeoutExpired:
        print("timeout")
    os.unlink("server.sock")
P
export PYTHONDONTWRITEBYTECODE=1
/usr/bin/python3 all.py
