# Starts tools/victim in every way there is, and prints `NAME: ran` or `NAME: -` for each. Sourced by a shell in the directory where it lies.
#
# The word before the name tells what the kernel executes: `same` the file itself, by whatever way; `named` another file of the same name; `copy`
# the same bytes under another name.
here=$PWD
loader=$(readlink -f tools/loader)
way() { # KIND NAME COMMAND
  local output
  [ "${only:-$2}" = "$2" ] || return
  output=$(eval "$3" 2>/dev/null </dev/null)
  case $output in
    *"victim ran"*) echo "$1 $2: ran" ;;
    *) echo "$1 $2: -" ;;
  esac
}
script() { # NAME LINE
  printf '#!%s\n' "$2" >"$1"
  chmod +x "$1"
}
rm -rf made && mkdir -p made/elsewhere && ln -s ../tools/victim made/link && ln -s ../tools made/folder
script made/script "$here/tools/victim"
script made/chain1 "$here/made/script"
script made/chain2 "$here/made/chain1"
script made/chain3 "$here/made/chain2"
script made/by-loader "$loader $here/tools/victim"
script made/by-env "/usr/bin/env -S $here/tools/victim with words"
script made/by-link "$here/made/link"
# Which nobody but the kernel can read.
closed() { script "$@" && chmod 0111 "$1"; }
closed made/closed "$here/tools/victim"
closed made/closed-by-env "/usr/bin/env -S $here/tools/victim with words"
closed made/closed-by-loader "$loader $here/tools/victim"
closed made/closed-by-link "$here/made/link word"
closed made/closed-chain "$here/made/closed word"
closed made/closed-chain1 "$here/made/chain1"
script made/chain-of-closed "$here/made/closed-chain word"

way same direct 'tools/victim'
way same absolute '"$here/tools/victim"'
way same dots 'tools/../made/.././tools/victim'
way same slashes '"$here//tools///victim"'
way same link 'made/link'
way same folder-link 'made/folder/victim'
way same proc-root '"/proc/self/root$here/tools/victim"'
way same proc-cwd '/proc/self/cwd/tools/victim'
way same proc-fd 'exec 9<tools/victim; /proc/self/fd/9'
way same dev-fd 'exec 9<tools/victim; /dev/fd/9'
way same proc-thread-self 'exec 9<tools/victim; /proc/thread-self/fd/9'
way same other-process-fd 'exec 9<tools/victim; sh -c "/proc/$BASHPID/fd/9; :"'
way same folder-fd 'exec 9<tools; /proc/self/fd/9/victim'
way same path-search 'PATH=$here/tools:$PATH; victim'
way same argument-zero 'exec -a harmless tools/victim'
way same no-arguments 'python3 -c "import ctypes; ctypes.CDLL(None).execve(b\"tools/victim\", (ctypes.c_char_p * 1)(None), None)"'
way same script 'made/script'
way same chain-of-two 'made/chain1'
way same chain-of-four 'made/chain3'
way same script-by-link 'made/by-link'
way same script-of-loader 'made/by-loader'
way same script-of-env 'made/by-env'
way same unreadable-script 'made/closed'
way same unreadable-script-of-env 'made/closed-by-env'
way same unreadable-script-of-loader 'made/closed-by-loader'
way same unreadable-script-by-link 'made/closed-by-link'
way same unreadable-chain 'made/closed-chain'
way same unreadable-in-a-chain 'made/chain-of-closed'
way same readable-in-an-unreadable-chain 'made/closed-chain1'
way same unreadable-script-by-descriptor 'python3 -c "import os; f = os.open(\"made/closed\", os.O_PATH); os.set_inheritable(f, True); os.execve(f, [\"x\"], {})"'
closed made/echoes "/bin/echo"
cat >made/exchange.py <<'SCRIPT'
import os, subprocess
def put(name):
    os.link(name, "made/next")
    os.rename("made/next", "made/exchanged")
put("made/echoes")
child = os.fork()
while child == 0 and os.getppid() != 1:
    put("made/closed")
    put("made/echoes")
