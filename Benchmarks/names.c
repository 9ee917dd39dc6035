// What a look-up and a connection by name cost: names NAME PORT. Prints `lookup NS` and `connect NS`, medians.
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { rounds = 501 };

static uint64_t now(void) {
  struct timespec moment;
  clock_gettime(CLOCK_MONOTONIC, &moment);
  return (uint64_t)moment.tv_sec * 1000000000u + (uint64_t)moment.tv_nsec;
}

static int order(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return a < b ? -1 : a > b;
}

int main(int count, char **words) {
  if (count != 3) return 2;
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
  uint64_t times[rounds];
  for (int round = 0; round < rounds; round++) {
    if (found) freeaddrinfo(found);
    uint64_t began = now();
    if (getaddrinfo(words[1], words[2], &hints, &found) != 0) {
      printf("lookup - the name is unknown\n");
      return 1;
    }
    times[round] = now() - began;
  }
  qsort(times, rounds, sizeof *times, order);
  printf("lookup %llu\n", (unsigned long long)times[rounds / 2]);
  for (int round = 0; round < rounds; round++) {
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint64_t began = now();
    if (connect(peer, found->ai_addr, found->ai_addrlen) != 0) {
      printf("connect - nobody there\n");
      return 1;
    }
    times[round] = now() - began;
    // No port is to be waited for later.
    struct linger none = {1, 0};
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(peer);
  }
  qsort(times, rounds, sizeof *times, order);
  printf("connect %llu\n", (unsigned long long)times[rounds / 2]);
  return 0;
}
