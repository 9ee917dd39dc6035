set -u
set -m
sleep 0.2 &
jobs
wait %1; echo "waited $?"
(exit 4) & wait $!; echo "status $?"
sleep 30 &
kill -STOP $!; while ! jobs -s | grep -q .; do :; done; jobs | tr -s ' '
bg %+ >/dev/null; kill -TERM $!; wait $!; echo "terminated $?"
trap 'echo usr1' USR1; kill -USR1 $$
trap 'echo child ended' CHLD; (exit 0) & wait; trap - CHLD
trap 'echo exit trap' EXIT
( trap 'echo inner; exit 9' TERM; echo ready >ready; while :; do sleep 0.05; done ) & inner=$!
while [ ! -s ready ]; do :; done; kill -TERM $inner; wait $inner; echo "inner $?"
sh -c 'kill -SEGV $$' ; echo "segv $?"
sh -c 'kill -PIPE $$' ; echo "pipe $?"
yes | head -1; echo "${PIPESTATUS[@]}"
coproc CAT { cat; }
echo to the coprocess >&"${CAT[1]}"; read -r line <&"${CAT[0]}"; echo "$line"
eval "exec ${CAT[1]}>&-"; wait "$CAT_PID"; echo "coproc $?"
diff <(seq 5) <(seq 4; echo six) ; echo "diff $?"
tee >(wc -l >counted) < <(seq 100) >/dev/null; while [ ! -s counted ]; do :; done; cat counted
cat <<X
here $((1 + 1))
X
cat <<<"a string"
cat <<'X' | tr a-z A-Z
$quoted
X
exec 7<>both; echo through 7 >&7; exec 7<&-; cat both
exec 8>opened; echo eight >&8; ls -l /dev/fd/8 | sed 's/.*-> //; s,.*/,,'; cat /proc/self/fd/8; exec 8>&-; cat opened
{ echo out; echo err >&2; } >both 2>&1; cat both
echo x >/dev/null; echo to stderr >/dev/stderr; echo to stdout >/dev/stdout; cat /dev/fd/0 <<<"from fd 0"
( ulimit -n 20; ulimit -n; for n in $(seq 3 30); do eval "exec $n</dev/null" 2>/dev/null || { echo "full at $n"; break; }; done )
( ulimit -f 1; trap '' XFSZ; head -c 3000 /dev/zero >big; echo "head $?"; stat -c %s big )
( ulimit -f 1; head -c 3000 /dev/zero >big; echo "head $?" )
( ulimit -c 0; ulimit -s 256; sh -c 'echo small stack' )
( ulimit -t 1; while :; do :; done ); echo "cpu $?"
set -C; echo a >clobber; echo b >clobber; echo "clobber $?"; echo c >|clobber; cat clobber; set +C
umask 077; echo >private; umask 002; echo >group; mkdir -m 1777 sticky; stat -c '%a %n' private group sticky
set +m
for n in 1 2 3 4 5 6 7 8; do ( sleep 0.0$n; echo $n >"done-$n" ) & done; wait; ls done-* | wc -l
bash -c '( sleep 0.1; exit 3 ) & ( sleep 5 ) & last=$!; wait -n; echo "first $?"; kill $last; wait $last; echo "last $?"'
read -r -t 0.05 x < <(sleep 1); echo "read $?"
mapfile -t lines < <(printf 'a\nb\n'); echo "${#lines[@]}"
timeout 0.1 sleep 5; echo "timeout $?"; timeout -s KILL 0.1 sleep 5; echo "killed $?"
nohup sh -c 'echo nohup' 2>/dev/null; setsid -w sh -c 'echo session'; nice -n 3 nice; env -i A=b env
no-such-command; echo "missing $?"; ./ready; echo "not executable $?"; printf '#!/no/interpreter\n' >bad; chmod +x bad; ./bad; echo "bad $?"
printf 'echo without a first line $1\n' >plain; chmod +x plain; ./plain argument; printf '#!/bin/sh -e\necho "$0" "$@"; false; echo no\n' >script; chmod +x script; ./script 'a b' ''; echo "script $?"
printf '#!./script x\n' >outer; chmod +x outer; ./outer y; echo "outer $?"
cd /proc/self && cd - >/dev/null && pwd | sed 's,.*/,,'; ( cd "$(mktemp -d ./gone.XXX)" && rmdir "$PWD" && ls && echo x >y; echo "gone $?" ) 2>&1 | sed 's/: line [0-9]*//'
( exec sh -c "exit 6" ); echo "exec $?"
