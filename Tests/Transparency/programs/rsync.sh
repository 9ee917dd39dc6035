# needs: rsync
# times
set -eu
mkdir -p from/a/b from/c
for n in $(seq 50); do seq "$n" 200 >"from/a/f$n"; done
ln from/a/f1 from/c/hard; ln -s ../a/f2 from/c/soft; chmod 640 from/a/f3; chmod 711 from/c; mkfifo from/c/fifo
find from -exec touch -h -d @1500000000 {} +
rsync -aH from/ to/
rsync -aHi --delete from/ to/
echo changed >from/a/f5; rm from/a/f6; mv from/a/f7 from/a/g7; touch -d @1600000000 from/a/f5 from/a from/c
rsync -aHiv --delete --delete-after from/ to/ | sed '/^sent\|^total/d'
rsync -a --backup --backup-dir=../old --suffix=.bak from/ to/
rsync -ac --link-dest=../to from/ snapshot/ && stat -c %h snapshot/a/f9
rsync -a --inplace --no-whole-file --block-size=700 --stats from/a/f1 to/a/f1 | grep -E 'files transferred'
rsync -a --exclude='f1*' --filter='- *9' --max-size=600 from/a/ filtered/ && ls filtered | wc -l
rsync -az --partial --temp-dir=. --numeric-ids --chmod=D755,F600 from/c/ modes/
rsync -a missing/ nowhere/ 2>/dev/null || echo "status $?"
find . -exec touch -h -d @1500000000 {} +
