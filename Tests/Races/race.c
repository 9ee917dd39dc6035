// Races for what a policy refuses.
//
//   race list                        every case with every racer: `CASE RACER KIND`, KIND one of plain, peer, fault
//   race serve COMMAND…              prepares the current directory, then becomes COMMAND with the witnesses on its standard input
//   race run SECONDS CASE:RACER…     tries each for so long, and prints how many attempts were made and whether one won
//   race first SECONDS CASE:RACER…   the same, until the first wins
//   race refused                     shows that a session has no userfaultfd and no way into a peer's memory
//
// A case makes one system call again and again, with one argument that a racer changes meanwhile between something that the policy permits and
// something that it refuses. After each attempt the harness looks whether what is refused has happened, by means that nobody mediates.
#define _GNU_SOURCE
#include "race.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
  fprintf(stderr, "race: %s: %s\n", what, strerror(errno));
  exit(125);
}
static long must(long result, const char *what) {
  if (result == -1) die(what);
  return result;
}

// --- what is raced for --------------------------------------------------------------------------------------------------

// All that a racer may change lies in one page, which is mapped twice.
struct raced {
  char path[128];
  struct open_how how;
  struct sockaddr_in internet;
  struct sockaddr_un local;
  // Two addresses, and two arguments, whose pointers differ in the lowest byte only.
  struct sockaddr_in either[2] __attribute__((aligned(256)));
  char words[2][16];
  struct iovec part;
  struct msghdr message;
  struct mmsghdr batch[3];
  struct sockaddr_in good;
  char payload[16];
  char name[16];
  char *arguments[4];
};
_Static_assert(sizeof(struct raced) <= 4096, "one page");

static struct raced *raced;        // what the calls are given
static struct raced *alias;        // the same page at another address
static unsigned char *byte;        // what a racer of memory changes, in `raced`
static unsigned char good, bad;
static int directory = AT_FDCWD;   // what *at calls are given
static int slot = -1;              // a descriptor number that a racer gives two meanings
static int slot_good = -1, slot_bad = -1;
static const char *swap_one, *swap_two;

struct shared {
  volatile int stop;
  volatile int ready;
};
static struct shared *shared;

static int witness[witness_count];
static int b_directory, b_file, r_file, b_sub;
static struct stat b_directory_before, b_file_before, r_file_before, b_sub_before;
static int report[2];

static int same(const struct timespec *a, const struct timespec *b) { return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec; }
static int changed(int descriptor, const struct stat *before) {
  struct stat now;
  must(fstat(descriptor, &now), "fstat");
  return !same(&now.st_ctim, &before->st_ctim);
}

// --- attempts -------------------------------------------------------------------------------------------------------------

#define P raced->path
static int fd_won;  // what the last attempt gave was itself refused
static int exec_killed;

static long check_open(long result) {
  if (result < 0) return result;
  struct stat there;
  must(fstat((int)result, &there), "fstat");
  if (there.st_ino == b_file_before.st_ino && there.st_dev == b_file_before.st_dev) fd_won = 1;
  if (there.st_ino == r_file_before.st_ino && there.st_dev == r_file_before.st_dev && (fcntl((int)result, F_GETFL) & O_ACCMODE) != O_RDONLY) fd_won = 1;
  close((int)result);
  return 0;
}
static long at_openat(void) { return check_open(syscall(SYS_openat, directory, P, O_RDONLY | O_CLOEXEC, 0)); }
static long at_openat_write(void) { return check_open(syscall(SYS_openat, directory, P, O_WRONLY | O_APPEND | O_CLOEXEC, 0)); }
static long at_openat_create(void) { return check_open(syscall(SYS_openat, directory, P, O_RDWR | O_CREAT | O_CLOEXEC, 0644)); }
static long at_openat_exclusive(void) { return check_open(syscall(SYS_openat, directory, P, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644)); }
static long at_openat_temporary(void) {
  long result = syscall(SYS_openat, directory, P, O_RDWR | O_TMPFILE | O_CLOEXEC, 0644);
  if (result < 0) return result;
  // A file without a name shows only here in which directory it was made.
  char entry[64], place[PATH_MAX];
  snprintf(entry, sizeof entry, "/proc/self/fd/%ld", result);
  ssize_t length = must(readlink(entry, place, sizeof place - 1), entry);
  place[length] = 0;
  if (strstr(place, "/b/")) fd_won = 1;
  close((int)result);
  return 0;
}
static long at_openat2(void) {
  struct open_how how = {.flags = O_RDONLY | O_CLOEXEC};
  return check_open(syscall(SYS_openat2, directory, P, &how, sizeof how));
}
static long at_openat2_how(void) { return check_open(syscall(SYS_openat2, AT_FDCWD, "r/x", &raced->how, sizeof raced->how)); }
static long at_mkdirat(void) { return syscall(SYS_mkdirat, directory, P, 0755); }
static long at_rmdir(void) { return syscall(SYS_unlinkat, directory, P, AT_REMOVEDIR); }
static long at_unlinkat(void) { return syscall(SYS_unlinkat, directory, P, 0); }
static long at_renameat2_from(void) { return syscall(SYS_renameat2, directory, P, AT_FDCWD, "g/v", 0); }
static long at_renameat2_to(void) { return syscall(SYS_renameat2, AT_FDCWD, "g/u", directory, P, 0); }
static long at_renameat2_exchange(void) { return syscall(SYS_renameat2, AT_FDCWD, "g/x", directory, P, RENAME_EXCHANGE); }
static long at_linkat_from(void) { return syscall(SYS_linkat, directory, P, AT_FDCWD, "g/l", AT_SYMLINK_FOLLOW); }
static long at_linkat_to(void) { return syscall(SYS_linkat, AT_FDCWD, "g/x", directory, P, 0); }
static long at_symlinkat(void) { return syscall(SYS_symlinkat, "nowhere", directory, P); }
static long at_mknodat(void) { return syscall(SYS_mknodat, directory, P, S_IFIFO | 0644, 0); }
static long at_truncate(void) { return syscall(SYS_truncate, P, 5); }
static long at_fchmodat(void) { return syscall(SYS_fchmodat, directory, P, 0644); }
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
static long at_fchmodat2(void) { return syscall(SYS_fchmodat2, directory, P, 0644, 0); }
static long at_fchownat(void) { return syscall(SYS_fchownat, directory, P, getuid(), getgid(), 0); }
static const struct timespec some_times[2] = {{1, 0}, {1, 0}};
static long at_utimensat(void) { return syscall(SYS_utimensat, directory, P, some_times, 0); }
static long at_setxattr(void) { return syscall(SYS_setxattr, P, "user.race", "x", 1, 0); }
static long at_lsetxattr(void) { return syscall(SYS_lsetxattr, P, "user.race", "x", 1, 0); }
#ifdef SYS_open
static long at_open(void) { return check_open(syscall(SYS_open, P, O_RDONLY | O_CLOEXEC, 0)); }
static long at_creat(void) { return check_open(syscall(SYS_creat, P, 0644)); }
static long at_mkdir(void) { return syscall(SYS_mkdir, P, 0755); }
static long at_rmdir_legacy(void) { return syscall(SYS_rmdir, P); }
static long at_unlink(void) { return syscall(SYS_unlink, P); }
static long at_rename_from(void) { return syscall(SYS_rename, P, "g/v"); }
static long at_rename_to(void) { return syscall(SYS_rename, "g/u", P); }
static long at_renameat_from(void) { return syscall(SYS_renameat, directory, P, AT_FDCWD, "g/v"); }
static long at_renameat_to(void) { return syscall(SYS_renameat, AT_FDCWD, "g/u", directory, P); }
static long at_link_to(void) { return syscall(SYS_link, "g/x", P); }
static long at_link_from(void) { return syscall(SYS_link, P, "g/l"); }
static long at_symlink(void) { return syscall(SYS_symlink, "nowhere", P); }
static long at_mknod(void) { return syscall(SYS_mknod, P, S_IFREG | 0644, 0); }
static long at_chmod(void) { return syscall(SYS_chmod, P, 0644); }
static long at_chown(void) { return syscall(SYS_chown, P, getuid(), getgid()); }
static long at_lchown(void) { return syscall(SYS_lchown, P, getuid(), getgid()); }
static const struct timeval some_timevals[2] = {{1, 0}, {1, 0}};
static long at_utime(void) { return syscall(SYS_utime, P, NULL); }
static long at_utimes(void) { return syscall(SYS_utimes, P, some_timevals); }
static long at_futimesat(void) { return syscall(SYS_futimesat, directory, P, some_timevals); }
#endif
static long at_fchmod(void) { return syscall(SYS_fchmod, slot, 0644); }
static long at_fchown(void) { return syscall(SYS_fchown, slot, getuid(), getgid()); }
static long at_futimens(void) { return syscall(SYS_utimensat, slot, NULL, some_times, 0); }
static long at_fsetxattr(void) { return syscall(SYS_fsetxattr, slot, "user.race", "x", 1, 0); }

