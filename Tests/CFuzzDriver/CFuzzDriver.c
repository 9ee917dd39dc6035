#include "CFuzzDriver.h"

#include <stdio.h>
#include <stdlib.h>

extern int LLVMFuzzerRunDriver(int *count, char ***arguments, ash_fuzz_body body);

int ash_fuzz(int count, char **arguments, ash_fuzz_body body) { return LLVMFuzzerRunDriver(&count, &arguments, body); }

void ash_fuzz_fail(const char *what) {
  fprintf(stderr, "\nfinding: %s\n", what);
  abort();
}
