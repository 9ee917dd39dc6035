# needs: gdb gcc
# policies: tracing
# varies: program
set -eu
cat >program.c <<'C'
#include <stdio.h>
#include <unistd.h>
int depth(int n) { return n ? depth(n - 1) + 1 : 0; }
int main(void) { FILE *file = fopen("program.c", "r"); printf("%d %d\n", depth(5), file != 0); return 5; }
C
gcc -g -O0 -o program program.c
gdb -nx -q -batch -ex 'set debuginfod enabled off' -ex 'break depth if n == 2' -ex run -ex bt -ex 'print n' -ex 'set var n = 0' -ex 'delete' -ex continue ./program 2>&1 |
  sed -E 's/0x[0-9a-f]+/ADDR/g; s/process [0-9]+/process N/; /libthread_db/d; /warning: Error disabling/d'
gdb -nx -q -batch -ex run -ex 'info registers rip' -ex bt --args sh -c 'kill -SEGV $$' 2>&1 | grep -o 'received signal SIGSEGV'
sleep 100 & gdb -nx -q -batch -p $! -ex 'info inferiors' -ex detach 2>&1 | grep -c 'process'; kill %1; wait %1 || echo "status $?"
