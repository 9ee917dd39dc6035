// The program that a policy refuses: it says so when it runs.
#include <unistd.h>
int main(void) { return write(1, "victim ran\n", 11) == 11 ? 0 : 1; }
