#include "ash_socket.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { most_descriptors = 12, room_descriptors = 64 };

int ash_peer_credentials(int socket, pid_t *pid, uid_t *uid, gid_t *gid) {
  struct ucred credentials;
  socklen_t length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return -1;
  *pid = credentials.pid;
  *uid = credentials.uid;
  *gid = credentials.gid;
  return 0;
}

int ash_peer_pidfd(int socket) {
  int pidfd = -1;
  socklen_t length = sizeof pidfd;
  if (getsockopt(socket, SOL_SOCKET, ASH_SO_PEERPIDFD, &pidfd, &length) != 0) return -1;
  return pidfd;
}

ssize_t ash_send_descriptors(int socket, const void *bytes, size_t length, const int *descriptors, size_t count, int flags) {
  if (count > most_descriptors) {
    errno = E2BIG;
    return -1;
  }
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(most_descriptors * sizeof(int))];
  memset(control, 0, sizeof control);
  struct iovec range = {(void *)bytes, length};
  struct msghdr message = {.msg_iov = &range, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
  }
  return sendmsg(socket, &message, flags | MSG_NOSIGNAL);
}

ssize_t ash_receive_descriptors(int socket, void *bytes, size_t length, int *descriptors, size_t *count, int *truncated, int flags) {
  // Room for more than is ever kept, so that a peer who sends too many is seen to have done so.
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(room_descriptors * sizeof(int))];
  struct iovec range = {bytes, length};
  struct msghdr message = {.msg_iov = &range, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  size_t room = *count < most_descriptors ? *count : most_descriptors, kept = 0;
  *count = 0;
  *truncated = 0;
  ssize_t received = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  if (received < 0) return -1;
  if (message.msg_flags & MSG_CTRUNC) *truncated = 1;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
      *truncated = 1;
      continue;
    }
    size_t found = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < found; index++) {
      int descriptor;
      memcpy(&descriptor, CMSG_DATA(header) + index * sizeof(int), sizeof descriptor);
      if (kept < room) {
        descriptors[kept++] = descriptor;
      } else {
        close(descriptor);
        *truncated = 1;
      }
    }
  }
  *count = kept;
  return received;
}
