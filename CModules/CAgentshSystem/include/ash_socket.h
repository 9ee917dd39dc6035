// Unix sockets: credentials, the peer's pidfd, descriptors in control messages.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#define ASH_SO_PEERPIDFD 77 /* asm-generic/socket.h of 6.5 */

int ash_peer_credentials(int socket, pid_t *pid, uid_t *uid, gid_t *gid);
int ash_peer_pidfd(int socket);
// sendmsg(2) with up to 12 descriptors on the first byte and MSG_NOSIGNAL.
ssize_t ash_send_descriptors(int socket, const void *bytes, size_t length, const int *descriptors, size_t count, int flags);
// recvmsg(2) with MSG_CMSG_CLOEXEC. *count holds the room in `descriptors` and then how many came (at most 12 are kept, the rest closed);
// *truncated is 1 when the kernel dropped some or when other control messages came.
ssize_t ash_receive_descriptors(int socket, void *bytes, size_t length, int *descriptors, size_t *count, int *truncated, int flags);
