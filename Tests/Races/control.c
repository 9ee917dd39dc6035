// The control of the races: a supervisor that checks and then lets the kernel go on, which is what no supervisor may do.
//
//   control CALL… -- COMMAND…
//
// It traps the named calls, looks at the arguments in the target's memory, follows paths and descriptors to where they lead, answers EACCES for what
// lies in b, may not be changed in r, or has an address, argument or process that is refused, and continues everything else. Every race must beat it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static void die(const char *what) {
  fprintf(stderr, "control: %s: %s\n", what, strerror(errno));
  exit(125);
}

// How the arguments of a call are looked at; -1: there is none of the kind.
struct call {
  const char *name;
  long number;
  signed char directory, path, directory2, path2;
  signed char how, address, group, message, batch, vector, descriptor, pidfd;
};
#define NONE .directory = -1, .path = -1, .directory2 = -1, .path2 = -1, .how = -1, .address = -1, .group = -1, .message = -1, .batch = -1, .vector = -1, .descriptor = -1, .pidfd = -1
#define CALL(n) .name = #n, .number = SYS_##n, NONE
#pragma GCC diagnostic ignored "-Woverride-init"
static const struct call calls[] = {
#ifdef SYS_open
    {CALL(open), .path = 0}, {CALL(creat), .path = 0}, {CALL(mkdir), .path = 0}, {CALL(rmdir), .path = 0}, {CALL(unlink), .path = 0},
    {CALL(rename), .path = 0, .path2 = 1}, {CALL(renameat), .directory = 0, .path = 1, .directory2 = 2, .path2 = 3}, {CALL(link), .path = 0, .path2 = 1},
    {CALL(symlink), .path = 1}, {CALL(mknod), .path = 0}, {CALL(chmod), .path = 0}, {CALL(chown), .path = 0}, {CALL(lchown), .path = 0},
    {CALL(utime), .path = 0}, {CALL(utimes), .path = 0}, {CALL(futimesat), .directory = 0, .path = 1},
#endif
    {CALL(openat), .directory = 0, .path = 1}, {CALL(openat2), .directory = 0, .path = 1, .how = 2}, {CALL(mkdirat), .directory = 0, .path = 1},
    {CALL(unlinkat), .directory = 0, .path = 1}, {CALL(renameat2), .directory = 0, .path = 1, .directory2 = 2, .path2 = 3},
    {CALL(linkat), .directory = 0, .path = 1, .directory2 = 2, .path2 = 3}, {CALL(symlinkat), .directory = 1, .path = 2},
    {CALL(mknodat), .directory = 0, .path = 1}, {CALL(truncate), .path = 0}, {CALL(fchmodat), .directory = 0, .path = 1},
    {CALL(fchmodat2), .directory = 0, .path = 1}, {CALL(fchownat), .directory = 0, .path = 1}, {CALL(utimensat), .directory = 0, .path = 1, .descriptor = 0},
    {CALL(setxattr), .path = 0}, {CALL(lsetxattr), .path = 0}, {CALL(fchmod), .descriptor = 0}, {CALL(fchown), .descriptor = 0},
    {CALL(fsetxattr), .descriptor = 0}, {CALL(pidfd_send_signal), .pidfd = 0}, {CALL(connect), .address = 1}, {CALL(bind), .address = 1}, {CALL(setsockopt), .group = 3},
    {CALL(sendto), .address = 4}, {CALL(sendmsg), .message = 1}, {CALL(sendmmsg), .batch = 1}, {CALL(execve), .path = 0, .vector = 1},
    {CALL(execveat), .directory = 0, .path = 1, .vector = 2},
};
#define call_count (sizeof calls / sizeof *calls)
static const struct call *chosen[call_count];
static size_t chosen_count;

static int install(void) {
  struct sock_filter code[2 * call_count + 2];
  unsigned short length = 0;
  code[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (size_t i = 0; i < chosen_count; i++) {
    code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)chosen[i]->number, 0, 1);
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
  }
  code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {length, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) die("no_new_privs");
  unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (listener < 0 && errno == EINVAL) listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (listener < 0) die("seccomp");
  return listener;
}

static pid_t target;
static long refused_process;

static int copy(uint64_t address, void *into, size_t count) {
  struct iovec here = {into, count}, there = {(void *)(uintptr_t)address, count};
  return process_vm_readv(target, &here, 1, &there, 1, 0) == (ssize_t)count ? 0 : -1;
}
static int copy_string(uint64_t address, char *into, size_t size) {
  size_t done = 0;
  while (done < size) {
    size_t page = 4096 - ((address + done) & 4095), count = page < size - done ? page : size - done;
    if (copy(address + done, into + done, count)) return -1;
    if (memchr(into + done, 0, count)) return 0;
    done += count;
  }
  return -1;
}

