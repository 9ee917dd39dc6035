// Sockets of a target: calls with addresses as plain bytes, one message at a time, and the confined bind of a Unix socket's name.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/types.h>

// connect(2), bind(2) with `length` bytes of address (at most 128), exactly as given.
int ash_connect(int socket, const void *address, size_t length);
int ash_bind(int socket, const void *address, size_t length);
// getsockopt(2) of an int at SOL_SOCKET.
int ash_socket_option(int socket, int option, int *value);
// getsockopt(2) of SO_SNDTIMEO.
int ash_send_timeout(int socket, struct timeval *limit);
// getsockname(2); *length holds the room and then the name's length.
int ash_socket_name(int socket, void *address, size_t *length);
// sendmsg(2) of one range of bytes; address and control may be NULL with length 0.
ssize_t ash_send_message(
    int socket, const void *address, size_t address_length, const void *bytes, size_t length, const void *control, size_t control_length,
    int flags);

// recvfrom(2) that doesn't wait; *address_length holds the room for the sender's address and then its length.
ssize_t ash_receive_from(int socket, void *bytes, size_t length, void *address, size_t *address_length);
// sendto(2) that doesn't wait and raises no signal; the address may be NULL with length 0.
ssize_t ash_send_to(int socket, const void *bytes, size_t length, const void *address, size_t address_length);
// accept4(2), non-blocking and close-on-exec, with the peer's address.
int ash_accept_from(int socket, void *address, size_t *address_length);
// SO_REUSEADDR.
int ash_reuse_address(int socket);

// bind(2) with a path, on a thread of its own that stands in `directory` (a target's working directory), has `mask` as its umask, and may create
// sockets nowhere but beneath `parent` (Landlock). 0, or a positive errno; ENOSYS when Landlock isn't there and nothing was done.
int ash_bind_beneath(int socket, const void *address, size_t length, int directory, int parent, mode_t mask);
// bind(2) with a path relative to `parent`, on a thread of its own with `mask` as its umask. 0, or a positive errno.
int ash_bind_in(int socket, const void *address, size_t length, int parent, mode_t mask);
// Device and inode that a bound Unix socket's name has, from the kernel's own socket (NETLINK_SOCK_DIAG); -1 when it can't be had.
int ash_unix_socket_file(int socket, uint32_t *device, uint32_t *inode);
// pidfd_send_signal(2) with its flags, for a pidfd that was fetched from a target.
int ash_pidfd_send_signal_flags(int pidfd, int signal, unsigned flags);
