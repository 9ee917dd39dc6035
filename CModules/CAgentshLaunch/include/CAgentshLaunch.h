// Everything that runs between clone and exec, for the launcher (ash_launch) and for the server (ash_spawn). It is C because
// nothing there may allocate, take a lock or enter the Swift runtime.
#pragma once

#include "ash_launch.h"
#if __has_include("ash_spawn.h")
#include "ash_spawn.h"
#endif