// Sockets: what is refused has 127.0.0.2 as its address, or lies in b.
static int datagrams = -1, locals = -1;
static int is_refused(const struct sockaddr_in *address) { return address->sin_addr.s_addr == htonl(0x7f000002); }
static void drain(int socket) {
  char room[64];
  while (recv(socket, room, sizeof room, MSG_DONTWAIT) >= 0) {}
}
static long check_sent(long result) {
  char room[64];
  int error = errno;
  if (recv(witness[witness_udp_refused], room, sizeof room, MSG_DONTWAIT) >= 0) fd_won = 1;
  if (recv(witness[witness_unix_refused], room, sizeof room, MSG_DONTWAIT) >= 0) fd_won = 1;
  drain(witness[witness_udp_allowed]);
  drain(witness[witness_unix_allowed]);
  errno = error;
  return result;
}
static long at_connect_datagram(void) {
  long result = syscall(SYS_connect, datagrams, &raced->internet, sizeof raced->internet);
  struct sockaddr_in peer;
  socklen_t length = sizeof peer;
  int error = errno;
  if (getpeername(datagrams, (struct sockaddr *)&peer, &length) == 0 && is_refused(&peer)) fd_won = 1;
  errno = error;
  return result;
}
static long at_connect_stream(void) {
  int stream = (int)must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  struct linger at_once = {1, 0};
  setsockopt(stream, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  long result = syscall(SYS_connect, stream, &raced->internet, sizeof raced->internet);
  if (result == -1 && errno == EINPROGRESS) result = 0;
  struct sockaddr_in peer;
  socklen_t length = sizeof peer;
  int error = errno;
  if (getpeername(stream, (struct sockaddr *)&peer, &length) == 0 && is_refused(&peer)) fd_won = 1;
  close(stream);
  int taken;
  while ((taken = accept4(witness[witness_tcp_refused], NULL, NULL, SOCK_CLOEXEC)) >= 0) {
    fd_won = 1;
    close(taken);
  }
  while ((taken = accept4(witness[witness_tcp_allowed], NULL, NULL, SOCK_CLOEXEC)) >= 0) close(taken);
  errno = error;
  return result;
}
static long at_connect_local(void) {
  long result = syscall(SYS_connect, locals, &raced->local, sizeof raced->local);
  struct sockaddr_un peer = {0};
  socklen_t length = sizeof peer;
  int error = errno;
  if (getpeername(locals, (struct sockaddr *)&peer, &length) == 0 && peer.sun_path[0] == 'b') fd_won = 1;
  errno = error;
  return result;
}
static long at_bind(void) {
  int fresh = (int)must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  long result = syscall(SYS_bind, fresh, &raced->internet, sizeof raced->internet);
  struct sockaddr_in own = {0};
  socklen_t length = sizeof own;
  int error = errno;
  if (getsockname(fresh, (struct sockaddr *)&own, &length) == 0 && is_refused(&own)) fd_won = 1;
  close(fresh);
  errno = error;
  return result;
}
static long at_bind_local(void) {
  int fresh = (int)must(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  long result = syscall(SYS_bind, fresh, &raced->local, sizeof raced->local);
  int error = errno;
  close(fresh);
  errno = error;
  return result;
}
// The address of a group, and behind it that of an interface: struct ip_mreq.
static long at_join(void) {
  int fresh = (int)must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  long result = syscall(SYS_setsockopt, fresh, IPPROTO_IP, IP_ADD_MEMBERSHIP, &raced->internet.sin_addr, sizeof(struct ip_mreq));
  struct ip_mreq refused = {.imr_multiaddr = {htonl(0xef4d4d02)}, .imr_interface = {htonl(0x7f000001)}};
  int error = errno;
  if (setsockopt(fresh, IPPROTO_IP, IP_DROP_MEMBERSHIP, &refused, sizeof refused) == 0) fd_won = 1;
  close(fresh);
  errno = error;
  return result;
}
static long at_sendto(void) { return check_sent(syscall(SYS_sendto, datagrams, "hello", 5, MSG_DONTWAIT, &raced->internet, sizeof raced->internet)); }
static long at_sendto_local(void) { return check_sent(syscall(SYS_sendto, locals, "hello", 5, MSG_DONTWAIT, &raced->local, sizeof raced->local)); }
static long at_sendmsg(void) { return check_sent(syscall(SYS_sendmsg, datagrams, &raced->message, MSG_DONTWAIT)); }
static long at_sendmsg_local(void) { return check_sent(syscall(SYS_sendmsg, locals, &raced->message, MSG_DONTWAIT)); }
static long at_sendmmsg(void) {
  long sent = check_sent(syscall(SYS_sendmmsg, datagrams, raced->batch, 3, MSG_DONTWAIT));
  if (sent >= 0 && sent < 3) {
    errno = EACCES;
    return -1;
  }
  return sent;
}

// A process's signal, by a pidfd. The bystander blocks it: once it is sent, it stays pending.
static long at_pidfd_signal(void) {
  long result = syscall(SYS_pidfd_send_signal, slot, SIGURG, NULL, 0);
  char status[4096];
  int error = errno;
  ssize_t length = pread(witness[witness_status], status, sizeof status - 1, 0);
  must(length, "the bystander's status");
  status[length] = 0;
  const char *pending = strstr(status, "ShdPnd:");
  if (pending && strtoull(pending + 7, NULL, 16) & 1ull << (SIGURG - 1)) fd_won = 1;
  errno = error;
  return result;
}

// Execution, in a child that shares memory and descriptors, so that whoever races with the parent races with it.
enum exec_kind { exec_path, exec_descriptor, exec_script, exec_empty, exec_loaded };
struct execution {
  enum exec_kind kind;
  int error;
};
static char *no_environment[] = {NULL};
static int execute_in_child(void *given) {
  struct execution *execution = given;
  switch (execution->kind) {
    case exec_path: syscall(SYS_execve, P, raced->arguments, no_environment); break;
    case exec_descriptor: syscall(SYS_execveat, directory, P, raced->arguments, no_environment, 0); break;
    case exec_empty: syscall(SYS_execveat, slot, "", raced->arguments, no_environment, AT_EMPTY_PATH); break;
    case exec_loaded: syscall(SYS_execve, "g/loaded", raced->arguments, no_environment); break;
    case exec_script: syscall(SYS_execve, "script", raced->arguments, no_environment); break;
  }
  execution->error = errno;
  _exit(1);
}
static char child_stack[1 << 16] __attribute__((aligned(16)));
static long execute(enum exec_kind kind) {
  struct execution execution = {kind, 0};
  pid_t pid = (pid_t)must(clone(execute_in_child, child_stack + sizeof child_stack, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &execution), "clone");
  int status;
  while (waitpid(pid, &status, __WALL) != pid) {}
  char said;
  if (read(report[0], &said, 1) == 1) fd_won = 1;
  if (WIFSIGNALED(status)) {
    if (WTERMSIG(status) != SIGKILL) fprintf(stderr, "race: an execution ended by signal %d\n", WTERMSIG(status));
    exec_killed++;
    errno = EACCES;
    return -1;
  }
  if (WEXITSTATUS(status) == 66) fd_won = 1;
  if (execution.error) {
    errno = execution.error;
    return -1;
  }
  return 0;
}
static long at_execve(void) { return execute(exec_path); }
static long at_execveat(void) { return execute(exec_descriptor); }
static long at_execveat_empty(void) { return execute(exec_empty); }
static long at_execve_loaded(void) { return execute(exec_loaded); }
static long at_execve_script(void) { return execute(exec_script); }

// --- what is put back after a permitted attempt ----------------------------------------------------------------------------

static void again_n(void) { unlink("g/n"); }
static void again_n_directory(void) { rmdir("g/n"); }
static void again_d(void) { mkdir("g/d", 0755); }
static void again_u(void) { close(open("g/u", O_CREAT | O_WRONLY | O_CLOEXEC, 0644)); }
static void again_v(void) { rename("g/v", "g/u"); }
static void again_l(void) { unlink("g/l"); }

// --- cases -------------------------------------------------------------------------------------------------------------------

enum kind { in_path, in_path_at, in_how, in_internet, in_group, in_local, in_message, in_message_name, in_message_local, in_batch, in_words, in_argument_pointer,
            in_program, in_program_at, in_script, in_loader, in_descriptor };
struct test {
  const char *name;
  enum kind kind;
  const char *last;  // last component
  long (*attempt)(void);
  void (*restore)(void);
};
static const struct test tests[] = {
    {"openat", in_path_at, "x", at_openat, NULL},
    {"openat-write", in_path_at, "x", at_openat_write, NULL},
    {"openat-create", in_path_at, "n", at_openat_create, again_n},
    {"openat-exclusive", in_path_at, "n", at_openat_exclusive, again_n},
    {"openat-temporary", in_path_at, "sub", at_openat_temporary, NULL},
    {"openat2", in_path_at, "x", at_openat2, NULL},
    {"openat2-how", in_how, "x", at_openat2_how, NULL},
    {"mkdirat", in_path_at, "n", at_mkdirat, again_n_directory},
    {"unlinkat-directory", in_path_at, "d", at_rmdir, again_d},
    {"unlinkat", in_path_at, "u", at_unlinkat, again_u},
    {"renameat2-from", in_path_at, "u", at_renameat2_from, again_v},
    {"renameat2-to", in_path_at, "v", at_renameat2_to, again_v},
    {"renameat2-exchange", in_path_at, "y", at_renameat2_exchange, NULL},
    {"linkat-from", in_path_at, "x", at_linkat_from, again_l},
    {"linkat-to", in_path_at, "l", at_linkat_to, again_l},
    {"symlinkat", in_path_at, "n", at_symlinkat, again_n},
    {"mknodat", in_path_at, "n", at_mknodat, again_n},
    {"truncate", in_path, "x", at_truncate, NULL},
    {"fchmodat", in_path_at, "x", at_fchmodat, NULL},
    {"fchmodat2", in_path_at, "x", at_fchmodat2, NULL},
    {"fchownat", in_path_at, "x", at_fchownat, NULL},
#ifdef SYS_open
    {"open", in_path, "x", at_open, NULL},
    {"creat", in_path, "x", at_creat, NULL},
    {"mkdir", in_path, "n", at_mkdir, again_n_directory},
    {"rmdir", in_path, "d", at_rmdir_legacy, again_d},
    {"unlink", in_path, "u", at_unlink, again_u},
    {"rename-from", in_path, "u", at_rename_from, again_v},
    {"rename-to", in_path, "v", at_rename_to, again_v},
    {"renameat-from", in_path_at, "u", at_renameat_from, again_v},
    {"renameat-to", in_path_at, "v", at_renameat_to, again_v},
    {"link-from", in_path, "x", at_link_from, again_l},
    {"link-to", in_path, "l", at_link_to, again_l},
    {"symlink", in_path, "n", at_symlink, again_n},
    {"mknod", in_path, "n", at_mknod, again_n},
    {"chmod", in_path, "x", at_chmod, NULL},
    {"chown", in_path, "x", at_chown, NULL},
    {"lchown", in_path, "x", at_lchown, NULL},
#endif
    {"fchmod", in_descriptor, "x", at_fchmod, NULL},
    {"fchown", in_descriptor, "x", at_fchown, NULL},
    {"pidfd_send_signal", in_descriptor, "", at_pidfd_signal, NULL},
    {"connect-datagram", in_internet, "", at_connect_datagram, NULL},
    {"connect-stream", in_internet, "", at_connect_stream, NULL},
    {"connect-local", in_local, "socket", at_connect_local, NULL},
    {"bind", in_internet, "", at_bind, NULL},
    {"setsockopt", in_group, "", at_join, NULL},
    {"bind-local", in_local, "n", at_bind_local, again_n},
    {"sendto", in_internet, "", at_sendto, NULL},
    {"sendto-local", in_local, "socket", at_sendto_local, NULL},
    {"sendmsg", in_message, "", at_sendmsg, NULL},
    {"sendmsg-name", in_message_name, "", at_sendmsg, NULL},
    {"sendmsg-local", in_message_local, "socket", at_sendmsg_local, NULL},
    {"sendmmsg", in_batch, "", at_sendmmsg, NULL},
    {"execve", in_program, "prog", at_execve, NULL},
    {"execve-words", in_words, "", at_execve, NULL},
    {"execve-argv", in_argument_pointer, "", at_execve, NULL},
    {"execve-script", in_script, "", at_execve_script, NULL},
    {"execve-loaded", in_loader, "", at_execve_loaded, NULL},
    {"execveat", in_program_at, "prog", at_execveat, NULL},
    {"execveat-empty", in_descriptor, "prog", at_execveat_empty, NULL},
    {"utimensat", in_path_at, "x", at_utimensat, NULL},
    {"setxattr", in_path, "x", at_setxattr, NULL},
    {"lsetxattr", in_path, "x", at_lsetxattr, NULL},
    {"futimens", in_descriptor, "x", at_futimens, NULL},
    {"fsetxattr", in_descriptor, "x", at_fsetxattr, NULL},
#ifdef SYS_open
    {"utime", in_path, "x", at_utime, NULL},
    {"utimes", in_path, "x", at_utimes, NULL},
    {"futimesat", in_path_at, "x", at_futimesat, NULL},
#endif
};
#define test_count (sizeof tests / sizeof *tests)

// --- racers --------------------------------------------------------------------------------------------------------------------

enum racer { by_thread, by_process, by_alias, by_link, by_folder, by_dots, by_descriptor, by_content, by_vm_write, by_proc_mem, by_fault, racer_count };
static const char *const racer_names[racer_count] = {"thread", "process", "alias", "link", "folder", "dots", "descriptor", "content", "vm_write", "proc_mem", "fault"};
static const char *kind_of(enum racer racer) { return racer == by_fault ? "fault" : racer >= by_vm_write ? "peer" : "plain"; }

static int fits(const struct test *test, enum racer racer) {
  switch (racer) {
    case by_link: case by_folder: case by_dots:
      return test->kind == in_path || test->kind == in_path_at || test->kind == in_local || test->kind == in_message_local || test->kind == in_program ||
             test->kind == in_program_at || ((test->kind == in_script || test->kind == in_loader) && racer == by_link);
    case by_descriptor: return test->kind == in_path_at || test->kind == in_program_at || test->kind == in_descriptor;
    case by_content: return test->kind == in_script;
    case by_fault:
      // What is started needs the page to be there.
      return test->kind != in_script && test->kind != in_loader && test->kind != in_descriptor;
    default: return test->kind != in_script && test->kind != in_loader && test->kind != in_descriptor;
  }
}

static uint64_t random_state = 88172645463325252ull;
static void spin(unsigned most) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  for (volatile unsigned i = 0, turns = (unsigned)(random_state % most); i < turns; i++) {}
}
#define pace 12000

static void flip(unsigned char *where) {
  shared->ready = 1;
  while (!shared->stop) {
    *(volatile unsigned char *)where = bad;
    spin(pace);
    *(volatile unsigned char *)where = good;
    spin(pace);
  }
  *where = good;
}
static int flip_process(void *unused) {
  (void)unused;
  flip(byte);
  return 0;
}
static void *flip_thread(void *unused) {
  (void)unused;
  flip(byte);
  return NULL;
}
static void *swap_thread(void *unused) {
  (void)unused;
  shared->ready = 1;
  while (!shared->stop) {
    if (syscall(SYS_renameat2, AT_FDCWD, swap_one, AT_FDCWD, swap_two, RENAME_EXCHANGE) != 0 && errno != EINTR) die("exchanging");
    spin(pace / 4);
  }
  return NULL;
}
static void *descriptor_thread(void *unused) {
  (void)unused;
  shared->ready = 1;
  while (!shared->stop) {
    must(dup2(slot_bad, slot), "dup2");
    spin(pace);
    must(dup2(slot_good, slot), "dup2");
    spin(pace);
  }
  return NULL;
}
static off_t content_at;
static void *content_thread(void *unused) {
  (void)unused;
  shared->ready = 1;
  while (!shared->stop) {
    for (int turn = 0; turn < 2; turn++) {
      // While it is executed it can't be opened, and while it is open not executed.
      int script = open("script", O_WRONLY | O_CLOEXEC);
      if (script >= 0) {
        if (pwrite(script, turn ? "g" : "b", 1, content_at) != 1) die("changing the script");
        close(script);
      }
      spin(pace);
    }
  }
  return NULL;
}
static void peer_write(pid_t parent) {
  shared->ready = 1;
  while (!shared->stop) {
    for (int turn = 0; turn < 2; turn++) {
      unsigned char value = turn ? good : bad;
      struct iovec here = {&value, 1}, there = {byte, 1};
      if (syscall(SYS_process_vm_writev, parent, &here, 1, &there, 1, 0) != 1) die("process_vm_writev");
      spin(pace);
    }
  }
}
static void peer_mem(pid_t parent) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/mem", parent);
  int memory = (int)must(open(path, O_RDWR | O_CLOEXEC), path);
  shared->ready = 1;
  while (!shared->stop) {
    for (int turn = 0; turn < 2; turn++) {
      unsigned char value = turn ? good : bad;
      if (pwrite(memory, &value, 1, (off_t)(uintptr_t)byte) != 1) die("writing memory");
      spin(pace);
    }
  }
}

