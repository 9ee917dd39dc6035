#include "CAgentshEarly.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

// This runs before libc's own constructors: no stdio, no malloc, no locale. Only system calls and functions that touch nothing global.

static int has_run;
static int privileged;
static int argument_count;
static char **original_arguments;
static uint32_t closed_descriptors;
static char *empty_environment[1];
static char **original_environment = empty_environment;

int ash_early_anchor(void) { return has_run; }
char *const *ash_early_original_environment(void) { return original_environment; }
uint32_t ash_early_closed_descriptors(void) { return closed_descriptors; }
int ash_early_is_privileged(void) { return privileged; }

// In place: /proc/PID/cmdline shows these very bytes, and moving the kernel's idea of where they lie (PR_SET_MM) needs CAP_SYS_RESOURCE.
void ash_early_forget_arguments(void) {
  for (int index = 1; index < argument_count; index++) memset(original_arguments[index], 0, strlen(original_arguments[index]));
}

static void refuse(const char *message) {
  ssize_t ignored = write(2, message, strlen(message));
  (void)ignored;
  _exit(125);
}

static int starts_with(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

// An allow-list, since nobody knows every variable that a library reads. These two say how to talk to a terminal and name no file.
static int is_harmless(const char *variable) {
  return starts_with(variable, "TERM=") || starts_with(variable, "LANG=") || starts_with(variable, "LC_");
}

// The Swift runtime takes orders from SWIFT_* (crash handlers that run a program, debugging aids): nobody outside gives any.
static int is_for_swift_runtime(const char *variable) { return starts_with(variable, "SWIFT_"); }

static void scrub(char **environment) {
  size_t count = 0;
  while (environment[count]) count++;
  char **copy = mmap(NULL, (count + 1) * sizeof *copy, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED) refuse("agentsh: out of memory at the start\n");
  memcpy(copy, environment, (count + 1) * sizeof *copy);
  original_environment = copy;
  size_t kept = 0;
  for (size_t index = 0; index < count; index++) {
    char *variable = environment[index];
    if (is_for_swift_runtime(variable) || (privileged && !is_harmless(variable))) continue;
    environment[kept++] = variable;
  }
  environment[kept] = NULL;
}

// open(2) gives the lowest free number, so a closed 0, 1 or 2 would become whatever is opened first: a socket as standard error.
// Standard output is taken for reading, so that a command whose output nobody gets finds out (EBADF).
static void occupy_standard_descriptors(void) {
  for (int descriptor = 0; descriptor <= 2; descriptor++) {
    if (fcntl(descriptor, F_GETFD) != -1 || errno != EBADF) continue;
    if (open("/dev/null", descriptor == 2 ? O_WRONLY : O_RDONLY) != descriptor) refuse("agentsh: can't open /dev/null\n");
    closed_descriptors |= 1u << descriptor;
  }
}

static void run_early(int count, char **arguments, char **environment) {
  argument_count = count;
  original_arguments = arguments;
  privileged = getauxval(AT_SECURE) != 0 || getuid() != geteuid() || getgid() != getegid();
  occupy_standard_descriptors();
  // CVE-2021-4034: a program that takes argv[1] for granted reads its environment there. Kernels before 5.18 let argc be 0.
  if (count < 1) refuse("agentsh: started without a program name (argc is 0); start it as a shell does\n");
  if (environment) scrub(environment);
  has_run = 1;
}

__attribute__((used, section(".preinit_array"))) static void (*const early_entry)(int, char **, char **) = run_early;

#ifdef AGENTSH_SANITIZED
// Programs built by scripts/sanitize: a sanitizer's report goes where the tests look for it, since no environment reaches the supervisor. Leaks are not
// looked for, since that needs ptrace on threads of one's own, which a filtered process has not; the tests count what is left instead.
#define REPORTS "log_path=/tmp/agentsh-sanitizer/report"
const char *__asan_default_options(void) { return "detect_leaks=0:" REPORTS; }
const char *__tsan_default_options(void) { return REPORTS; }
#endif