static int lies_in(const char *path, const char *folder) {
  char middle[8], end[8];
  snprintf(middle, sizeof middle, "/%s/", folder);
  snprintf(end, sizeof end, "/%s", folder);
  size_t length = strlen(path), tail = strlen(end);
  return strstr(path, middle) || (length >= tail && !strcmp(path + length - tail, end));
}
static int place(int descriptor, char *into, size_t size) {
  char entry[64];
  snprintf(entry, sizeof entry, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(entry, into, size - 1);
  if (length < 0) return -1;
  into[length] = 0;
  return 0;
}

// Where a path of the target leads: the object, or where there is none the directory it would be in.
static int refuses_path(int directory, const char *path, int writes) {
  char base[64], found[PATH_MAX];
  if (directory == AT_FDCWD) snprintf(base, sizeof base, "/proc/%d/cwd", target);
  else snprintf(base, sizeof base, "/proc/%d/fd/%d", target, directory);
  int from = open(base, O_PATH | O_CLOEXEC);
  if (from < 0) return 0;
  // A link in the last place stays one: where calls follow it there is none in these races.
  int object = *path ? openat(from, path, O_PATH | O_NOFOLLOW | O_CLOEXEC) : dup(from);
  const char *slash = strrchr(path, '/');
  if (object < 0 && slash) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    object = openat(from, folder, O_PATH | O_CLOEXEC);
  } else if (object < 0) {
    object = dup(from);
  }
  close(from);
  if (object < 0) return 0;
  int refused = place(object, found, sizeof found) == 0 && (lies_in(found, "b") || (writes && lies_in(found, "r")));
  close(object);
  return refused;
}
static int refuses_path_at(uint64_t directory, uint64_t address, int writes) {
  char path[PATH_MAX];
  return copy_string(address, path, sizeof path) == 0 && refuses_path((int)directory, path, writes);
}
static int refuses_address(uint64_t address, size_t length) {
  union {
    struct sockaddr any;
    struct sockaddr_in internet;
    struct sockaddr_un local;
    char bytes[sizeof(struct sockaddr_un) + 1];
  } name = {0};
  if (length > sizeof name.local) length = sizeof name.local;
  if (!address || copy(address, &name, length)) return 0;
  if (name.any.sa_family == AF_INET) return name.internet.sin_addr.s_addr == htonl(0x7f000002);
  return name.any.sa_family == AF_UNIX && refuses_path(AT_FDCWD, name.local.sun_path, 0);
}
static int refuses_group(uint64_t address) {
  struct in_addr group;
  return copy(address, &group, sizeof group) == 0 && group.s_addr == htonl(0xef4d4d02);
}
static int refuses_message(uint64_t address) {
  struct msghdr message;
  return copy(address, &message, sizeof message) == 0 && refuses_address((uintptr_t)message.msg_name, message.msg_namelen);
}
static int refuses_vector(uint64_t address) {
  for (int i = 1; i < 16; i++) {
    uint64_t word;
    char text[64];
    if (copy(address + 8u * (unsigned)i, &word, sizeof word) || !word) return 0;
    if (copy_string(word, text, sizeof text) == 0 && !strcmp(text, "bad")) return 1;
  }
  return 0;
}
static int refuses_interpreter(uint64_t directory, uint64_t address) {
  // The interpreter of a `#!` line, or a program's loader.
  char path[PATH_MAX], base[64], line[PATH_MAX];
  if (copy_string(address, path, sizeof path) || !*path) return 0;
  if ((int)directory == AT_FDCWD) snprintf(base, sizeof base, "/proc/%d/cwd", target);
  else snprintf(base, sizeof base, "/proc/%d/fd/%d", target, (int)directory);
  int from = open(base, O_PATH | O_CLOEXEC), script = openat(from, path, O_RDONLY | O_CLOEXEC);
  close(from);
  if (script < 0) return 0;
  ssize_t length = read(script, line, sizeof line - 1);
  Elf64_Ehdr elf;
  if (length > (ssize_t)sizeof elf && !memcmp(line, ELFMAG, SELFMAG)) {
    Elf64_Phdr header;
    memcpy(&elf, line, sizeof elf);
    for (int i = 0; i < elf.e_phnum; i++) {
      if (pread(script, &header, sizeof header, (off_t)(elf.e_phoff + (size_t)i * sizeof header)) != sizeof header || header.p_type != PT_INTERP) continue;
      length = pread(script, line, sizeof line - 1, (off_t)header.p_offset);
      close(script);
      return length > 0 && (line[length] = 0, refuses_path(AT_FDCWD, line, 0));
    }
  }
  close(script);
  if (length < 3 || line[0] != '#' || line[1] != '!') return 0;
  line[length] = 0;
  line[strcspn(line, " \n")] = 0;
  return refuses_path(AT_FDCWD, line + 2, 0);
}

