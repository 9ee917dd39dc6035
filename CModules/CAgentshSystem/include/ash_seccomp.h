// seccomp(2), seccomp_unotify(2).
#pragma once
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/types.h>

// Newer than the 6.1 headers (linux/seccomp.h of 6.6).
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

// Zeroes *request, then SECCOMP_IOCTL_NOTIF_RECV.
int ash_notif_recv(int listener, struct seccomp_notif *request);
// The three that follow take a lock that a signal interrupts (EINTR), and are tried again then: a lost answer would leave its caller waiting, and an id that
// could not be looked at would pass for one that waits.
//
// SECCOMP_IOCTL_NOTIF_SEND with a value or a negative errno already in place.
int ash_notif_send(int listener, uint64_t id, int64_t value, int32_t error, uint32_t flags);
int ash_notif_id_valid(int listener, uint64_t id);
// SECCOMP_IOCTL_NOTIF_ADDFD; flags may hold SECCOMP_ADDFD_FLAG_SEND.
int ash_notif_addfd(int listener, uint64_t id, uint32_t flags, int source, uint32_t target, uint32_t target_flags);
int ash_notif_set_flags(int listener, uint64_t flags);
// seccomp(2) SECCOMP_GET_ACTION_AVAIL, SECCOMP_GET_NOTIF_SIZES.
int ash_seccomp_action_available(uint32_t action);
int ash_seccomp_notif_sizes(uint16_t *request, uint16_t *response, uint16_t *data);
// seccomp(2) SECCOMP_SET_MODE_FILTER.
int ash_seccomp_set_filter(uint32_t flags, const struct sock_filter *program, uint16_t length);
