# needs: gcc
set -eu
cat >lib.c <<'C'
#include <math.h>
double half(double x) { return x / 2; }
C
cat >main.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <dlfcn.h>
double half(double);
int main(int argc, char **argv) {
  printf("%d %s %.2f\n", argc, argv[argc - 1], half(3));
  void *loaded = dlopen("./libmore.so", RTLD_NOW);
  if (!loaded) { puts(dlerror()); return 2; }
  int (*more)(int) = (int (*)(int))dlsym(loaded, "more");
  printf("%d\n", more(41));
  return 3;
}
C
echo 'int more(int x) { return x + 1; }' >more.c
gcc -O2 -Wall -c lib.c main.c
ar rcsD liblib.a lib.o
gcc -shared -fPIC -o libmore.so more.c
gcc -o program main.o liblib.a -ldl
./program one two || echo "status $?"
gcc -E -dM - </dev/null | grep -c define
gcc -save-temps -g -o again main.c lib.c -ldl && ./again x || echo "status $?"
echo 'int main(void) { return undeclared; }' >bad.c
gcc bad.c || echo "status $?"
gcc -M main.c | tr ' ' '\n' | sort | uniq | grep -c .h
ldd ./program | sed 's/ (0x.*//' | sort
nm liblib.a; strip program; size program | tail -1
