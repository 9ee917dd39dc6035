// Landlock: landlock_create_ruleset(2), landlock_add_rule(2), landlock_restrict_self(2).
#pragma once
#include <stdint.h>

// LANDLOCK_ACCESS_FS_*, with those that are newer than the 6.1 headers (ABI 2).
#define ASH_LANDLOCK_FS_EXECUTE (1ULL << 0)
#define ASH_LANDLOCK_FS_WRITE_FILE (1ULL << 1)
#define ASH_LANDLOCK_FS_READ_FILE (1ULL << 2)
#define ASH_LANDLOCK_FS_READ_DIR (1ULL << 3)
#define ASH_LANDLOCK_FS_REMOVE_DIR (1ULL << 4)
#define ASH_LANDLOCK_FS_REMOVE_FILE (1ULL << 5)
#define ASH_LANDLOCK_FS_MAKE_CHAR (1ULL << 6)
#define ASH_LANDLOCK_FS_MAKE_DIR (1ULL << 7)
#define ASH_LANDLOCK_FS_MAKE_REG (1ULL << 8)
#define ASH_LANDLOCK_FS_MAKE_SOCK (1ULL << 9)
#define ASH_LANDLOCK_FS_MAKE_FIFO (1ULL << 10)
#define ASH_LANDLOCK_FS_MAKE_BLOCK (1ULL << 11)
#define ASH_LANDLOCK_FS_MAKE_SYM (1ULL << 12)
#define ASH_LANDLOCK_FS_REFER (1ULL << 13)     /* ABI 2, 5.19 */
#define ASH_LANDLOCK_FS_TRUNCATE (1ULL << 14)  /* ABI 3, 6.2 */
#define ASH_LANDLOCK_FS_IOCTL_DEV (1ULL << 15) /* ABI 5, 6.10 */

// ABI 4, 6.7.
#define ASH_LANDLOCK_NET_BIND_TCP (1ULL << 0)
#define ASH_LANDLOCK_NET_CONNECT_TCP (1ULL << 1)

// ABI 6, 6.12.
#define ASH_LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0)
#define ASH_LANDLOCK_SCOPE_SIGNAL (1ULL << 1)

// The version that LANDLOCK_CREATE_RULESET_VERSION answers, or -1: ENOSYS where the kernel has no Landlock, EOPNOTSUPP where it isn't switched on.
int ash_landlock_abi(void);
// A ruleset that handles these rights; close-on-exec. Zero in what an older kernel doesn't know is fine there; anything else is E2BIG or EINVAL.
int ash_landlock_create(uint64_t files, uint64_t network, uint64_t scoped);
// LANDLOCK_RULE_PATH_BENEATH: `rights` on what an O_PATH descriptor stands for and on all below it.
int ash_landlock_allow_beneath(int ruleset, int place, uint64_t rights);
// LANDLOCK_RULE_NET_PORT.
int ash_landlock_allow_port(int ruleset, uint64_t port, uint64_t rights);
// For the calling thread and what it starts from now on; no_new_privs must be set.
int ash_landlock_restrict_self(int ruleset, uint32_t flags);
