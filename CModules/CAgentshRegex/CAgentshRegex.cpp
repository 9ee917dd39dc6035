#include "CAgentshRegex.h"
