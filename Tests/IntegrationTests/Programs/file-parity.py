#!/usr/bin/python3
"""Makes many file system calls in the directory it is given and prints what each answered.

Run natively and wrapped, in two empty directories, the output must be the same: results, errno values, modes, link texts, contents.
"""
import ctypes
import errno
import os
import stat
import sys
import threading

root = os.path.realpath(sys.argv[1])
os.chdir(root)
os.umask(0o022)
libc = ctypes.CDLL(None, use_errno=True)
lines = []


def show(name, call):
    """One line: what the call answered, or its errno's name."""
    try:
        result = call()
    except OSError as error:
        result = errno.errorcode.get(error.errno, str(error.errno))
    text = repr(result).replace(root, "ROOT").replace(str(os.getpid()), "PID")
    lines.append(f"{name}: {text}")


def opened(path, flags, mode=0o666, dir_fd=None):
    def call():
        fd = os.open(path, flags, mode, dir_fd=dir_fd)
        try:
            status = os.fstat(fd)
            cloexec = not os.get_inheritable(fd)
            return (stat.S_IFMT(status.st_mode), oct(status.st_mode & 0o7777), os.readlink(f"/proc/self/fd/{fd}"), cloexec)
        finally:
            os.close(fd)
    return call


def written(path, text):
    with open(path, "w") as file:
        file.write(text)
    return os.stat(path).st_size


def raw(name, *arguments):
    def call():
        ctypes.set_errno(0)
        result = getattr(libc, name)(*arguments)
        if result == -1:
            raise OSError(ctypes.get_errno(), name)
        return result
    return call


def openat2(path, flags, mode, resolve, dir_fd=-100, size=24, tail=b""):
    def call():
        how = ctypes.create_string_buffer(
            flags.to_bytes(8, "little") + mode.to_bytes(8, "little") + resolve.to_bytes(8, "little") + tail)
        fd = libc.syscall(437, dir_fd, path.encode(), how, size)
        if fd == -1:
            raise OSError(ctypes.get_errno(), path)
        try:
            return os.readlink(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)
    return call


R, W, RW, C, X, T, A = os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_APPEND
D, N, P = os.O_DIRECTORY, os.O_NOFOLLOW, os.O_PATH

show("write a", lambda: written("a", "hello"))
show("open a", opened("a", R))
show("open missing", opened("missing", R))
show("open empty path", opened("", R))
show("create exclusive", opened("b", RW | C | X, 0o640))
show("create exclusive again", opened("b", RW | C | X, 0o640))
show("create under umask", opened("c", W | C, 0o777))
os.umask(0o077)
show("create under umask 077", opened("d", W | C, 0o777))
os.umask(0o022)
show("open as directory", opened("a", R | D))
show("open directory", opened(".", R | D))
show("open directory for writing", opened(".", W))
show("create with trailing slash", opened("new/", W | C))
show("open file with trailing slash", opened("a/", R))
show("path only", opened("a", P))
show("truncate by open", opened("a", W | T))
show("size after", lambda: os.stat("a").st_size)
show("append", lambda: (os.write(os.open("a", W | A), b"xy"), os.stat("a").st_size)[1])
show("temporary", lambda: stat.filemode(os.fstat(os.open(".", RW | os.O_TMPFILE, 0o600)).st_mode))


def linked_temporary():
    fd = os.open(".", RW | os.O_TMPFILE, 0o600)
    os.write(fd, b"late name")
    if libc.linkat(-100, f"/proc/self/fd/{fd}".encode(), -100, b"named", 0x400) != 0:
        raise OSError(ctypes.get_errno(), "linkat")
    return open("named").read()


