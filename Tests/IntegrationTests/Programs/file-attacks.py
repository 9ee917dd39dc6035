#!/usr/bin/python3
"""Tries every known way to a file that a policy protects by name, in the directory it is given, and prints which ways got there.

Unsupervised each of them must win (that proves the attack); under a policy that denies `**/.env` none may.
"""
import ctypes
import mmap
import os
import shutil
import signal
import socket
import sys
import threading
import time

root = os.path.realpath(sys.argv[1])
os.chdir(root)
libc = ctypes.CDLL(None, use_errno=True)
sys.setswitchinterval(1e-6)
SECRET = "SECRET=1\n"


def content(path):
    with open(path) as file:
        return file.read()


def fresh():
    """A directory `sub` with the protected file in it; made by the test outside before, since in a session it can't be made."""
    for name in os.listdir("."):
        if name == "sub":
            continue
        try:
            shutil.rmtree(name) if os.path.isdir(name) and not os.path.islink(name) else os.unlink(name)
        except FileNotFoundError:
            pass  # Renamed by the last call of a child that was killed: a supervisor may still have been performing it.


def read_link():
    os.symlink("sub/.env", "link")
    return content("link")


def read_through_directory_link():
    os.symlink("sub", "directory")
    return content("directory/.env")


def read_dot_dot():
    os.mkdir("d")
    return content("d/../sub/../sub/.env")


def read_hard_link():
    os.link("sub/.env", "other")
    return content("other")


def read_renamed():
    os.rename("sub/.env", "other")
    try:
        return content("other")
    finally:
        os.rename("other", "sub/.env")


def read_exchanged():
    open("plain", "w").close()
    if libc.renameat2(-100, b"sub/.env", -100, b"plain", 2) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")
    try:
        return content("plain")
    finally:
        libc.renameat2(-100, b"sub/.env", -100, b"plain", 2)


def read_below_root():
    return content("/proc/self/root" + root + "/sub/.env")


def read_below_cwd():
    return content("/proc/self/cwd/sub/.env")


def read_by_path_descriptor():
    return content(f"/proc/self/fd/{os.open('sub/.env', os.O_PATH)}")


def read_by_dev_fd():
    return content(f"/dev/fd/{os.open('sub/.env', os.O_PATH)}")


def read_by_thread_self():
    return content(f"/proc/thread-self/fd/{os.open('sub/.env', os.O_PATH)}")


def read_relative_to_descriptor():
    return os.read(os.open(".env", os.O_RDONLY, dir_fd=os.open("sub", os.O_PATH)), 100).decode()


def read_by_openat2():
    how = ctypes.create_string_buffer((0).to_bytes(24, "little"))
    fd = libc.syscall(437, -100, b"sub/.env", how, 24)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "openat2")
    return os.read(fd, 100).decode()


def read_by_legacy_open():
    fd = libc.syscall(2, b"sub/.env", 0)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "open")
    return os.read(fd, 100).decode()


def changed(before, after):
    return "changed" if before != after else "unchanged"


def truncate():
    os.truncate("sub/.env", 0)
    size = os.stat("sub/.env").st_size
    with open("sub/.env", "w") as file:
        file.write(SECRET)
    return changed(len(SECRET), size)


def change_mode():
    os.chmod("sub/.env", 0o777)
    mode = os.stat("sub/.env").st_mode & 0o777
    os.chmod("sub/.env", 0o644)
    return changed(0o644, mode)


def change_mode_by_path_descriptor():
    os.chmod(f"/proc/self/fd/{os.open('sub/.env', os.O_PATH)}", 0o777)
    mode = os.stat("sub/.env").st_mode & 0o777
    os.chmod("sub/.env", 0o644)
    return changed(0o644, mode)


def made(path):
    there = os.path.lexists(path)
    if there:
        os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
    return "changed" if there else "unchanged"


def create():
    open(".env", "w").close()
    return made(".env")


def create_by_mknod():
    os.mknod(".env")
    return made(".env")


def create_by_mkdir():
    os.mkdir(".env")
    return made(".env")


def create_by_rename():
    open("plain", "w").close()
    os.rename("plain", ".env")
    return made(".env")


def create_by_link():
    open("plain", "w").close()
    os.link("plain", ".env")
    return made(".env")


def create_by_symlink():
    os.symlink("plain", ".env")
    return made(".env")


def create_through_dangling_link():
    os.symlink(".env", "dangling")
    open("dangling", "w").close()
    return made(".env")


def create_with_slashes():
    open(root + "//./.env", "w").close()
    return made(".env")


def read_with_dots_and_slashes():
    return content("./sub/.//./" + "././" * 500 + ".env")


def read_below_a_root_of_its_own():
    """RESOLVE_IN_ROOT: absolute links start at the descriptor."""
    os.symlink("/sub/.env", "absolute")
    how = ctypes.create_string_buffer((0).to_bytes(16, "little") + (0x10).to_bytes(8, "little"), 24)
    fd = libc.syscall(437, os.open(".", os.O_PATH), b"absolute", how, 24)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "openat2")
    return os.read(fd, 100).decode()


def read_by_link_into_proc():
    os.symlink("/proc/self/cwd/sub/.env", "magic")
    return content("magic")


def read_by_path_descriptor_of_folder():
    folder = os.open("sub", os.O_PATH)
    os.symlink(f"/proc/self/fd/{folder}/.env", "magic")
    return content("magic")


def read_by_child_of_another_folder():
    """Where a relative name starts from is the caller's, not its parent's."""
    r, w = os.pipe()
    if os.fork() == 0:
        try:
            os.chdir("sub")
            os.write(w, content(".env").encode())
        except OSError as error:
            os.write(w, error.strerror.encode())
        finally:
            os._exit(0)
    os.close(w)
    os.wait()
    return os.read(r, 100).decode()


