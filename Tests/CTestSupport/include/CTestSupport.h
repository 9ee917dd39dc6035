// What tests need of the kernel that Swift can't import: peers of another uid inside the test's own process, seccomp listeners, victims of a filter.
#pragma once
#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// connect(2) to a Unix socket with `uid` as the effective uid of the calling thread alone. Needs root. The descriptor, or -1.
int ct_connect_as(uid_t uid, const char *path);
// A seccomp listener of a thread that never calls anything that its filter traps; its thread ends at once. Or -1.
int ct_listener(void);
// Runs `body(argument)` in a child process under a filter; its exit status, 128 and the signal, or -1.
int ct_status_under_filter(const struct sock_filter *program, uint16_t length, int (*body)(void *), void *argument);
// Bodies for it: each makes one system call and returns its errno, 0 when it went well.
int ct_try_execve(void *ignored);
int ct_try_fork(void *ignored);
int ct_try_socket(void *ignored);
int ct_try_mount(void *ignored);
int ct_try_map_code(void *ignored);
int ct_try_thread(void *ignored);
int ct_try_open_and_write(void *ignored);
// pipe2(2) with O_CLOEXEC.
int ct_pipe(int *read_end, int *write_end);