show("temporary gets a name", linked_temporary)
show("link of a link in proc", lambda: os.link("/proc/self/exe", "x", follow_symlinks=False))
show("mkdir", lambda: os.mkdir("dir"))
show("mkdir again", lambda: os.mkdir("dir"))
show("mkdir below missing", lambda: os.mkdir("missing/dir"))
show("mkdir with slash", lambda: os.mkdir("dir2/", 0o700))
show("mkdir below file", lambda: os.mkdir("a/dir"))
show("mkdir root", lambda: os.mkdir("/"))
show("mkdir dot", lambda: os.mkdir("."))
show("mode of dir2", lambda: oct(os.stat("dir2").st_mode))
show("rmdir", lambda: os.rmdir("dir2"))
show("rmdir missing", lambda: os.rmdir("dir2"))
show("rmdir file", lambda: os.rmdir("a"))
show("rmdir dot", lambda: os.rmdir("."))
show("rmdir dot dot", lambda: os.rmdir("dir/.."))
show("unlink directory", lambda: os.unlink("dir"))
show("unlink missing", lambda: os.unlink("missing"))
show("symlink", lambda: os.symlink("a", "to-a"))
show("symlink again", lambda: os.symlink("a", "to-a"))
show("symlink dangling", lambda: os.symlink("nowhere", "dangling"))
show("symlink loop", lambda: (os.symlink("loop2", "loop1"), os.symlink("loop1", "loop2"))[0])
show("open link", opened("to-a", R))
show("open link unfollowed", opened("to-a", R | N))
show("open link as path", opened("to-a", P | N))
show("open loop", opened("loop1", R))
show("open dangling", opened("dangling", R))
show("create exclusive through dangling", opened("dangling", W | C | X))
show("create unfollowed at dangling", opened("dangling", W | C | N))
show("create through dangling", opened("dangling", W | C))
show("created where it pointed", lambda: os.path.isfile("nowhere"))
show("absolute link", lambda: (os.symlink(root + "/a", "abs"), open("abs").read())[1])
show("link to directory", lambda: (os.symlink("dir", "to-dir"), os.mkdir("to-dir/inner"), os.listdir("dir"))[2])
show("create through link to directory", opened("to-dir/f", W | C))
show("dot dot", opened("dir/../a", R))
show("dot dot through link", opened("to-dir/../a", R))
show("double slashes", opened(root + "//dir///f", R))
show("hard link", lambda: (os.link("a", "a2"), os.stat("a2").st_nlink)[1])
show("hard link exists", lambda: os.link("a", "a2"))
show("hard link to link", lambda: (os.link("to-a", "to-a2", follow_symlinks=False), os.readlink("to-a2"))[1])
show("hard link of directory", lambda: os.link("dir", "dir-link"))
show("hard link missing", lambda: os.link("missing", "x"))
show("rename", lambda: os.rename("b", "b2"))
show("rename missing", lambda: os.rename("b", "b2"))
show("rename over", lambda: os.rename("b2", "c"))
show("rename file over directory", lambda: os.rename("c", "dir"))
show("rename directory into itself", lambda: os.rename("dir", "dir/inner/x"))
show("rename directory", lambda: os.rename("dir/inner", "inner"))
show("rename exchange", raw("renameat2", -100, b"a", -100, b"nowhere", 2))
show("rename no replace", raw("renameat2", -100, b"a", -100, b"nowhere", 1))
show("rename bad flags", raw("renameat2", -100, b"a", -100, b"z", 3))
show("rename slash", lambda: (os.mkdir("rs"), os.rename("rs/", "rs2/"))[1])
show("chmod", lambda: (os.chmod("c", 0o4751), oct(os.stat("c").st_mode))[1])
show("chmod through link", lambda: (os.chmod("to-a", 0o600), oct(os.stat("nowhere").st_mode), oct(os.stat("a").st_mode))[1:])
show("chmod missing", lambda: os.chmod("missing", 0o600))
show("fchmod", lambda: (os.fchmod(os.open("c", R), 0o644), oct(os.stat("c").st_mode))[1])
show("fchmod bad descriptor", raw("fchmod", 999, 0o600))
show("chown to self", lambda: os.chown("c", os.getuid(), os.getgid()))
show("chown to other", lambda: os.chown("c", 12345, -1))
show("lchown link", lambda: os.lchown("to-a", os.getuid(), -1))
show("fchown", lambda: os.fchown(os.open("c", R), -1, os.getgid()))
show("truncate", lambda: (os.truncate("c", 17), os.stat("c").st_size)[1])
show("truncate directory", lambda: os.truncate("dir", 0))
show("truncate negative", raw("truncate", b"c", ctypes.c_long(-1)))
show("mkfifo", lambda: (os.mkfifo("fifo", 0o620), oct(os.stat("fifo").st_mode))[1])
show("mknod regular", lambda: os.mknod("node", 0o600 | stat.S_IFREG))
show("mknod device", lambda: os.mknod("device", 0o600 | stat.S_IFBLK, os.makedev(7, 200)) if os.getuid() else 1)
show("fifo nonblocking write", opened("fifo", W | os.O_NONBLOCK))
show("fifo nonblocking read", opened("fifo", R | os.O_NONBLOCK))


