// What is executed in races. It says what it is before anything else: `REFUSED` is the program, or an argument that starts with `b` the arguments, that
// the policy refuses; then a byte goes to descriptor 9 in its first instructions. No C library: an execution costs little.
#include <sys/syscall.h>

static long call(long number, long a, long b, long c) {
  long result;
#if defined(__x86_64__)
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  result = x0;
#endif
  return result;
}

__attribute__((used, noreturn)) void begin(long *stack) {
  char **arguments = (char **)(stack + 1);
  int refused = 0;
#ifdef REFUSED
  refused = 1;
#endif
  for (long i = 1; i < stack[0]; i++)
    if (arguments[i][0] == 'b') refused = 1;
  if (refused) call(SYS_write, 9, (long)"!", 1);
  for (;;) call(SYS_exit_group, refused ? 66 : 0, 0, 0);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n mov x0, sp\n b begin\n");
#else
#error "an entry point for this processor is missing"
#endif
