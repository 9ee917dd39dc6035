#include "ash_network.h"

#include <errno.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int ash_connect(int socket, const void *address, size_t length) { return connect(socket, address, (socklen_t)length); }
int ash_bind(int socket, const void *address, size_t length) { return bind(socket, address, (socklen_t)length); }

int ash_socket_option(int socket, int option, int *value) {
  socklen_t length = sizeof *value;
  return getsockopt(socket, SOL_SOCKET, option, value, &length);
}

int ash_send_timeout(int socket, struct timeval *limit) {
  socklen_t length = sizeof *limit;
  return getsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, limit, &length);
}

int ash_socket_name(int socket, void *address, size_t *length) {
  socklen_t room = (socklen_t)*length;
  int result = getsockname(socket, address, &room);
  if (result == 0) *length = room;
  return result;
}

ssize_t ash_send_message(
    int socket, const void *address, size_t address_length, const void *bytes, size_t length, const void *control, size_t control_length,
    int flags) {
  struct iovec range = {(void *)bytes, length};
  struct msghdr message = {
      .msg_name = (void *)address,
      .msg_namelen = (socklen_t)address_length,
      .msg_iov = &range,
      .msg_iovlen = 1,
      .msg_control = (void *)control,
      .msg_controllen = control_length,
  };
  return sendmsg(socket, &message, flags);
}

ssize_t ash_receive_from(int socket, void *bytes, size_t length, void *address, size_t *address_length) {
  socklen_t room = (socklen_t)*address_length;
  ssize_t got = recvfrom(socket, bytes, length, MSG_DONTWAIT, address, &room);
  if (got >= 0) *address_length = room;
  return got;
}

ssize_t ash_send_to(int socket, const void *bytes, size_t length, const void *address, size_t address_length) {
  return sendto(socket, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, address, (socklen_t)address_length);
}

int ash_accept_from(int socket, void *address, size_t *address_length) {
  socklen_t room = (socklen_t)*address_length;
  int accepted = accept4(socket, address, &room, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (accepted >= 0) *address_length = room;
  return accepted;
}

int ash_reuse_address(int socket) {
  int on = 1;
  return setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

struct confined_bind {
  int socket;
  const void *address;
  size_t length;
  int directory, parent, confined;
  mode_t mask;
  int result;
};

// Landlock and the working directory are the thread's own for good, so the thread ends after one bind.
static void *bind_confined(void *argument) {
  struct confined_bind *task = argument;
  if (unshare(CLONE_FS) != 0 || fchdir(task->directory) != 0) {
    task->result = errno;
    return NULL;
  }
  umask(task->mask);
  if (task->confined) {
    struct landlock_ruleset_attr rules = {.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_SOCK};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    if (ruleset < 0) {
      task->result = ENOSYS;
      return NULL;
    }
    struct landlock_path_beneath_attr beneath = {.allowed_access = LANDLOCK_ACCESS_FS_MAKE_SOCK, .parent_fd = task->parent};
    int failed = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0 ||
                 prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) != 0;
    close(ruleset);
    if (failed) {
      task->result = ENOSYS;
      return NULL;
    }
  }
  task->result = bind(task->socket, task->address, (socklen_t)task->length) == 0 ? 0 : errno;
  return NULL;
}

static int run_confined(struct confined_bind *task) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  pthread_t thread;
  int failure = pthread_create(&thread, &attributes, bind_confined, task);
  pthread_attr_destroy(&attributes);
  if (failure != 0) return failure;
  pthread_join(thread, NULL);
  return task->result;
}

int ash_bind_beneath(int socket, const void *address, size_t length, int directory, int parent, mode_t mask) {
  struct confined_bind task = {socket, address, length, directory, parent, 1, mask, EIO};
  return run_confined(&task);
}

int ash_bind_in(int socket, const void *address, size_t length, int parent, mode_t mask) {
  struct confined_bind task = {socket, address, length, parent, parent, 0, mask, EIO};
  return run_confined(&task);
}

int ash_unix_socket_file(int target, uint32_t *device, uint32_t *inode) {
  struct stat status;
  if (fstat(target, &status) != 0) return -1;
  int diagnosis = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (diagnosis < 0) return -1;
  struct {
    struct nlmsghdr header;
    struct unix_diag_req request;
  } ask = {
      .header = {.nlmsg_len = sizeof ask, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST},
      .request = {
          .sdiag_family = AF_UNIX,
          .udiag_states = ~0u,
          .udiag_ino = (uint32_t)status.st_ino,
          .udiag_show = UDIAG_SHOW_VFS,
          .udiag_cookie = {~0u, ~0u},
      }};
  _Alignas(struct nlmsghdr) char room[4096];
  int result = -1;
  ssize_t got = -1;
  if (send(diagnosis, &ask, sizeof ask, 0) == (ssize_t)sizeof ask) {
    do got = recv(diagnosis, room, sizeof room, 0);
    while (got < 0 && errno == EINTR);
  }
  struct nlmsghdr *header = (struct nlmsghdr *)room;
  if (got > 0 && NLMSG_OK(header, (size_t)got) && header->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
      header->nlmsg_len >= NLMSG_LENGTH(sizeof(struct unix_diag_msg))) {
    struct unix_diag_msg *message = NLMSG_DATA(header);
    int rest = (int)(header->nlmsg_len - NLMSG_LENGTH(sizeof *message));
    struct rtattr {
      unsigned short rta_len, rta_type;
    } *attribute = (struct rtattr *)((char *)message + NLMSG_ALIGN(sizeof *message));
    while (rest >= (int)sizeof *attribute && attribute->rta_len >= sizeof *attribute && attribute->rta_len <= rest) {
      if (attribute->rta_type == UNIX_DIAG_VFS && attribute->rta_len >= sizeof *attribute + sizeof(struct unix_diag_vfs)) {
        struct unix_diag_vfs file;
        memcpy(&file, attribute + 1, sizeof file);
        *inode = file.udiag_vfs_ino;
        *device = file.udiag_vfs_dev;
        result = 0;
      }
      int step = (attribute->rta_len + 3) & ~3;
      rest -= step;
      attribute = (struct rtattr *)((char *)attribute + step);
    }
  }
  close(diagnosis);
  return result;
}

int ash_pidfd_send_signal_flags(int pidfd, int signal, unsigned flags) {
  return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, flags);
}
