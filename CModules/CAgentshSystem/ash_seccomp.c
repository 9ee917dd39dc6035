#include "ash_seccomp.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int ash_notif_recv(int listener, struct seccomp_notif *request) {
  // The kernel refuses (EINVAL) a request buffer that is not all zero.
  memset(request, 0, sizeof *request);
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, request);
}

static int again(int listener, unsigned long request, void *argument) {
  int result;
  do result = ioctl(listener, request, argument);
  while (result < 0 && errno == EINTR);
  return result;
}

int ash_notif_send(int listener, uint64_t id, int64_t value, int32_t error, uint32_t flags) {
  struct seccomp_notif_resp response = {.id = id, .val = value, .error = error, .flags = flags};
  return again(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

int ash_notif_id_valid(int listener, uint64_t id) {
  return again(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id);
}

int ash_notif_addfd(int listener, uint64_t id, uint32_t flags, int source, uint32_t target, uint32_t target_flags) {
  struct seccomp_notif_addfd add = {
      .id = id, .flags = flags, .srcfd = (uint32_t)source, .newfd = target, .newfd_flags = target_flags};
  return again(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
}

int ash_notif_set_flags(int listener, uint64_t flags) {
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags);
}

int ash_seccomp_action_available(uint32_t action) {
  return (int)syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
}

int ash_seccomp_notif_sizes(uint16_t *request, uint16_t *response, uint16_t *data) {
  struct seccomp_notif_sizes sizes;
  int result = (int)syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes);
  if (result == 0) {
    *request = sizes.seccomp_notif;
    *response = sizes.seccomp_notif_resp;
    *data = sizes.seccomp_data;
  }
  return result;
}

int ash_seccomp_set_filter(uint32_t flags, const struct sock_filter *program, uint16_t length) {
  struct sock_fprog fprog = {.len = length, .filter = (struct sock_filter *)program};
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &fprog);
}