def read_mapped():
    with open("sub/.env", "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
        return memory[:].decode()


def copy_by_range():
    source, target = os.open("sub/.env", os.O_RDONLY), os.open("copy", os.O_RDWR | os.O_CREAT)
    os.copy_file_range(source, target, 100)
    return content("copy")


def read_received():
    """A descriptor that a process of the session sends."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    if os.fork() == 0:
        try:
            fd = os.open("sub/.env", os.O_RDONLY)
            socket.send_fds(other, [b"x"], [fd])
        except OSError as error:
            other.send(error.strerror.encode())
        finally:
            os._exit(0)
    os.wait()
    data, fds, _, _ = socket.recv_fds(one, 100, 1)
    return os.read(fds[0], 100).decode() if fds else data.decode()


def create_by_binding():
    socket.socket(socket.AF_UNIX).bind(".env")
    return made(".env")


def create_by_binding_elsewhere():
    os.symlink(".", "here")
    socket.socket(socket.AF_UNIX).bind("here/.env")
    return made(".env")


def create_with_slash():
    os.mkdir(".env/")
    return made(".env")


def create_by_renaming_a_folder():
    os.mkdir("folder")
    os.rename("folder", ".env/")
    return made(".env")


def create_below_a_root_of_its_own():
    how = ctypes.create_string_buffer((os.O_CREAT | os.O_WRONLY).to_bytes(8, "little") + (0o600).to_bytes(8, "little") + (0x10).to_bytes(8, "little"), 24)
    if libc.syscall(437, os.open(".", os.O_PATH), b"/../.env", how, 24) < 0:
        raise OSError(ctypes.get_errno(), "openat2")
    return made(".env")


def create_by_exchange():
    os.mkdir("d")
    for name in ("plain", "d/other"):
        open(name, "w").close()
    os.rename("d/other", "other")
    if libc.renameat2(-100, b"plain", -100, b"other", 2) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")
    os.rename("other", ".env")
    return made(".env")


def create_from_temporary():
    fd = os.open(".", os.O_RDWR | os.O_TMPFILE, 0o600)
    if libc.linkat(-100, f"/proc/self/fd/{fd}".encode(), -100, b".env", 0x400) != 0:
        raise OSError(ctypes.get_errno(), "linkat")
    return made(".env")


def delete():
    os.unlink("sub/.env")
    gone = not os.path.exists("sub/.env")
    with open("sub/.env", "w") as file:
        file.write(SECRET)
    return "changed" if gone else "unchanged"


def race(seconds=4):
    """The name is a link that a child turns from a harmless file to the protected one and back. Goes on until it wins or its time is over."""
    with open("harmless", "w") as file:
        file.write("fine")
    os.symlink("harmless", "swap")
    parent = os.getpid()
    child = os.fork()
    if not child:
        while os.getppid() == parent:
            for target in ("sub/.env", "harmless"):
                os.symlink(target, "swap.new")
                os.rename("swap.new", "swap")
        os._exit(0)
    leaks = reads = 0
    try:
        end = time.monotonic() + seconds
        while not leaks and time.monotonic() < end:
            try:
                text = content("swap")
            except OSError:
                continue
            reads += 1
            leaks += text == SECRET
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if leaks:
        return SECRET
    # With no permitted read at all nothing was raced.
    return "unchanged" if reads else "no read"


def race_memory(seconds=4):
    """A sibling thread rewrites the path in memory while the call is being decided. Goes on until it wins or its time is over."""
    with open("harmless", "w") as file:
        file.write("fine")
    buffer = ctypes.create_string_buffer(64)
    harmless, secret = b"harmless\0", b"sub/.env\0"
    stop = threading.Event()
    libc.memcpy.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]

    def rewrite():
        while not stop.is_set():
            libc.memcpy(buffer, secret, 9)
            libc.memcpy(buffer, harmless, 9)

    sibling = threading.Thread(target=rewrite)
    sibling.start()
    leaks = 0
    try:
        end = time.monotonic() + seconds
        while not leaks and time.monotonic() < end:
            fd = libc.syscall(257, -100, buffer, 0, 0)
            if fd >= 0:
                leaks += os.read(fd, 100).decode() == SECRET
                os.close(fd)
    finally:
        stop.set()
        sibling.join()
    return SECRET if leaks else "unchanged"


for attack in (
    read_link, read_through_directory_link, read_dot_dot, read_hard_link, read_renamed, read_exchanged, read_below_root, read_below_cwd,
    read_by_path_descriptor, read_by_dev_fd, read_by_thread_self, read_relative_to_descriptor, read_by_openat2, read_by_legacy_open, truncate,
    change_mode, change_mode_by_path_descriptor, create, create_by_mknod, create_by_mkdir, create_by_rename, create_by_link, create_by_symlink,
    create_through_dangling_link, create_with_slashes, create_from_temporary, delete, read_with_dots_and_slashes, read_below_a_root_of_its_own,
    read_by_link_into_proc, read_by_path_descriptor_of_folder, read_by_child_of_another_folder, read_mapped, copy_by_range, read_received,
    create_by_binding, create_by_binding_elsewhere, create_with_slash, create_by_renaming_a_folder, create_below_a_root_of_its_own,
    create_by_exchange, race, race_memory,
):
    fresh()
    try:
        result = attack()
    except OSError as error:
        result = error.strerror
    print(attack.__name__ + ":", "won" if result in (SECRET, "changed") else "lost (%s)" % result)