// The page is taken away again and again: whoever reads it, the supervisor included, waits until it is given back, with the other content each time.
static int fault_descriptor = -1;
static struct raced content[2];
static void *fault_thread(void *unused) {
  (void)unused;
  unsigned turn = 0;
  shared->ready = 1;
  for (;;) {
    struct pollfd ready = {fault_descriptor, POLLIN, 0};
    int found = poll(&ready, 1, 20);
    if (found <= 0) {
      if (shared->stop) return NULL;
      continue;
    }
    struct uffd_msg message;
    if (read(fault_descriptor, &message, sizeof message) != sizeof message) continue;
    if (message.event != UFFD_EVENT_PAGEFAULT) continue;
    spin(pace);
    static char page[4096] __attribute__((aligned(4096)));
    memcpy(page, &content[shared->stop ? 0 : turn++ & 1], sizeof(struct raced));
    struct uffdio_copy copy = {.dst = (uintptr_t)raced, .src = (uintptr_t)page, .len = 4096};
    if (ioctl(fault_descriptor, UFFDIO_COPY, &copy) != 0 && errno != EEXIST) die("UFFDIO_COPY");
    spin(pace * 2);
    if (!shared->stop) madvise(raced, 4096, MADV_DONTNEED);
  }
}

// --- one case with one racer ------------------------------------------------------------------------------------------------------

