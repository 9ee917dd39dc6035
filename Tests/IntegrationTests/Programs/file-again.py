"""One name, opened for reading again and again while what stands there changes. Each case prints what open(2) gave, natively and in a session alike."""
import errno, fcntl, os, sys, threading

os.chdir(sys.argv[1])
here = os.getcwd()
name = here + "/name"


def attempt(flags=0):
    try:
        descriptor = os.open(name, os.O_RDONLY | flags)
    except OSError as error:
        return errno.errorcode[error.errno]
    if flags & os.O_DIRECTORY:
        os.close(descriptor)
        return "a directory"
    with open(descriptor, "rb", buffering=0) as file:
        # With the marks that open(2) leaves on the open file.
        return f"{file.read(64)!r} {fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~os.O_NOFOLLOW:o} {fcntl.fcntl(descriptor, fcntl.F_GETFD)}"


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def case(title, *flags):
    for number, flag in enumerate((0, 0, 0) + flags):
        print(title, number, attempt(flag))


def renew():
    try:
        os.rmdir(name) if os.path.isdir(name) and not os.path.islink(name) else os.unlink(name)
    except FileNotFoundError:
        pass
    write(name, "first")
    for _ in range(3):
        attempt()


renew()
case("file", os.O_NONBLOCK, os.O_NOCTTY, os.O_NOFOLLOW, os.O_DIRECTORY, os.O_CLOEXEC, 0)
write(name, "second")
case("changed")
os.chmod(name, 0)
case("closed to all")
os.chmod(name, 0o644)
case("open again")
write(here + "/other", "other")
os.rename(here + "/other", name)
case("another file")
os.unlink(name)
case("gone")
renew()
os.unlink(name)
os.symlink("/etc/hostname-that-is-not-there", name)
case("link to nowhere")
renew()
write(here + "/behind", "behind")
os.unlink(name)
os.symlink("behind", name)
case("link", os.O_NOFOLLOW)
renew()
os.unlink(name)
os.mkdir(name)
print("directory", attempt(os.O_DIRECTORY))
renew()
os.unlink(name)
os.mkfifo(name)
print("FIFO without waiting", attempt(os.O_NONBLOCK))
writer = threading.Thread(target=lambda: write(name, "through the FIFO"))
writer.start()
print("FIFO", attempt())
writer.join()
renew()
with open(name, "rb") as held:
    os.unlink(name)
    print("unlinked and held", held.read())
renew()
os.mkdir(here + "/above")
os.rename(name, here + "/above/name")
os.rename(here + "/above", name)
name = here + "/name/name"
case("moved with its directory")