static int refuses(const struct call *call, const uint64_t *a) {
  int writes = 0;
  // A descriptor that gives no access.
  if (call->number == SYS_openat && a[2] & O_PATH) return 0;
#ifdef SYS_open
  if (call->number == SYS_open && a[1] & O_PATH) return 0;
#endif
  if (call->how >= 0) {
    struct open_how how;
    if (copy(a[call->how], &how, sizeof how) == 0 && (how.flags & O_ACCMODE) != O_RDONLY) writes = 1;
  }
  if (call->path >= 0 && a[call->path] && refuses_path_at(call->directory < 0 ? (uint64_t)AT_FDCWD : a[call->directory], a[call->path], writes)) return 1;
  if (call->path2 >= 0 && refuses_path_at(call->directory2 < 0 ? (uint64_t)AT_FDCWD : a[call->directory2], a[call->path2], 0)) return 1;
  if (call->group >= 0 && a[call->group - 1] == IP_ADD_MEMBERSHIP && refuses_group(a[call->group])) return 1;
  if (call->address >= 0 && refuses_address(a[call->address], a[call->address + 1])) return 1;
  if (call->message >= 0 && refuses_message(a[call->message])) return 1;
  if (call->batch >= 0)
    for (uint64_t i = 0; i < a[call->batch + 1] && i < 16; i++)
      if (refuses_message(a[call->batch] + i * sizeof(struct mmsghdr))) return 1;
  if (call->vector >= 0 && refuses_vector(a[call->vector])) return 1;
  if (call->vector >= 0 && refuses_interpreter(call->directory < 0 ? (uint64_t)AT_FDCWD : a[call->directory], a[call->path])) return 1;
  if (call->descriptor >= 0 && (call->path < 0 || !a[call->path])) {
    char entry[64], found[PATH_MAX];
    snprintf(entry, sizeof entry, "/proc/%d/fd/%d", target, (int)a[call->descriptor]);
    ssize_t length = readlink(entry, found, sizeof found - 1);
    if (length < 0) return 0;
    found[length] = 0;
    return lies_in(found, "b") || lies_in(found, "r");
  }
  if (call->pidfd >= 0) {
    char entry[64], text[1024];
    snprintf(entry, sizeof entry, "/proc/%d/fdinfo/%d", target, (int)a[call->pidfd]);
    int information = open(entry, O_RDONLY | O_CLOEXEC);
    if (information < 0) return 0;
    ssize_t length = read(information, text, sizeof text - 1);
    close(information);
    if (length < 0) return 0;
    text[length] = 0;
    const char *number = strstr(text, "\nPid:");
    return number && strtol(number + 5, NULL, 10) == refused_process;
  }
  return 0;
}

int main(int count, char **arguments) {
  int first = 1;
  for (; first < count && strcmp(arguments[first], "--"); first++)
    for (size_t i = 0; i < call_count; i++)
      if (!strcmp(calls[i].name, arguments[first])) chosen[chosen_count++] = &calls[i];
  if (first + 1 >= count || chosen_count != (size_t)first - 1 || chosen_count == 0) {
    fprintf(stderr, "usage: control CALL… -- COMMAND…\n");
    return 125;
  }
  const char *bystander = getenv("RACE_BYSTANDER");
  refused_process = bystander ? strtol(bystander, NULL, 10) : -1;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) die("socketpair");
  pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    // The number of the listener goes over; the parent takes the descriptor itself, so that nothing that is trapped is called.
    char byte = 0;
    int listener = install();
    if (write(pair[1], &listener, sizeof listener) != sizeof listener || read(pair[1], &byte, 1) != 1) _exit(125);
    close(listener);
    execv(arguments[first + 1], arguments + first + 1);
    die(arguments[first + 1]);
  }
  close(pair[1]);
  int number, handle = (int)syscall(SYS_pidfd_open, child, 0);
  if (read(pair[0], &number, sizeof number) != sizeof number) return 125;
  int listener = (int)syscall(SYS_pidfd_getfd, handle, number, 0);
  if (listener < 0) die("pidfd_getfd");
  if (write(pair[0], "", 1) != 1) die("write");
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
  struct seccomp_notif_sizes sizes;
  if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes)) die("sizes");
  struct seccomp_notif *call = calloc(1, sizes.seccomp_notif + sizeof *call);
  struct seccomp_notif_resp *answer = calloc(1, sizes.seccomp_notif_resp + sizeof *answer);
  if (!call || !answer) die("memory");
  for (;;) {
    struct pollfd ready = {listener, POLLIN, 0};
    if (poll(&ready, 1, -1) < 0 && errno != EINTR) die("poll");
    if (ready.revents & POLLHUP) break;
    if (!(ready.revents & POLLIN)) continue;
    memset(call, 0, sizes.seccomp_notif);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, call)) continue;
    target = (pid_t)call->pid;
    const struct call *kind = NULL;
    for (size_t i = 0; i < chosen_count; i++)
      if (chosen[i]->number == call->data.nr) kind = chosen[i];
    memset(answer, 0, sizes.seccomp_notif_resp);
    answer->id = call->id;
    if (kind && refuses(kind, (const uint64_t *)call->data.args)) answer->error = -EACCES;
    else answer->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, answer);
  }
  int status;
  if (waitpid(child, &status, 0) != child) return 125;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