static void address(struct sockaddr_in *into, uint32_t host) {
  memset(into, 0, sizeof *into);
  socklen_t length = sizeof *into;
  must(getsockname(witness[witness_udp_refused], (struct sockaddr *)into, &length), "getsockname");
  into->sin_addr.s_addr = htonl(host);
}

static void fill(struct raced *page, const struct test *test, enum racer racer) {
  memset(page, 0, sizeof *page);
  char path[sizeof page->path];
  switch (racer) {
    case by_link: snprintf(path, sizeof path, "s/%s", test->last); break;
    case by_folder: snprintf(path, sizeof path, "s/k/%s", test->last); break;
    case by_dots: snprintf(path, sizeof path, "s/../%s", test->last); break;
    case by_descriptor: snprintf(path, sizeof path, "%s", test->last); break;
    default: snprintf(path, sizeof path, "g/%s", test->last); break;
  }
  if (test->kind == in_words || test->kind == in_argument_pointer) strcpy(path, "g/prog");
  strcpy(page->path, path);
  page->how.flags = O_RDONLY | O_CLOEXEC;
  address(&page->internet, 0x7f000001);
  if (test->attempt == at_bind) page->internet.sin_port = htons(ntohs(page->internet.sin_port) ^ 1);
  page->either[0] = page->internet;
  page->either[1] = page->internet;
  page->either[1].sin_addr.s_addr = htonl(0x7f000002);
  page->good = page->internet;
  page->local.sun_family = AF_UNIX;
  strcpy(page->local.sun_path, path);
  if (test->kind == in_group) {
    page->internet.sin_addr.s_addr = htonl(0xef4d4d01);
    memcpy(page->internet.sin_zero, &(struct in_addr){htonl(0x7f000001)}, 4);
  }
  strcpy(page->words[0], "dad");
  strcpy(page->words[1], "bad");
  strcpy(page->payload, "hello");
  page->part = (struct iovec){raced->payload, 5};
  page->message = (struct msghdr){.msg_name = &raced->internet, .msg_namelen = sizeof page->internet, .msg_iov = &raced->part, .msg_iovlen = 1};
  if (test->kind == in_message_name) page->message.msg_name = &raced->either[0];
  if (test->kind == in_message_local) {
    page->message.msg_name = &raced->local;
    page->message.msg_namelen = sizeof page->local;
  }
  for (int i = 0; i < 3; i++) page->batch[i].msg_hdr = page->message;
  page->batch[0].msg_hdr.msg_name = page->batch[2].msg_hdr.msg_name = &raced->good;
  strcpy(page->name, "prog");
  page->arguments[0] = raced->name;
  page->arguments[1] = raced->words[0];
}