for _ in range(300): subprocess.run(["made/exchanged"], stderr=subprocess.DEVNULL)
os.kill(child, 9)
os.wait()
SCRIPT
way same unreadable-script-that-is-exchanged 'python3 made/exchange.py'
way same loader '"$loader" "$here/tools/victim"'
way same loader-relative '"$loader" ./tools/victim'
way same loader-options '"$loader" --inhibit-cache --argv0 harmless --library-path /nonexistent:/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib/aarch64-linux-gnu ./tools/victim'
way same loader-by-link 'ln -sf "$loader" made/harmless-name; made/harmless-name ./tools/victim'
way same interpreter 'tools/by-interpreter'
way same interpreter-of-an-unreadable-program 'cp tools/by-interpreter made/unreadable; chmod 0111 made/unreadable; made/unreadable'
way same shell 'sh -c "tools/victim"'
way same shell-exec 'sh -c "exec tools/victim"'
way same env 'env tools/victim'
way same env-split 'env -S "tools/victim a b"'
way same nohup 'nohup tools/victim'
way same nice 'nice tools/victim'
way same timeout 'timeout 5 tools/victim'
way same setsid 'setsid -w tools/victim'
way same stdbuf 'stdbuf -o0 tools/victim'
way same xargs 'echo x | xargs tools/victim'
way same find-exec 'find tools -name victim -exec {} \;'
way same find-execdir 'find tools -name victim -execdir {} +'
way same awk 'awk "BEGIN { system(\"tools/victim\") }"'
way same sed 'echo tools/victim | sed e'
way same make 'printf "all:\n\t@tools/victim\n" >made/Makefile; make -sf made/Makefile'
way same tar 'tar cf made/x.tar tools/victim; tar xf made/x.tar --to-command=tools/victim'
way same git 'HOME=$here/made git -c alias.x="!$here/tools/victim" x'
way same perl 'perl -e "exec \"tools/victim\""'
way same python-spawn 'python3 -c "import subprocess; subprocess.run([\"tools/victim\"])"'
way same python-posix-spawn 'python3 -c "import os; os.waitpid(os.posix_spawn(\"tools/victim\", [\"x\"], {}), 0)"'
way same python-descriptor 'python3 -c "import os; os.execve(os.open(\"tools/victim\", os.O_RDONLY), [\"x\"], {})"'
way same python-path-descriptor 'python3 -c "import os; os.execve(os.open(\"tools/victim\", os.O_PATH), [\"x\"], {})"'
way same execveat-folder 'python3 -c "
import ctypes, os, platform
number = {\"x86_64\": 322, \"aarch64\": 281}[platform.machine()]
ctypes.CDLL(None).syscall(number, os.open(\"tools\", os.O_PATH), b\"victim\", (ctypes.c_char_p * 2)(b\"x\", None), None, 0)"'
way same execveat-empty 'python3 -c "
import ctypes, os, platform
number = {\"x86_64\": 322, \"aarch64\": 281}[platform.machine()]
ctypes.CDLL(None).syscall(number, os.open(\"tools/victim\", os.O_RDONLY), b\"\", (ctypes.c_char_p * 2)(b\"x\", None), None, 0x1000)"'
way same thread 'python3 -c "
import os, threading
threading.Thread(target=lambda: os.execv(\"tools/victim\", [\"x\"])).start(); threading.Event().wait(5)"'
if command -v busybox >/dev/null; then
  way same busybox-shell 'busybox sh -c "tools/victim"'
  way same busybox-env 'busybox env tools/victim'
  way same busybox-xargs 'echo x | busybox xargs tools/victim'
  way same busybox-find 'busybox find tools -name victim -exec {} \;'
fi
if command -v node >/dev/null; then
  way same node 'node -e "console.log(require(\"child_process\").execFileSync(\"tools/victim\").toString())"'
fi
way named copy-of-the-same-name 'cp tools/victim made/elsewhere/victim; made/elsewhere/victim'
way named link-named-so 'cp tools/victim made/other-file; ln -sf other-file made/victim; made/victim'
way named argument-named-so 'cp tools/victim made/other-file; exec -a victim made/other-file'
way copy copy 'cp tools/victim made/copy; made/copy'
way copy renamed 'cp tools/victim made/elsewhere/old; mv made/elsewhere/old made/renamed; made/renamed'
way copy hard-link 'ln tools/victim made/hard; made/hard'
way copy memory-file 'python3 -c "
import os
fd = os.memfd_create(\"m\"); os.write(fd, open(\"tools/victim\", \"rb\").read()); os.execve(fd, [\"x\"], {})"'
way copy memory-file-by-name 'python3 -c "
import os
fd = os.memfd_create(\"m\", 0); os.write(fd, open(\"tools/victim\", \"rb\").read()); os.execv(\"/proc/self/fd/%d\" % fd, [\"x\"])"'
way copy unnamed-file 'python3 -c "
import os
fd = os.open(\"made\", os.O_TMPFILE | os.O_RDWR, 0o700); os.write(fd, open(\"tools/victim\", \"rb\").read())
path = os.open(\"/proc/self/fd/%d\" % fd, os.O_RDONLY); os.close(fd); os.execve(path, [\"x\"], {})"'
way copy deleted-file 'cp tools/victim made/deleted; exec 9<made/deleted; rm made/deleted; /proc/self/fd/9'
way copy copied-loader 'cp "$loader" made/plain-name; made/plain-name ./tools/victim'
