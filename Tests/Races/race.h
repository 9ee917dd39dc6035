// What the racing programs have in common: the names in the directory that is fought over.
//
//   g/…   may be used in every way          b/…   may not be used in any way
//   r/…   may be read and not changed       s…    links between which racers exchange
//
// `race` runs in that directory, in a session or under `control`.
#ifndef RACE_H
#define RACE_H

#include <stddef.h>

// Inherited by race on its standard input, which is a socket with one message that carries them.
enum witness {
  witness_udp_allowed,     // bound to 127.0.0.1
  witness_udp_refused,     // bound to 127.0.0.2, same port
  witness_tcp_allowed,     // listening on 127.0.0.1
  witness_tcp_refused,     // listening on 127.0.0.2, same port
  witness_unix_allowed,    // datagrams, g/socket
  witness_unix_refused,    // datagrams, b/socket
  witness_bystander,       // pidfd of a process that must not be signalled
  witness_status,          // its /proc/PID/status
  witness_count
};

#endif
