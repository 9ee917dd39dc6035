// Connects as fast as one process can, as another user, until SIGTERM: 200 connections held, 200 more renewed all the time.
//
//   hostile sessions DIRECTORY UID   at every notify.sock, signal.sock and ptrace.sock below DIRECTORY
//   hostile control SOCKET UID       at this socket
//   hostile own SOCKET UID           at a socket of its own that a child serves: as much work, and nobody's session is meant
//
// Sessions are looked for as root, which a real attacker can't: their directories can't be listed by others. Prints "going" when it begins and how
// many connections it made when it ends.
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { HELD = 200, RENEWED = 200, AT_A_TIME = 20 };

static volatile sig_atomic_t over;
static int held[HELD], renewed[RENEWED], holding;
static long made;

static void end(int signal) {
  (void)signal;
  over = 1;
}

static int attempt(const char *path) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof name.sun_path) return -1;
  strcpy(name.sun_path, path);
  int made_one = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (made_one < 0) return -1;
  if (connect(made_one, (struct sockaddr *)&name, sizeof name)) return close(made_one), -1;
  // Half a message, and silence.
  if (send(made_one, "{", 1, MSG_NOSIGNAL) < 0) { /* closed already: it is meant to be */ }
  made++;
  return made_one;
}

static void assail(const char *path) {
  for (int turn = 0; turn < AT_A_TIME && !over; turn++) {
    int one = attempt(path);
    if (one < 0) return;
    if (holding < HELD) {
      held[holding++] = one;
      continue;
    }
    int *place = &renewed[made % RENEWED];
    if (*place > 0) close(*place);
    *place = one;
  }
}

static void assail_sessions(const char *directory, uid_t uid) {
  static const char *const names[] = {"notify", "signal", "ptrace"};
  DIR *list = opendir(directory);
  if (!list) return;
  char path[4096];
  for (struct dirent *entry; !over && (entry = readdir(list));) {
    if (entry->d_name[0] == '.') continue;
    if (seteuid(uid)) exit(2);
    for (int which = 0; which < 3; which++) {
      snprintf(path, sizeof path, "%s/%s/%s.sock", directory, entry->d_name, names[which]);
      assail(path);
    }
    if (seteuid(0)) exit(2);
  }
  closedir(list);
}

static void serve(const char *path, uid_t uid) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof name.sun_path) exit(2);
  strcpy(name.sun_path, path);
  unlink(path);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&name, sizeof name) || listen(listener, 256) || chmod(path, 0666)) exit(2);
  if (fork()) return;
  // Behind the change of identity, which takes it back.
  if (setresuid(uid, uid, uid) || prctl(PR_SET_PDEATHSIG, SIGKILL)) exit(2);
  for (;;) {
    int one = accept(listener, NULL, NULL);
    if (one < 0) exit(0);
    close(one);
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return fprintf(stderr, "usage: hostile sessions|control|own PLACE UID\n"), 2;
  const char *place = argv[2];
  uid_t uid = (uid_t)atoi(argv[3]);
  struct sigaction action = {.sa_handler = end};
  sigaction(SIGTERM, &action, NULL);
  int sessions = !strcmp(argv[1], "sessions");
  if (!strcmp(argv[1], "own")) serve(place, uid);
  puts("going");
  fflush(stdout);
  if (!sessions && seteuid(uid)) return 2;
  while (!over) {
    if (sessions) {
      assail_sessions(place, uid);
    } else {
      assail(place);
    }
  }
  printf("%ld\n", made);
  return 0;
}
