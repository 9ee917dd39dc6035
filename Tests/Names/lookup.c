// For a libc that isn't glibc, and one that reads resolv.conf by itself: looks a name up, connects, and says what came of it. Without a port it says
// in which order the name's addresses of both kinds come.
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char **words) {
  if (count == 2) {
    struct addrinfo both = {.ai_socktype = SOCK_STREAM}, *all;
    if (getaddrinfo(words[1], NULL, &both, &all) != 0) return 1;
    for (; all; all = all->ai_next) {
      char number[64];
      if (getnameinfo(all->ai_addr, all->ai_addrlen, number, sizeof number, NULL, 0, NI_NUMERICHOST) == 0) printf("%s\n", number);
    }
    return 0;
  }
  if (count != 3) return 2;
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
  int failure = getaddrinfo(words[1], words[2], &hints, &found);
  if (failure != 0) {
    printf("unknown\n");
    return 1;
  }
  char text[64];
  inet_ntop(AF_INET, &((struct sockaddr_in *)found->ai_addr)->sin_addr, text, sizeof text);
  int peer = socket(found->ai_family, found->ai_socktype, 0);
  int connected = connect(peer, found->ai_addr, found->ai_addrlen);
  printf("%s %s\n", text, connected == 0 ? "connected" : strerror(errno));
  return connected != 0;
}
