// The refused program once more, for the kernel to start in the place of another's loader. No C library, which would look for the other's headers.
#include <sys/syscall.h>

__attribute__((used, noreturn)) void begin(void) {
  static const char text[] = "victim ran\n";
#if defined(__x86_64__)
  long written;
  __asm__ volatile("syscall" : "=a"(written) : "a"((long)SYS_write), "D"(1L), "S"(text), "d"(sizeof text - 1) : "rcx", "r11", "memory");
  for (;;) __asm__ volatile("syscall" : : "a"((long)SYS_exit_group), "D"(0L) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = SYS_write, x0 __asm__("x0") = 1, x1 __asm__("x1") = (long)text, x2 __asm__("x2") = sizeof text - 1;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  for (;;) {
    x8 = SYS_exit_group, x0 = 0;
    __asm__ volatile("svc 0" : : "r"(x8), "r"(x0) : "memory");
  }
#else
#error "an entry point for this processor is missing"
#endif
}

__asm__(".globl _start\n_start:\n"
#if defined(__x86_64__)
        " and $-16, %rsp\n call begin\n");
#else
        " b begin\n");
#endif