def fifo_meeting():
    got = []
    reader = threading.Thread(target=lambda: got.append(open("fifo").read()))
    reader.start()
    with open("fifo", "w") as writer:
        writer.write("through")
    reader.join()
    return got


show("fifo waits for its other end", fifo_meeting)
show("proc self", lambda: os.path.basename(os.path.realpath("/proc/self")) == str(os.getpid()))
show("proc self status", lambda: [line for line in open("/proc/self/status") if line.startswith("Pid:")][0].split()[1] == str(os.getpid()))
show("proc thread-self", lambda: open("/proc/thread-self/comm").read() == open("/proc/self/comm").read())
show("proc self exe", lambda: os.path.samefile("/proc/self/exe", sys.executable))
show("proc self cwd", opened("/proc/self/cwd/a", R))
show("proc self root", opened("/proc/self/root" + root + "/a", R))
show("proc mounts", lambda: len(open("/proc/mounts").read()) > 0)
show("proc net", lambda: open("/proc/net/dev").readline().startswith("Inter"))


def through_descriptor(form):
    def call():
        fd = os.open("a", R)
        try:
            with open(form.format(fd=fd)) as again:
                return again.read()
        finally:
            os.close(fd)
    return call


show("dev fd", through_descriptor("/dev/fd/{fd}"))
show("proc self fd", through_descriptor("/proc/self/fd/{fd}"))
show("proc pid fd", through_descriptor("/proc/" + str(os.getpid()) + "/fd/{fd}"))
show("dev fd missing", opened("/dev/fd/987", R))
show("proc self fd below file", opened("/proc/self/fd/0/x", R))


def deleted():
    fd = os.open("gone", RW | C)
    os.write(fd, b"still here")
    os.unlink("gone")
    return open(f"/proc/self/fd/{fd}").read()


show("deleted file by descriptor", deleted)


def pipe_by_name():
    r, w = os.pipe()
    os.write(w, b"p")
    again = os.open(f"/dev/fd/{r}", R | os.O_NONBLOCK)
    return os.read(again, 1)