static void choose_byte(const struct test *test) {
  good = 'g';
  bad = 'b';
  byte = (unsigned char *)raced->path;
  switch (test->kind) {
    case in_how: byte = (unsigned char *)&raced->how.flags; good = (unsigned char)(O_RDONLY); bad = (unsigned char)(O_RDWR); break;
    case in_internet: case in_group: case in_message: case in_batch: byte = (unsigned char *)&raced->internet.sin_addr + 3; good = 1; bad = 2; break;
    case in_local: case in_message_local: byte = (unsigned char *)raced->local.sun_path; break;
    case in_message_name:
      byte = (unsigned char *)&raced->message.msg_name;
      good = (unsigned char)(uintptr_t)&raced->either[0];
      bad = (unsigned char)(uintptr_t)&raced->either[1];
      break;
    case in_words: byte = (unsigned char *)raced->words[0]; good = 'd'; break;
    case in_argument_pointer:
      byte = (unsigned char *)&raced->arguments[1];
      good = (unsigned char)(uintptr_t)raced->words[0];
      bad = (unsigned char)(uintptr_t)raced->words[1];
      break;
    default: break;
  }
}

static void remove_swaps(void) {
  unlink("s/k"); unlink("s2/k"); rmdir("s"); rmdir("s2"); unlink("s"); unlink("s2"); unlink("script");
}

