#include "CAgentshEarly.h"
