# needs: python3
# not-under agent-default: memory and environment of processes, and what changes how the kernel treats them, are refused there
set -eu
/usr/bin/python3 -B - <<'P'
import os
libc_page = open("/proc/self/maps").readline().split("-")[0]
with open("/proc/self/mem", "rb", buffering=0) as memory:
    memory.seek(int(libc_page, 16))
    print("memory", memory.read(4))
with open("/proc/self/environ", "rb") as environment:
    print("environment", b"HOME=" in environment.read())
with open("/proc/self/oom_score_adj", "r+") as score:
    print("score", score.read().strip())
    score.write("500")
print("score", open(f"/proc/{os.getpid()}/oom_score_adj").read().strip())
for name in ("auxv", "io", "cmdline", "wchan", "smaps_rollup", "syscall", "stack", "pagemap"):
    try:
        with open(f"/proc/self/{name}", "rb") as file:
            print(name, len(file.read(64)) > 0)
    except OSError as error:
        print(name, error.strerror)
P
