// Kernel interfaces that Swift can't import: system calls without a libc wrapper, ioctls whose numbers are macros, structures
// newer than the installed headers, and control messages. No policy, no allocation, errno as the kernel set it.
// Every function returns what the system call returns: -1 with errno set, or the value.
#pragma once

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "ash_events.h"
#include "ash_features.h"
#include "ash_file.h"
#include "ash_handover.h"
#include "ash_landlock.h"
#include "ash_network.h"
#include "ash_process.h"
#include "ash_seccomp.h"
#include "ash_socket.h"