static void make_script(const char *interpreter) {
  char here[PATH_MAX], line[PATH_MAX + 32];
  if (!getcwd(here, sizeof here)) die("getcwd");
  int length = snprintf(line, sizeof line, "#!%s/%s/prog dad\n", here, interpreter);
  content_at = 2 + (off_t)strlen(here) + 1;
  int script = (int)must(open("script", O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0755), "script");
  if (write(script, line, (size_t)length) != length) die("script");
  close(script);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int race(const struct test *test, enum racer racer, double seconds, int until_first) {
  remove_swaps();
  directory = AT_FDCWD;
  shared->stop = shared->ready = 0;
  static struct raced *first_page;
  if (!first_page) first_page = raced;
  raced = first_page;
  if (racer == by_fault) {
    raced = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raced == MAP_FAILED) die("mmap");
  }
  choose_byte(test);
  fill(raced, test, racer);

  switch (racer) {
    case by_link:
      must(symlink("g", "s"), "symlink");
      must(symlink("b", "s2"), "symlink");
      break;
    case by_dots:
      must(symlink("g/sub", "s"), "symlink");
      must(symlink("b/sub", "s2"), "symlink");
      break;
    case by_folder:
      must(mkdir("s", 0755), "mkdir");
      must(mkdir("s2", 0755), "mkdir");
      must(symlink("../g", "s/k"), "symlink");
      must(symlink("../b", "s2/k"), "symlink");
      break;
    case by_descriptor:
      if (test->attempt == at_pidfd_signal) {
        static int child = -1;
        if (child < 0) {
          pid_t pid = fork();
          if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;) pause();
          }
          child = (int)must(syscall(SYS_pidfd_open, pid, 0), "pidfd_open");
        }
        slot_good = dup(child);
        slot_bad = dup(witness[witness_bystander]);
      } else if (test->kind == in_descriptor && test->attempt != at_execveat_empty) {
        slot_good = (int)must(open("g/x", O_RDONLY | O_CLOEXEC), "g/x");
        slot_bad = (int)must(open("r/x", O_RDONLY | O_CLOEXEC), "r/x");
      } else if (test->kind == in_descriptor) {
        slot_good = (int)must(open("g/prog", O_PATH | O_CLOEXEC), "g/prog");
        slot_bad = (int)must(open("b/prog", O_PATH | O_CLOEXEC), "b/prog");
      } else {
        slot_good = (int)must(open("g", O_PATH | O_DIRECTORY | O_CLOEXEC), "g");
        slot_bad = (int)must(open("b", O_PATH | O_DIRECTORY | O_CLOEXEC), "b");
      }
      slot = (int)must(fcntl(slot_good, F_DUPFD_CLOEXEC, 50), "dup");
      directory = slot;
      break;
    default: break;
  }
  swap_one = "s";
  swap_two = "s2";
  if (test->kind == in_script) make_script(racer == by_link ? "s" : "g");

  pthread_t thread = 0;
  pid_t process = 0, own = getpid();
  void *stack = NULL;
  void *(*body)(void *) = NULL;
  switch (racer) {
    case by_thread: body = flip_thread; break;
    case by_link: case by_folder: case by_dots: body = swap_thread; break;
    case by_descriptor: body = descriptor_thread; break;
    case by_content: body = content_thread; break;
    case by_process:
      stack = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
      if (stack == MAP_FAILED) die("mmap");
      process = (pid_t)must(clone(flip_process, (char *)stack + (1 << 16), CLONE_VM | SIGCHLD, NULL), "clone");
      break;
    case by_alias:
      process = (pid_t)must(fork(), "fork");
      if (process == 0) {
        flip((unsigned char *)alias + (byte - (unsigned char *)raced));
        _exit(0);
      }
      break;
    case by_vm_write: case by_proc_mem:
      prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
      process = (pid_t)must(fork(), "fork");
      if (process == 0) {
        if (racer == by_vm_write) peer_write(own);
        else peer_mem(own);
        _exit(0);
      }
      break;
    case by_fault: {
      fault_descriptor = (int)must(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), "userfaultfd");
      struct uffdio_api api = {.api = UFFD_API};
      must(ioctl(fault_descriptor, UFFDIO_API, &api), "UFFDIO_API");
      content[0] = content[1] = *raced;
      ((unsigned char *)&content[1])[byte - (unsigned char *)raced] = bad;
      struct uffdio_register area = {.range = {(uintptr_t)raced, 4096}, .mode = UFFDIO_REGISTER_MODE_MISSING};
      must(ioctl(fault_descriptor, UFFDIO_REGISTER, &area), "UFFDIO_REGISTER");
      madvise(raced, 4096, MADV_DONTNEED);
      body = fault_thread;
      break;
    }
    default: break;
  }
  if (body && pthread_create(&thread, NULL, body, NULL) != 0) die("pthread_create");
  double start = now();
  while (!shared->ready) {
    if (now() - start > 10) die("the racer does not start");
    sched_yield();
  }

  // What an earlier case won must not count for this one.
  must(fstat(b_directory, &b_directory_before), "fstat");
  must(fstat(b_file, &b_file_before), "fstat");
  must(fstat(b_sub, &b_sub_before), "fstat");
  must(fstat(r_file, &r_file_before), "fstat");
  unsigned long attempts = 0, permitted = 0, refused = 0, other = 0, won = 0;
  int last_other = 0;
  fd_won = exec_killed = 0;
  start = now();
  double end = start + seconds;
  // A race in which one side never came up proves nothing: it goes on until both have, within bounds.
  while ((attempts & 15) != 0 || now() < end || ((permitted == 0 || refused == 0) && now() < end + 20)) {
    long result = test->attempt();
    attempts++;
    if (result >= 0) {
      permitted++;
      if (test->restore) test->restore();
    } else if (errno == EACCES || errno == EPERM) {
      refused++;
    } else {
      other++;
      last_other = errno;
    }
    if (fd_won || changed(b_directory, &b_directory_before) || changed(b_file, &b_file_before) || changed(r_file, &r_file_before) ||
        changed(b_sub, &b_sub_before)) {
      won++;
      break;
    }
  }
  double took = now() - start;
  shared->stop = 1;
  if (thread) pthread_join(thread, NULL);
  if (process) while (waitpid(process, NULL, __WALL) == -1 && errno == EINTR) {}
  if (stack) munmap(stack, 1 << 16);
  if (racer == by_fault) {
    close(fault_descriptor);
    munmap(raced, 4096);
    raced = first_page;
  }
  if (slot >= 0) {
    close(slot);
    close(slot_good);
    close(slot_bad);
    slot = -1;
  }
  if (test->restore && !until_first) test->restore();
  printf("%s %s attempts=%lu permitted=%lu refused=%lu killed=%d other=%lu(%d) won=%lu seconds=%.3f\n", test->name, racer_names[racer], attempts, permitted,
         refused, exec_killed, other, last_other, won, took);
  fflush(stdout);
  return won > 0;
}

