// The yardstick: the least that a seccomp supervisor can do, in C and single-threaded.
//
//   bare continue CMD…   every open is trapped, received and continued: a bare round trip
//   bare perform CMD…    every open is performed by this process and its descriptor injected: the least a race-free answer costs
//
// It decides nothing and protects nothing: it is here to be measured (seccomp_unotify(2)).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

static void die(const char *what) {
  fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
  exit(125);
}

static int install(void) {
#define TRAP(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef SYS_open
      TRAP(SYS_open),
      TRAP(SYS_creat),
#endif
      TRAP(SYS_openat),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) die("no_new_privs");
  unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (listener < 0 && errno == EINVAL)
    listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (listener < 0) die("seccomp");
  return listener;
}

static void pass(int socket, int descriptor) {
  char byte = 0, room[CMSG_SPACE(sizeof descriptor)] = {0};
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptor);
  memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  if (sendmsg(socket, &message, 0) != 1) die("sendmsg");
}

static int take(int socket) {
  char byte, room[CMSG_SPACE(sizeof(int))];
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  int descriptor = -1;
  if (header && header->cmsg_type == SCM_RIGHTS) memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
  return descriptor;
}

static ssize_t read_path(pid_t pid, uint64_t address, char *path, size_t size) {
  size_t done = 0;
  while (done < size) {
    size_t page = 4096 - ((address + done) & 4095), count = page < size - done ? page : size - done;
    struct iovec here = {path + done, count}, there = {(void *)(uintptr_t)(address + done), count};
    ssize_t got = process_vm_readv(pid, &here, 1, &there, 1, 0);
    if (got <= 0) return -1;
    if (memchr(path + done, 0, (size_t)got)) return (ssize_t)done;
    done += (size_t)got;
  }
  return -1;
}

// Returns the descriptor, or -errno; 1 in *pass_on where the call is better continued.
static int perform(const struct seccomp_notif *call, int *flags, int *pass_on) {
  int at = AT_FDCWD;
  uint64_t address, mode = 0;
  if (call->data.nr == SYS_openat) {
    at = (int)call->data.args[0];
    address = call->data.args[1];
    *flags = (int)call->data.args[2];
    mode = call->data.args[3];
#ifdef SYS_open
  } else if (call->data.nr == SYS_open) {
    address = call->data.args[0];
    *flags = (int)call->data.args[1];
    mode = call->data.args[2];
  } else if (call->data.nr == SYS_creat) {
    address = call->data.args[0];
    *flags = O_CREAT | O_WRONLY | O_TRUNC;
    mode = call->data.args[1];
#endif
  } else {
    *pass_on = 1;
    return 0;
  }
  char path[4096], base[64];
  pid_t pid = (pid_t)call->pid;
  if (read_path(pid, address, path, sizeof path) < 0) return -EFAULT;
  if (!strncmp(path, "/proc/self", 10) || !strncmp(path, "/dev/tty", 8)) {
    *pass_on = 1;
    return 0;
  }
  int directory = AT_FDCWD;
  if (path[0] != '/') {
    if (at == AT_FDCWD) snprintf(base, sizeof base, "/proc/%d/cwd", pid);
    else snprintf(base, sizeof base, "/proc/%d/fd/%d", pid, at);
    directory = open(base, O_PATH | O_CLOEXEC);
    if (directory < 0) return -EBADF;
  }
  int descriptor = openat(directory, path, *flags | O_CLOEXEC, (mode_t)mode);
  int result = descriptor < 0 ? -errno : descriptor;
  if (directory >= 0) close(directory);
  return result;
}

int main(int argc, char **argv) {
  if (argc < 3) return fprintf(stderr, "usage: bare continue|perform CMD…\n"), 125;
  int performing = !strcmp(argv[1], "perform"), pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) die("socketpair");
  pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    int listener = install();
    pass(pair[1], listener);
    close(listener);
    execvp(argv[2], argv + 2);
    die(argv[2]);
  }
  close(pair[1]);
  int listener = take(pair[0]);
  if (listener < 0) return 125;
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
  umask(022);
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
    int pass_on = !performing, flags = 0, result = 0;
    if (performing) result = perform(call, &flags, &pass_on);
    if (!pass_on && result >= 0) {
      struct seccomp_notif_addfd add = {
          .id = call->id, .flags = SECCOMP_ADDFD_FLAG_SEND, .srcfd = (uint32_t)result, .newfd_flags = flags & O_CLOEXEC ? O_CLOEXEC : 0};
      int added = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
      close(result);
      if (added >= 0) continue;
      pass_on = 1; // an O_PATH descriptor can't be injected (EBADF)
    }
    memset(answer, 0, sizes.seccomp_notif_resp);
    answer->id = call->id;
    if (pass_on) answer->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else answer->error = result;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, answer);
  }
  int status;
  if (waitpid(child, &status, 0) != child) return 125;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
