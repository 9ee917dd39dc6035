// What has to happen before any runtime of the process reads its environment: the scrub, argc 0, closed standard descriptors.
// Runs from .preinit_array, ahead of every constructor of libc's clients and of the Swift runtime. Linking this module is enough;
// main calls ash_early_anchor() so that no linker drops the object.
#pragma once

#include <stdint.h>

// 1 when the scrub ran before main. Anything else means that the executable was linked wrongly, and main must not go on.
int ash_early_anchor(void);

// The environment as execve(2) delivered it, NULL-terminated, in its order. It is for the command that is to be run, never for
// this process. Valid for the life of the process; not to be changed.
char *const *ash_early_original_environment(void);

// Bit N (0, 1, 2) is set when standard descriptor N was closed at the start. /dev/null stands in its place now, so that no
// descriptor opened later is taken for standard input or output.
uint32_t ash_early_closed_descriptors(void);

// Overwrites the arguments behind the program's name, as the process list shows them. Whoever needs one has to have read it.
void ash_early_forget_arguments(void);

// 1 when the kernel marked this execution as privileged (AT_SECURE), or a real and an effective identity differ.
int ash_early_is_privileged(void);