// --- the directory and the witnesses -------------------------------------------------------------------------------------------------

static void write_file(const char *path, const char *text) {
  int file = (int)must(open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644), path);
  if (write(file, text, strlen(text)) < 0) die(path);
  close(file);
}
static void copy_program(const char *from, const char *to) {
  char room[65536];
  int source = (int)must(open(from, O_RDONLY | O_CLOEXEC), from), target = (int)must(open(to, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0755), to);
  ssize_t count;
  while ((count = read(source, room, sizeof room)) > 0)
    if (write(target, room, (size_t)count) != count) die(to);
  close(source);
  close(target);
}
static int bound(int type, uint32_t host, uint16_t port) {
  int fresh = (int)must(socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  int one = 1;
  setsockopt(fresh, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(host)};
  if (bind(fresh, (struct sockaddr *)&name, sizeof name) != 0) {
    close(fresh);
    return -1;
  }
  if (type == SOCK_STREAM) must(listen(fresh, 128), "listen");
  return fresh;
}
static int bound_local(const char *path) {
  int fresh = (int)must(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  strcpy(name.sun_path, path);
  must(bind(fresh, (struct sockaddr *)&name, sizeof name), path);
  return fresh;
}

static _Noreturn void serve(const char *programs, char **command) {
  if (system("rm -rf g b r s s2 script") != 0) die("clearing");
  umask(022);
  char path[PATH_MAX];
  for (const char *folder = "gbr"; *folder; folder++) {
    char name[64];
#define in(last) (snprintf(name, sizeof name, "%c/" last, *folder), name)
    must(mkdir((char[]){*folder, 0}, 0755), "mkdir");
    must(mkdir(in("sub"), 0755), "mkdir");
    must(mkdir(in("d"), 0755), "mkdir");
    write_file(in("x"), "hello");
    write_file(in("y"), "other");
    write_file(in("u"), "moved");
    snprintf(path, sizeof path, "%s/%s", programs, *folder == 'b' ? "refused" : "program");
    copy_program(path, in("prog"));
    // The same as a program's loader (execve-loaded): in g it is the system's own.
    if (*folder == 'b') copy_program(path, in("ld.so"));
  }
  // A program whose loader is s/ld.so.
  snprintf(path, sizeof path, "%s/loaded", programs);
  copy_program(path, "g/loaded");
  snprintf(path, sizeof path, "%s/loader", programs);
  char loader[PATH_MAX];
  if (!realpath(path, loader)) die(path);
  must(symlink(loader, "g/ld.so"), "symlink");
  // Two ports that are free on both addresses.
  for (int tries = 0;; tries++) {
    if (tries == 100) die("ports");
    uint16_t port = (uint16_t)(20000 + (getpid() * 7 + tries * 2) % 10000) & 0xfffe;
    witness[witness_udp_refused] = bound(SOCK_DGRAM, 0x7f000002, port);
    witness[witness_udp_allowed] = bound(SOCK_DGRAM, 0x7f000001, port);
    witness[witness_tcp_refused] = bound(SOCK_STREAM, 0x7f000002, port);
    witness[witness_tcp_allowed] = bound(SOCK_STREAM, 0x7f000001, port);
    if (witness[0] >= 0 && witness[1] >= 0 && witness[2] >= 0 && witness[3] >= 0) break;
    for (int i = 0; i < 4; i++)
      if (witness[i] >= 0) close(witness[i]);
  }
  witness[witness_unix_allowed] = bound_local("g/socket");
  witness[witness_unix_refused] = bound_local("b/socket");
  // Ends with whoever takes over here.
  int life[2];
  must(pipe2(life, 0), "pipe");
  pid_t bystander = fork();
  if (bystander == 0) {
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGURG);
    sigprocmask(SIG_BLOCK, &held, NULL);
    close(life[1]);
    close(0);
    close(1);
    close(2);
    char end;
    while (read(life[0], &end, 1) == -1 && errno == EINTR) {}
    _exit(0);
  }
  close(life[0]);
  witness[witness_bystander] = (int)must(syscall(SYS_pidfd_open, bystander, 0), "pidfd_open");
  snprintf(path, sizeof path, "/proc/%d/status", bystander);
  witness[witness_status] = (int)must(open(path, O_RDONLY | O_CLOEXEC), path);
  // It must have blocked the signal by now.
  for (;;) {
    char status[4096];
    ssize_t length = must(pread(witness[witness_status], status, sizeof status - 1, 0), path);
    status[length] = 0;
    const char *blocked = strstr(status, "SigBlk:");
    if (blocked && strtoull(blocked + 7, NULL, 16) & 1ull << (SIGURG - 1)) break;
    sched_yield();
  }

  int ends[2];
  must(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), "socketpair");
  char byte = 0, room[CMSG_SPACE(sizeof witness)] __attribute__((aligned(8))) = {0};
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof witness);
  memcpy(CMSG_DATA(header), witness, sizeof witness);
  must(sendmsg(ends[0], &message, 0), "sendmsg");
  must(dup2(ends[1], 0), "dup2");
  close(ends[1]);
  for (int i = 0; i < witness_count; i++) close(witness[i]);
  setenv("RACE_BYSTANDER", (snprintf(path, sizeof path, "%d", bystander), path), 1);
  execvp(command[0], command);
  die(command[0]);
  exit(125);
}

