# needs: gcc
# not-under agent-default: what lies outside the project is refused there before the kernel is asked
# varies: table
set -eu
gcc -std=gnu11 -O2 -Wall -Wextra -Werror -o table "$PROGRAMS/errno-table.c"
./table
