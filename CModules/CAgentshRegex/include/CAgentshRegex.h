// The few functions of RE2 that agentsh uses, callable from C and Swift. Matching is on bytes (Latin-1): a byte that is
// no UTF-8 matches `.` like any other, so it can't carry text past a pattern. Time is linear in the text, memory is
// bounded per pattern, nothing is ever written to stderr, and no exception leaves these functions.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ash_regex ash_regex;

// Compiles `length` bytes of RE2 syntax within `max_memory` bytes. With `dot_newline`, `.` matches a newline too.
// NULL on failure, with a NUL-terminated reason in `error` (at most `error_size` bytes). The caller owns the result.
ash_regex *ash_regex_compile(const uint8_t *pattern, size_t length, int dot_newline, size_t max_memory, char *error,
                             size_t error_size);

// 1 when the pattern matches anywhere in `text`, 0 when it doesn't, -1 when that can't be told (out of memory).
// May be called from any number of threads at once.
int ash_regex_match(const ash_regex *regex, const uint8_t *text, size_t length);

void ash_regex_free(ash_regex *regex);

#ifdef __cplusplus
}
#endif
