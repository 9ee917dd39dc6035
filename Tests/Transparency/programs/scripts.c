// Executes files that begin with `#!` in many ways, readable and not, and prints what came of each: what its interpreter says, or the errno.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int count;

static void put(const char *text, size_t length) {
  char name[16];
  snprintf(name, sizeof name, "s%d", count++);
  int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0755);
  if (fd < 0 || write(fd, text, length) < 0) exit(1);
  close(fd);
}

static void run(const char *name, int way) {
  static const char *ways[] = {"by name", "by descriptor", "by closed descriptor"};
  char *arguments[] = {"zero", "one", "two words", NULL}, *environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    dup2(1, 2);
    int fd = open(name, O_PATH);
    dup3(fd, 30, way == 2 ? O_CLOEXEC : 0);
    errno = 0;
    if (way == 0) syscall(SYS_execve, name, arguments, environment);
    else syscall(SYS_execveat, 30, "", arguments, environment, AT_EMPTY_PATH);
    printf("  %s\n", strerrorname_np(errno));
    fflush(stdout);
    _exit(99);
  }
  int status;
  waitpid(child, &status, 0);
  printf("%s %s: %s %d\n", name, ways[way], WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

#define TEXT(text) {text, sizeof text - 1}

int main(void) {
  static const struct { const char *text; size_t length; } texts[] = {TEXT("#!"), TEXT("#!\n"), TEXT("#! \n"), TEXT("#!\t "), TEXT("#"), TEXT(""), TEXT("#!/bin/echo"), TEXT("#!/bin/echo\n"),
    TEXT("#! /bin/echo  a  b \t\n"), TEXT("#!\0/bin/echo\n"), TEXT("#!/bin/echo\0x\n"), TEXT("#!/no/such\n"), TEXT("#!.\n"), TEXT("#!/\n"), TEXT("#!echo\n"), TEXT("#!/etc/passwd\n"), TEXT("#!s7\n"),
    TEXT("#!s7 word\n"), TEXT("#!s8 s7\n"), TEXT("#!\n/bin/echo\n"), TEXT("#!/bin/echo \0z\n"), TEXT("#!/bin/echo\r\n"), TEXT("\n#!/bin/echo\n"), TEXT("#!/bin/sh\nexit 7\n"), TEXT("\177ELF"),
    TEXT("#!/usr/bin/env -S sh -c 'exit 5'\n"), TEXT("#!/usr/bin/env s7\n"), TEXT("#!fifo\n"), TEXT("#!loop\n"), TEXT("#!dangling\n"), TEXT("#!/dev/null\n"), TEXT("#!linked\n"), TEXT("exit 3\n")};
  if (mkfifo("fifo", 0777) != 0 || symlink("loop", "loop") != 0 || symlink("nowhere", "dangling") != 0 || symlink("s7", "linked") != 0) return 1;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) put(texts[i].text, texts[i].length);
  // As much as the kernel looks at: names, arguments and spaces that end there.
  for (size_t length = 253; length < 259; length++) {
    char line[300];
    memset(line, 'a', sizeof line), memcpy(line, "#!/bin/", 7), line[length - 1] = '\n', put(line, sizeof line);
    memset(line, 'a', sizeof line), memcpy(line, "#!/bin/echo ", 12), line[length - 1] = '\n', put(line, sizeof line);
    memset(line, ' ', sizeof line), memcpy(line, "#!/bin/echo ", 12), line[length - 2] = 'x', line[length - 1] = '\n', put(line, sizeof line);
  }
  // More interpreters after one another than there may be.
  put("#!/bin/echo\n", 12);
  for (int depth = 0; depth < 7; depth++) {
    char line[64];
    put(line, (size_t)snprintf(line, sizeof line, "#!s%d word%d\n", count - 1, depth));
  }
  for (int number = 0; number < count; number++) {
    char name[16];
    snprintf(name, sizeof name, "s%d", number);
    for (int way = 0; way < 3; way++) run(name, way);
  }
  // Those that nobody can read but the kernel: one by one, so that the chains are of both kinds.
  for (int number = 0; number < count; number++) {
    char name[16];
    snprintf(name, sizeof name, "s%d", number);
    chmod(name, 0111);
    printf("closed ");
    for (int way = 0; way < 3; way++) run(name, way);
  }
  return 0;
}
