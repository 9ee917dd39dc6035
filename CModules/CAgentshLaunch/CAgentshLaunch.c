#include "CAgentshLaunch.h"
