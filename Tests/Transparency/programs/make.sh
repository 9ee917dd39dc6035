# needs: make gcc
set -eu
names=
for n in $(seq 16); do
  printf '#include <stdio.h>\n#include "all.h"\nint f%d(int x) { return x + %d; }\n' "$n" "$n" >"f$n.c"
  echo "int f$n(int);" >>all.h
  names="$names f$n.o"
done
printf '#include <stdio.h>\n#include "all.h"\nint main(void) { printf("%%d\\n", f1(1) + f16(1)); return 0; }\n' >main.c
printf 'program: main.o%s\n\t$(CC) -o $@ $^\n%%.o: %%.c all.h\n\t@$(CC) -O1 -c -o $@ $<\n.PHONY: clean sub\nsub:\n\t@$(MAKE) -s -C . program\nclean:\n\trm -f *.o program\n' "$names" >Makefile
make -s -j4
./program
make -q && echo nothing to do
touch f3.c && make -n | tail -1
make -j4 clean
make -j3 sub 2>&1 | grep -v 'directory' || true
./program
make -j2 --output-sync missing || echo "status $?"
printf 'a: b c\n\t@echo $^\nb c:\n\t@echo making $@; touch $@\nfail:\n\t@exit 5\n' >other.mk
make -f other.mk a
make -f other.mk -k fail a || echo "status $?"
