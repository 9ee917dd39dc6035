// libFuzzer's entry, for a program that has a main of its own: https://llvm.org/docs/LibFuzzer.html#using-libfuzzer-as-a-library
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef int (*ash_fuzz_body)(const uint8_t *data, size_t count);
// Runs libFuzzer with a program's arguments; returns its exit status, if it returns.
int ash_fuzz(int count, char **arguments, ash_fuzz_body body);
// Ends the process in the way that libFuzzer takes for a finding.
_Noreturn void ash_fuzz_fail(const char *what);
