// The launcher's child: cloned with its own copy of the memory and a shared descriptor table, so that its parent, which has no
// filter, can hand the child's listener over. Between the clone and the exec it allocates nothing and takes no lock.
//
// The order of things: ash_launch_start clones; the child installs the filter and reports ASH_STAGE_LISTENING with the listener's
// number; the parent hands the listener over, closes it and calls ash_launch_go; the child reports ASH_STAGE_UNSHARED when its
// descriptor table is its own, and execs, which ends the reports. Whatever fails before that is one report with an error.
#pragma once

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// "ASH1": first argument of the one prctl(2) that the filter traps by register so that the supervisor can tie listener, filter and
// process together.
#define ASH_NONCE_PRCTL 0x41534831
// Fourth argument of that prctl(2) from inside a session whose policy permits others inside: it returns a connection to the server.
#define ASH_NONCE_DOOR 1

// What the child was doing. Values are part of no protocol: both sides are one program.
enum ash_stage {
  ASH_STAGE_PARENT = 1,     // its launcher died before it could ask to die with it
  ASH_STAGE_SIGNALS = 2,    // dispositions
  ASH_STAGE_TRACER = 3,     // PR_SET_PTRACER
  ASH_STAGE_PRIVILEGES = 4, // PR_SET_NO_NEW_PRIVS
  ASH_STAGE_LANDLOCK = 5,   // landlock_restrict_self(2)
  ASH_STAGE_FILTER = 6,     // seccomp(2)
  ASH_STAGE_LISTENING = 7,  // the filter is installed; value: the listener's number in the shared table, -1 where it has none
  ASH_STAGE_GO = 8,         // waiting for ash_launch_go
  ASH_STAGE_NONCE = 9,      // the trapped call
  ASH_STAGE_DESCRIPTORS = 10,
  ASH_STAGE_UNSHARED = 11,  // the descriptor table is the child's own
  ASH_STAGE_EXEC = 12,      // execve(2); value: index of the candidate that the error belongs to
};

// What the child needs. All pointers stay the caller's and must stay valid until the child has exec'ed or is dead.
struct ash_launch_plan {
  const struct sock_filter *filter;
  uint16_t filter_length;            // instructions
  const char *const *candidates;     // NULL-terminated paths, tried in order as execvp(3) does
  char *const *arguments;            // argv, NULL-terminated
  char **script_arguments;           // "/bin/sh", room for the candidate, argv[1]…, NULL: for a file without a format (ENOEXEC)
  char *const *environment;          // NULL-terminated
  const int *kept;                   // descriptors above 2 that the command inherits
  size_t kept_count;
  uint32_t closed_standard;          // bit N: descriptor N was closed at the launcher's start and is closed for the command
  uint64_t signal_mask;              // the mask that the command gets, bit N-1 for signal N
  int ignores_child_signal;          // 1: the command inherits SIG_IGN for SIGCHLD
  int landlock_ruleset;              // descriptor, or -1
  int without_listener;              // 1: the filter of the session around has one, and the kernel takes no second
  int without_core_file;             // 1: RLIMIT_CORE is 0 for good
  pid_t tracer;                      // who may trace the child under Yama (PR_SET_PTRACER), or 0
};

struct ash_launch_report {
  int32_t stage;
  int32_t error;  // errno, or 0
  int32_t value;
};

// A child between clone and exec. Descriptors belong to the parent, and are shared with the child until ASH_STAGE_UNSHARED.
struct ash_launch {
  pid_t pid;
  int pidfd;
  int report_read, report_write;
  int go_read, go_write;
};

// Asks the supervisor of the session that this process runs in for a connection to its server: a descriptor (close-on-exec), or -1 with errno:
// EINVAL where there is no such session or its policy permits no other inside.
int ash_launch_door(void);

// Clones the child: 0, or -1 with errno (pipe2(2), clone(2)). The caller must have all signals blocked, and unblocks its own after.
int ash_launch_start(const struct ash_launch_plan *plan, struct ash_launch *launch);
// Waits for the next report: 1 and *report; 0 when the child has exec'ed; -1 with errno: ETIMEDOUT, ESRCH when it died, others.
int ash_launch_next(struct ash_launch *launch, struct ash_launch_report *report, int timeout_milliseconds);
// Lets the child make its trapped call with `nonce`, and go on.
int ash_launch_go(struct ash_launch *launch, uint64_t nonce);
// Closes the pipes' ends. The pidfd stays open.
void ash_launch_close_pipes(struct ash_launch *launch);

// Blocks every signal for the calling thread; *previous takes the mask as it was.
int ash_signals_block_all(uint64_t *previous);
// Sets the calling thread's mask.
int ash_signals_set_mask(uint64_t mask);
// 1 when the signal is ignored, 0 when not, -1 with errno.
int ash_signal_is_ignored(int signal);
// Sets the default disposition.
int ash_signal_set_default(int signal);
// Ends the process by a signal, as the command was ended by it: default disposition, no core file of its own. Comes back only when
// that signal doesn't end a process.
void ash_die_of_signal(int signal);

// Lets a signal do by default what it does (stop, end), once, and puts disposition and mask back; it comes back when continued.
void ash_act_by_default(int signal);

// getresuid(2), getresgid(2), setresuid(2), setresgid(2): the last two take (uid_t)-1 for "as it is".
int ash_get_user_ids(uid_t *real, uid_t *effective, uid_t *saved);
int ash_get_group_ids(gid_t *real, gid_t *effective, gid_t *saved);
int ash_set_user_ids(uid_t real, uid_t effective, uid_t saved);
int ash_set_group_ids(gid_t real, gid_t effective, gid_t saved);

// One change of any child, without blocking and reaping it when it has ended: 0 when there is none (or no child); 1 with *pid,
// *code (CLD_EXITED, CLD_KILLED, CLD_DUMPED, CLD_STOPPED, CLD_CONTINUED) and *status (exit status or signal); -1 with errno.
int ash_wait_any(pid_t *pid, int *code, int *status);

// signalfd(2) for every signal that can be blocked, non-blocking and close-on-exec.
int ash_signals_open(void);
// The next signal: 1 and *number, *code (si_code), *sender (pid); 0 when none is waiting; -1 with errno.
int ash_signals_next(int descriptor, int *number, int *code, pid_t *sender);
