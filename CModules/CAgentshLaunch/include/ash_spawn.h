// Starting another program with chosen descriptors and a chosen identity. Everything between clone and exec is here: no allocation,
// no lock, raw system calls where libc's wrapper would act on all threads (setuid and its like).
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Where a start failed; with the errno it is all that the child can tell.
enum ash_spawn_stage {
  ASH_SPAWN_STARTED = 0,
  ASH_SPAWN_PIPE,
  ASH_SPAWN_CLONE,
  ASH_SPAWN_SIGNALS,
  ASH_SPAWN_DESCRIPTORS,
  ASH_SPAWN_LIMITS,
  ASH_SPAWN_BOUNDING,
  ASH_SPAWN_GROUPS,
  ASH_SPAWN_IDENTITY,
  ASH_SPAWN_CAPABILITIES,
  ASH_SPAWN_REGAINED,  // uid 0 could be had back
  ASH_SPAWN_NO_NEW_PRIVS,
  ASH_SPAWN_EXEC,
  ASH_SPAWN_WAITING,  // ETIMEDOUT: the child has neither run the program nor failed within five seconds
};

struct ash_spawn_identity {
  uid_t uid;
  gid_t gid;
  const gid_t *groups;
  size_t group_count;
  uint64_t capabilities;  // all that is left: permitted, effective, inheritable, ambient and bounding
};

struct ash_spawn_request {
  const char *path;
  char *const *arguments;
  char *const *environment;
  // Become 0, 1, 2, … in the child; every other is closed. They may be the same number more than once. At most 16.
  const int *descriptors;
  size_t descriptor_count;
  uint64_t open_files;                         // RLIMIT_NOFILE, 0: as it is
  const struct ash_spawn_identity *identity;  // NULL: as it is (an unprivileged launcher)
};

struct ash_spawn_result {
  pid_t pid;
  int pidfd;   // close-on-exec
  int stage;   // enum ash_spawn_stage
  int error;   // errno at that stage
};

// 0 once the program runs. -1 with stage and error set otherwise: nothing is left of the child then.
int ash_spawn(const struct ash_spawn_request *request, struct ash_spawn_result *result);
const char *ash_spawn_stage_name(int stage);