static void take_witnesses(void) {
  char byte, room[CMSG_SPACE(sizeof witness)] __attribute__((aligned(8)));
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  must(recvmsg(0, &message, MSG_CMSG_CLOEXEC), "the witnesses on standard input");
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof witness)) die("the witnesses");
  memcpy(witness, CMSG_DATA(header), sizeof witness);
}

static void look(const char *path, int *descriptor, struct stat *before) {
  *descriptor = (int)must(open(path, O_PATH | O_CLOEXEC), path);
  must(fstat(*descriptor, before), path);
}

static int show_refusals(void) {
  int failures = 0;
  long uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | 1 /* UFFD_USER_MODE_ONLY */);
  printf("userfaultfd: %s\n", uffd < 0 ? strerror(errno) : "given");
  if (uffd >= 0 || errno != EPERM) failures++;
  long device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
  printf("/dev/userfaultfd: %s\n", device < 0 ? strerror(errno) : "given");
  if (device >= 0) failures++;
  char value = 1, target = 0;
  struct iovec here = {&value, 1}, there = {&target, 1};
  long written = syscall(SYS_process_vm_writev, getpid(), &here, 1, &there, 1, 0);
  printf("process_vm_writev: %s\n", written < 0 ? strerror(errno) : "done");
  if (written >= 0 || errno != EPERM) failures++;
  return failures ? 1 : 0;
}

int main(int count, char **arguments) {
  const char *verb = count > 1 ? arguments[1] : "";
  if (!strcmp(verb, "list")) {
    for (size_t i = 0; i < test_count; i++)
      for (enum racer racer = 0; racer < racer_count; racer++)
        if (fits(&tests[i], racer)) printf("%s %s %s\n", tests[i].name, racer_names[racer], kind_of(racer));
    return 0;
  }
  if (!strcmp(verb, "refused")) return show_refusals();
  if (!strcmp(verb, "serve") && count > 3) serve(arguments[2], arguments + 3);
  int until_first = !strcmp(verb, "first");
  if ((!until_first && strcmp(verb, "run")) || count < 4) {
    fprintf(stderr, "usage: race list | serve PROGRAMS COMMAND… | run SECONDS CASE:RACER… | first SECONDS CASE:RACER… | refused\n");
    return 125;
  }
  // Number 9 is taken before the witnesses come.
  must(pipe2(report, O_NONBLOCK | O_CLOEXEC), "pipe");
  must(dup2(report[1], 9), "dup2");
  take_witnesses();
  random_state ^= (uint64_t)getpid() << 20 ^ (uint64_t)(now() * 1e9);
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  void *again = mremap(page, 0, 4096, MREMAP_MAYMOVE);
  shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED || again == MAP_FAILED || shared == MAP_FAILED) die("mmap");
  raced = page;
  alias = again;
  look("b", &b_directory, &b_directory_before);
  look("b/x", &b_file, &b_file_before);
  look("b/sub", &b_sub, &b_sub_before);
  look("r/x", &r_file, &r_file_before);
  datagrams = (int)must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  locals = (int)must(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");

  double seconds = strtod(arguments[2], NULL);
  int won = 0;
  for (int i = 3; i < count && !(won && until_first); i++) {
    char *colon = strchr(arguments[i], ':');
    const struct test *test = NULL;
    enum racer racer = racer_count;
    if (colon) {
      *colon = 0;
      for (size_t j = 0; j < test_count; j++)
        if (!strcmp(tests[j].name, arguments[i])) test = &tests[j];
      for (enum racer j = 0; j < racer_count; j++)
        if (!strcmp(racer_names[j], colon + 1)) racer = j;
    }
    if (!test || racer == racer_count) {
      fprintf(stderr, "race: no such case: %s\n", arguments[i]);
      return 125;
    }
    won |= race(test, racer, seconds, until_first);
  }
  remove_swaps();
  return won ? 1 : 0;
}
