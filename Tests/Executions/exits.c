// Ends with the number that its first argument states: nothing that is started costs less. No C library.
#include <sys/syscall.h>

__attribute__((used, noreturn)) void begin(long *stack) {
  char **arguments = (char **)(stack + 1);
  long status = 0;
  for (const char *digit = stack[0] > 1 ? arguments[1] : ""; *digit; digit++) status = status * 10 + (*digit - '0');
  for (;;) {
#if defined(__x86_64__)
    __asm__ volatile("syscall" : : "a"((long)SYS_exit_group), "D"(status) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = SYS_exit_group, x0 __asm__("x0") = status;
    __asm__ volatile("svc 0" : : "r"(x8), "r"(x0) : "memory");
#endif
  }
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n mov x0, sp\n b begin\n");
#else
#error "an entry point for this processor is missing"
#endif
