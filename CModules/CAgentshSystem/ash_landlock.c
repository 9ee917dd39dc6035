#include "ash_landlock.h"

#include <linux/landlock.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

// struct landlock_ruleset_attr and struct landlock_net_port_attr of 6.12; the installed headers may be older.
struct ash_landlock_attributes {
  uint64_t files, network, scoped;
};
struct ash_landlock_port {
  uint64_t rights, port;
};
enum { ash_landlock_rule_net_port = 2 };

int ash_landlock_abi(void) { return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION); }

int ash_landlock_create(uint64_t files, uint64_t network, uint64_t scoped) {
  struct ash_landlock_attributes attributes = {files, network, scoped};
  return (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
}

int ash_landlock_allow_beneath(int ruleset, int place, uint64_t rights) {
  struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = place};
  return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

int ash_landlock_allow_port(int ruleset, uint64_t port, uint64_t rights) {
  struct ash_landlock_port rule = {rights, port};
  return (int)syscall(SYS_landlock_add_rule, ruleset, ash_landlock_rule_net_port, &rule, 0);
}

int ash_landlock_restrict_self(int ruleset, uint32_t flags) { return (int)syscall(SYS_landlock_restrict_self, ruleset, flags); }
