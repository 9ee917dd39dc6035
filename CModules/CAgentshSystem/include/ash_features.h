// What the running kernel can do, found out by using it. Nothing here changes the calling thread or process.
#pragma once
#include <stdint.h>

#define ASH_LISTENER_INSTALLED 1u    /* SECCOMP_FILTER_FLAG_NEW_LISTENER, 5.0 */
#define ASH_LISTENER_ADDFD_SEND 2u   /* SECCOMP_ADDFD_FLAG_SEND, 5.14 */
#define ASH_LISTENER_SYNC_WAKE_UP 4u /* SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, 6.6 */

// Installs a filter that allows everything in a thread that ends right after, and tries its listener: a set of ASH_LISTENER_* bits, 0 with
// errno set where no listener could be installed (EBUSY: there is one already), -1 where no thread could be started.
int ash_probe_listener(void);
// Whether seccomp(2) knows a filter flag: 1 or 0.
int ash_probe_filter_flag(uint32_t flag);
// 1 where the call exists on this kernel for this process, 0 where it answers ENOSYS. Called with arguments that can do nothing.
int ash_probe_call(long number);
long ash_probe_number_openat2(void);
long ash_probe_number_fchmodat2(void);
