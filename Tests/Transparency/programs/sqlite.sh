# needs: sqlite3
# varies: *.db *.db-wal *.db-shm
set -eu
sqlite3 a.db 'create table t(id integer primary key, v text); pragma journal_mode' 'pragma user_version=3'
for writer in 1 2 3 4; do
  ( for n in $(seq 15); do sqlite3 -cmd '.timeout 20000' a.db "insert into t(v) values ('$writer-$n')"; done ) &
done
wait
sqlite3 a.db 'select count(*), count(distinct v) from t'
sqlite3 a.db 'pragma journal_mode=wal' >/dev/null
for writer in 1 2 3; do
  ( for n in $(seq 10); do sqlite3 -cmd '.timeout 20000' a.db "begin immediate; insert into t(v) values ('w$writer-$n'); commit"; done ) &
  ( for n in $(seq 5); do sqlite3 -cmd '.timeout 20000' a.db 'select count(*) >= 60 from t' | grep -vx 1 || true; done ) &
done
wait
sqlite3 a.db 'select count(*) from t; pragma integrity_check; pragma wal_checkpoint(truncate)'
sqlite3 a.db '.backup b.db' && sqlite3 b.db 'select count(*) from t' && sqlite3 a.db 'vacuum into "c.db"' && sqlite3 a.db .dump | sqlite3 d.db
sqlite3 d.db "attach 'b.db' as b; select count(*) from t join b.t using (id)"
printf '1,a\n2,b\n' >in.csv && sqlite3 a.db '.mode csv' '.import in.csv imported' '.headers on' 'select * from imported' 'begin; delete from t; rollback; select count(*) > 0 from t'
sqlite3 'file:a.db?mode=ro' 'insert into t(v) values (1)' 2>&1 || echo "status $?"
chmod 444 d.db && sqlite3 d.db 'insert into t(v) values (1)' 2>&1 || echo "status $?"
