# needs: python3
set -eu
# A process that isn't dumpable may use its own descriptors and its own program all the same.
cp /usr/bin/cat unreadable
chmod 111 unreadable
./unreadable /dev/fd/3 3</etc/hostname
bash -c './unreadable <(echo piped)'
/usr/bin/python3 -B - <<'P'
import ctypes, os
ctypes.CDLL(None).prctl(4, 0)  # PR_SET_DUMPABLE
def tried(name, body):
    try: print(name, body())
    except OSError as error: print(name, error.strerror)
os.mkdir("there")
with open("there/file", "w") as file: file.write("text")
here = os.open("there", os.O_RDONLY | os.O_DIRECTORY)
file = os.open("there/file", os.O_RDWR)
def read(path, **at):
    descriptor = os.open(path, os.O_RDONLY, **at)
    try: return os.read(descriptor, 10)
    finally: os.close(descriptor)
tried("at", lambda: read("file", dir_fd=here))
tried("above", lambda: read("../there/file", dir_fd=here))
tried("self", lambda: read(f"/proc/self/fd/{file}"))
tried("dev", lambda: read(f"/dev/fd/{file}"))
tried("thread", lambda: read(f"/proc/thread-self/fd/{file}"))
tried("way", lambda: read(f"/proc/self/fd/{here}/file"))
tried("cwd", lambda: read("/proc/self/cwd/there/file"))
tried("root", lambda: len(read("/proc/self/root/etc/passwd")))
tried("exe", lambda: read("/proc/self/exe")[:4])
tried("none", lambda: read("/proc/self/fd/999"))
tried("make", lambda: os.mkdir("made", dir_fd=here))
tried("remove", lambda: os.rmdir("made", dir_fd=here))
tried("mode", lambda: os.chmod(f"/proc/self/fd/{file}", 0o600))
tried("size", lambda: os.truncate(f"/proc/self/fd/{file}", 2))
if os.fork() == 0: os.execv("/proc/self/exe", ["python3", "-c", "print('executed')"])
os.wait()
P
