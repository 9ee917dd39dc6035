# needs: gcc
set -eu
gcc -std=gnu11 -O2 -Wall -Wextra -Werror -o execute "$PROGRAMS/scripts.c"
mkdir there && cd there
../execute
