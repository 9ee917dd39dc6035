# Sourced by the scripts that attack a session from inside (Tests/*/run): a scratch directory, as root a server of its own, and sessions.
#
#   start_server                 as root: an agentshd with the policies in $scratch/policies; else nothing
#   as_user UID COMMAND…         without supervision, in $scratch/work-UID
#   wrapped UID POLICY COMMAND…  in a session, there
#   pass NAME…, fail NAME…       count; `conclude` prints the count as the last line
#
# As root sessions run under the server, as any uid; otherwise in embedded mode, as who we are.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
bin=$(cd "${AGENTSH_BIN_DIR:-.build/release}" 2>/dev/null && pwd -P) || { echo "build first: make build"; echo "0 passed, 1 failed"; exit 1; }
# An installed tree is as good: there the programs lie in three directories.
agentsh=$bin/agentsh
agentshd=$bin/agentshd
[ -x "$agentshd" ] || agentshd=$bin/../sbin/agentshd
passed=0
failed=0
server=
umask 022
if [ "$(id -u)" = 0 ]; then base=/var/lib; else base=${TMPDIR:-/tmp}; fi
scratch=$(mktemp -d "$base/agentsh-attacks.XXXXXX")
cleanup() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; fi
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
chmod 755 "$scratch"
mkdir -p "$scratch/run" "$scratch/log" "$scratch/policies" "$scratch/bin"

pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "FAILED: $*"; }
conclude() {
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
  exit
}
build() { # SOURCE NAME FLAGS…
  local source=$1 name=$2
  shift 2
  cc -O2 -std=gnu11 -Wall -Wextra -Werror -o "$scratch/bin/$name" "$source" "$@" || { fail "$source does not compile"; conclude; }
}
work_of() {
  local directory=$scratch/work-$1
  if [ ! -d "$directory" ]; then
    mkdir "$directory"
    if [ "$(id -u)" = 0 ]; then chown "$1:$1" "$directory"; fi
  fi
  echo "$directory"
}

if [ "$(id -u)" = 0 ]; then
  start_server() {
    cat >"$scratch/agentshd.yaml" <<CONFIG
control_socket: $scratch/run/control.sock
runtime_dir: $scratch/run
log_dir: $scratch/log
policy_dir: $scratch/policies
limits: { active_sessions_per_user: 100, sessions_per_user: 100000, active_sessions: 1000 }
assignments:
  - { users: ["*"], default: $1, policies: ["*"] }
on_missing_feature: { landlock: warn }
CONFIG
    "$agentshd" --config "$scratch/agentshd.yaml" 2>"$scratch/server.log" &
    server=$!
    for _ in $(seq 200); do [ -S "$scratch/run/control.sock" ] && break; sleep 0.05; done
    [ -S "$scratch/run/control.sock" ] || { fail "agentshd did not start"; cat "$scratch/server.log"; conclude; }
  }
  as_user() {
    local uid=$1 directory
    directory=$(work_of "$uid")
    shift
    (cd "$directory" && exec setpriv --reuid="$uid" --regid="$uid" --clear-groups --inh-caps=-all env -i PATH=/usr/bin:/bin LC_ALL=C HOME="$directory" "$@")
  }
  session() { # POLICY: what makes a command line one of a session
    wrap=("$agentsh" wrap --server "$scratch/run/control.sock" --quiet --policy "$1" --)
  }
  user=60001
else
  start_server() { :; }
  as_user() {
    local directory
    directory=$(work_of "$1")
    shift
    (cd "$directory" && exec env LC_ALL=C XDG_STATE_HOME="$scratch/state" "$@")
  }
  session() { wrap=("$agentsh" wrap --quiet --standalone --policy-file "$scratch/policies/$1.yaml" --); }
  user=$(id -u)
fi
records() { if [ "$(id -u)" = 0 ]; then echo "$scratch"/log/sessions/*.jsonl; else find "$scratch/state" -name '*.jsonl' 2>/dev/null; fi; }
wrapped() {
  local uid=$1
  session "$2"
  shift 2
  as_user "$uid" timeout "${limit:-60}" "${wrap[@]}" "$@" </dev/null
}
