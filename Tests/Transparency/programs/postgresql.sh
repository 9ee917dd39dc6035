# needs: psql=postgresql-15
# varies: data/* *.log
# absent: data/*
set -eu
for folder in /usr/lib/postgresql/*/bin; do PATH=$folder:$PATH; done
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
initdb -D data -A scram-sha-256 --auth-local=peer --pwfile=<(echo secret) --no-sync -U tester -E UTF8 --no-locale >init.log
options="-p $port -k $PWD -c listen_addresses=127.0.0.1 -c fsync=off -c shared_buffers=16MB -c max_connections=20"
pg_ctl -D data -l server.log -o "$options" -w start | tail -1
trap 'pg_ctl -D data -m immediate stop >/dev/null 2>&1 || true' EXIT
export PGPORT=$port PGDATABASE=postgres PGUSER=$(id -un) PGPASSWORD=secret
local() { psql -h "$PWD" -XAtq "$@"; }
tcp() { PGUSER=tester psql -h 127.0.0.1 -XAtq "$@"; }
[ "$PGUSER" = tester ] || psql -h 127.0.0.1 -U tester -XAtqc "create role \"$PGUSER\" superuser login"
local -c 'create table t(id serial primary key, v text)' -c "insert into t(v) select 'row ' || n from generate_series(1, 2000) n"
tcp -c 'select count(*), max(id) from t'; PGPASSWORD=wrong tcp -c 'select 1' 2>&1 | grep -c 'authentication failed'
for n in 1 2 3 4; do (for m in 1 2 3; do local -c "begin; update t set v = v || '.' where id <= 50; commit"; done) & done; wait
local -c "select v from t where id = 7"; local -c "copy (select * from t order by id limit 3) to stdout"
seq 100 | sed 's/$/,x/' | local -c "create table c(a int, b text)" -c "copy c from stdin csv"; tcp -c "select sum(a) from c" -c "set max_parallel_workers_per_gather=2; set parallel_setup_cost=0; set min_parallel_table_scan_size=0; select count(*) from t a, c b where a.id = b.a"
(local -c 'listen news; select pg_sleep(0.3); select 1' | sed 's/PID.*//') & sleep 0.1; tcp -c "notify news, 'hello'"; wait
local -c "create extension if not exists plpgsql; do \$\$ begin raise notice 'notice'; end \$\$" 2>&1; local -c 'vacuum analyze' -c checkpoint
pg_dump -h "$PWD" -t c --data-only | grep -cP '^\d+\tx$'
local -c "select pg_terminate_backend(pg_backend_pid())" 2>&1 | grep -c terminating
pg_ctl -D data -o "$options" -l server.log -m fast restart | tail -1; local -c 'select count(*) from c'
kill -9 "$(pgrep -P "$(head -1 data/postmaster.pid)" -f walwriter)"; for _ in $(seq 200); do local -c 'select count(*) from t' 2>/dev/null && break; sleep 0.05; done
pg_ctl -D data -m fast stop | tail -1; pg_controldata data | grep 'cluster state'
pg_ctl -D data status || echo "status $?"