show("pipe by name", pipe_by_name)
show("memfd by name", lambda: (lambda fd: (os.write(fd, b"m"), open(f"/proc/self/fd/{fd}").read())[1])(os.memfd_create("x")))
show("socket by name", lambda: opened(f"/proc/self/fd/{__import__('socket').socket().detach()}", R)())
show("dev null", lambda: (written("/dev/null", "x"), open("/dev/null").read())[1])
show("dev zero", lambda: open("/dev/zero", "rb").read(4))
show("dev tty without terminal", opened("/dev/tty", RW))
show("relative to descriptor", lambda: opened("f", R, dir_fd=os.open("dir", R | D))())
show("relative to path descriptor", lambda: opened("f", R, dir_fd=os.open("dir", P | D))())
show("relative to file", lambda: opened("f", R, dir_fd=os.open("a", R))())
show("relative to nothing", lambda: opened("f", R, dir_fd=998)())
show("openat2 plain", openat2("a", R, 0, 0))
show("openat2 beneath", openat2("dir/f", R, 0, 8))
show("openat2 beneath out", openat2("../x", R, 0, 8))
show("openat2 beneath absolute", openat2("/etc/passwd", R, 0, 8))
show("openat2 in root", openat2("/a", R, 0, 16))
show("openat2 no links", openat2("to-a", R, 0, 4))
show("openat2 no magic", openat2("/proc/self/cwd/a", R, 0, 2))
procfs = os.open("/proc", os.O_RDONLY)
show("openat2 no mounts, same", openat2("version", R, 0, 1, procfs))
show("openat2 no mounts, by a link of procfs", openat2("self/status", R, 0, 1, procfs))
show("openat2 no mounts, by a magic link", openat2("self/root/etc/passwd", R, 0, 1, procfs))
show("openat2 no mounts, up", openat2("../etc/passwd", R, 0, 1, procfs))
show("openat2 no mounts, absolute", openat2("/proc/version", R, 0, 1))
show("openat2 no magic, by a link of procfs", openat2("self/status", R, 0, 2, procfs))
show("openat2 no magic, descriptor", openat2(f"self/fd/{procfs}", R, 0, 2, procfs))
show("openat2 mode without create", openat2("a", R, 0o600, 0))
show("openat2 unknown flag", openat2("a", 1 << 40, 0, 0))
show("openat2 unknown resolve", openat2("a", R, 0, 1 << 20))
show("openat2 short", openat2("a", R, 0, 0, size=16))
show("openat2 long zero", openat2("a", R, 0, 0, size=32, tail=b"\0" * 8))
show("openat2 long", openat2("a", R, 0, 0, size=32, tail=b"\1" * 8))
show("openat2 create beneath", openat2("dir/made", W | C, 0o600, 8))
show("bad pointer", raw("syscall", 257, -100, ctypes.c_void_p(8), 0, 0))
show("name too long", opened("x" * 256, W | C))
show("path too long", opened("x/" * 2100, R))
show("path of 4095", opened("./" * 2047 + "a", R))
show("not utf-8", lambda: (written(b"caf\xe9", "bytes"), [n for n in os.listdir(b".") if n.startswith(b"caf")])[1])
show("newline in name", lambda: (written("line\nbreak", "x"), "line\nbreak" in os.listdir("."))[1])
show("deep", lambda: [os.makedirs("deep/" + "/".join(["d"] * 300)), len(list(os.walk("deep")))][1])


def removed_cwd():
    os.mkdir("lost")
    os.chdir("lost")
    os.rmdir("../lost")
    try:
        return [opened("x", W | C), opened(".", R), opened("..", R)]
    finally:
        results = []
        for path, flags in (("x", W | C), (".", R | D), ("..", R | D)):
            try:
                opened(path, flags)()
                results.append("ok")
            except OSError as error:
                results.append(errno.errorcode[error.errno])
        os.chdir(root)
        lines.append("deleted cwd: " + repr(results))


removed_cwd()


def limited():
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, hard))
    held = []
    try:
        while True:
            held.append(os.open("a", R))
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


show("descriptor table full", limited)
show("lock", lambda: __import__("fcntl").flock(os.open("a", R), 2))
show("sgid directory", lambda: (os.mkdir("sgid"), os.chmod("sgid", 0o2755), os.mkdir("sgid/sub"), oct(os.stat("sgid/sub").st_mode))[3])
show("append only seek", lambda: (lambda fd: (os.write(fd, b"1"), os.lseek(fd, 0, 0), os.write(fd, b"2"), open("ap").read())[3])(os.open("ap", W | C | A)))
show("listing", lambda: sorted(os.listdir(b".")))
print("\n".join(lines))
