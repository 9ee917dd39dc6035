# needs: strace
# policies: tracing
set -eu
strace -f -qq -e trace=openat,mkdir -o log sh -c 'mkdir made; echo x >made/file; cat made/file; cat missing || true' 2>&1
grep -c 'mkdir("made"' log; grep -c 'ENOENT' log >/dev/null; grep -o '"made/file".*' log | sed 's/= [0-9]*$/= N/'; rm log
strace -c -o counts true; grep -c execve counts; rm counts
sleep 100 & slept=$!
strace -qq -p $slept -o attached & tracer=$!
until grep -q '^TracerPid:.[1-9]' /proc/$slept/status; do sleep 0.01; done
kill $slept; wait $slept || echo "status $?"; wait $tracer || true; grep -o 'SIGTERM {' attached | head -1; rm attached
strace -f -qq -o log -e trace=execve -e inject=execve:error=EACCES:when=2 sh -c 'true; ls /dev/null; echo $?' || echo "status $?"; rm log
