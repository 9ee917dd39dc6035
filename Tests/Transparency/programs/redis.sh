# needs: redis-cli=redis-tools redis-check-rdb=redis-tools
# varies: *.rdb *.aof *.log data/*
# absent: data/temp-*
set -eu
# The server is the same program as redis-check-rdb, by another name; the package of that name would start one.
mkdir data && ln -s "$(command -v redis-check-rdb)" redis-server
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./redis-server --port "$port" --bind 127.0.0.1 --unixsocket "$PWD/redis.sock" --unixsocketperm 700 --dir data --appendonly yes --daemonize yes \
  --pidfile "$PWD/redis.pid" --logfile "$PWD/redis.log" --save 1000 1
trap 'kill "$(cat redis.pid 2>/dev/null)" 2>/dev/null || true' EXIT
cli() { redis-cli -p "$port" "$@"; }
for _ in $(seq 200); do cli ping 2>/dev/null | grep -q PONG && break; sleep 0.02; done
cli set a 1; cli incrby a 41; redis-cli -s redis.sock get a
for n in $(seq 500); do echo "rpush list item-$n"; done | cli >pipe.out && tail -1 pipe.out
cli lrange list 497 -1; cli -n 1 dbsize; cli eval 'return redis.call("get", KEYS[1]) * 2' 1 a
(cli --csv subscribe news >heard & echo $! >subscriber; wait) & until [ "$(cli publish news hello)" = 1 ]; do sleep 0.01; done
until grep -q hello heard; do sleep 0.01; done; kill "$(cat subscriber)"; wait; cat heard
cli bgsave >/dev/null; until cli info persistence | grep -q 'rdb_bgsave_in_progress:0'; do sleep 0.02; done; cli info persistence | grep last_bgsave_status | tr -d '\r'
cli bgrewriteaof >/dev/null; until cli info persistence | grep -q 'aof_rewrite_in_progress:0'; do sleep 0.02; done
redis-benchmark -p "$port" -n 2000 -c 20 -q -t ping,set --csv | cut -d, -f1 | head -3
redis-check-rdb data/dump.rdb | grep -o 'RDB looks OK'
cli shutdown nosave || true
while kill -0 "$(cat redis.pid 2>/dev/null || echo 0)" 2>/dev/null && [ -e redis.pid ]; do sleep 0.02; done
./redis-server --port 0 --unixsocket "$PWD/redis.sock" --dir data --appendonly yes >redis.log & server=$!
until redis-cli -s redis.sock ping 2>/dev/null | grep -q PONG; do sleep 0.02; done
redis-cli -s redis.sock get a; redis-cli -s redis.sock llen list; kill $server; wait $server; echo "ended $?"
rm -f subscriber redis.sock
