# needs: gcc
# not-under agent-default: what lies outside the project is refused there before the kernel is asked
# varies: mixtures
set -eu
gcc -std=gnu11 -O2 -Wall -Wextra -Werror -o mixtures "$PROGRAMS/errno-mixtures.c"
# Some names lead two directories up.
mkdir -p above/base
cd above/base
../../mixtures
