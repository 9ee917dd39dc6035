#include "CTestSupport.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

int ct_connect_as(uid_t uid, const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(address.sun_path, path);
  int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection < 0) return -1;
  // The raw call changes one thread; the C library's would change all of them.
  if (syscall(SYS_setresuid, -1, uid, -1) != 0) {
    close(connection);
    return -1;
  }
  int result = connect(connection, (struct sockaddr *)&address, sizeof address);
  int error = errno;
  if (syscall(SYS_setresuid, -1, 0, -1) != 0) _exit(99);
  if (result != 0) {
    close(connection);
    errno = error;
    return -1;
  }
  return connection;
}

static void *install(void *result) {
  struct sock_filter instructions[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x7ffe, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof instructions / sizeof instructions[0], .filter = instructions};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  *(int *)result = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  return NULL;
}

int ct_listener(void) {
  pthread_t thread;
  int listener = -1;
  if (pthread_create(&thread, NULL, install, &listener) != 0) return -1;
  pthread_join(thread, NULL);
  return listener;
}

int ct_status_under_filter(const struct sock_filter *instructions, uint16_t length, int (*body)(void *), void *argument) {
  struct sock_fprog program = {.len = length, .filter = (struct sock_filter *)instructions};
  pid_t child = fork();
  if (child == -1) return -1;
  if (child == 0) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(200);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) _exit(201);
    _exit(body(argument));
  }
  int status;
  while (waitpid(child, &status, 0) == -1)
    if (errno != EINTR) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int ct_try_execve(void *ignored) {
  (void)ignored;
  char *arguments[] = {"/bin/true", NULL}, *environment[] = {NULL};
  execve("/bin/true", arguments, environment);
  return errno;
}

int ct_try_fork(void *ignored) {
  (void)ignored;
  long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  return child == -1 ? errno : 0;
}

int ct_try_socket(void *ignored) {
  (void)ignored;
  return socket(AF_INET, SOCK_STREAM, 0) == -1 ? errno : 0;
}

int ct_try_mount(void *ignored) {
  (void)ignored;
  return mount("none", "/mnt", "tmpfs", 0, NULL) == -1 ? errno : 0;
}

int ct_try_map_code(void *ignored) {
  (void)ignored;
  return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static void *nothing(void *ignored) { return ignored; }

int ct_try_thread(void *ignored) {
  pthread_t thread;
  int failure = pthread_create(&thread, NULL, nothing, ignored);
  if (failure == 0) pthread_join(thread, NULL);
  return failure;
}

int ct_try_open_and_write(void *ignored) {
  (void)ignored;
  int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (null == -1) return errno;
  return write(null, "x", 1) == 1 ? 0 : errno;
}

int ct_pipe(int *read_end, int *write_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  *read_end = ends[0];
  *write_end = ends[1];
  return 0;
}
