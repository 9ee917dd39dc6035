# needs: tar gzip
# times
set -eu
stamp() { find . -exec touch -h -d '2020-01-02 03:04:05.678' {} +; }
mkdir -p tree/sub/deep tree/empty
for n in $(seq 60); do head -c $((n * 997)) /dev/zero | tr '\0' "$((n % 10))" >"tree/file$n"; done
ln tree/file1 tree/hard; ln -s file2 tree/soft; ln -s /nowhere tree/dangling; mkfifo tree/fifo
chmod 4755 tree/file3; chmod 600 tree/file4; chmod 1777 tree/empty; chmod 2755 tree/sub
truncate -s 10M tree/sparse; printf end >>tree/sparse
printf 'x' >"tree/$(printf 'caf\351')"; printf 'y' >"tree/$(printf 'new\nline')"; printf z >'tree/ leading and trailing '
stamp
tar --sort=name --numeric-owner --owner=0 --group=0 -cSf a.tar tree
tar -tvf a.tar | sed 's/ [0-9-]* [0-9:]* / /' | sort | head -40
mkdir out && tar -xpf a.tar -C out && diff -r --no-dereference tree/sub out/tree/sub && du -k out/tree/sparse | cut -f1
tar -czf - tree/sub | tar -tzf -
tar --delete -f a.tar tree/file60 2>/dev/null; echo more >added; touch -d @1 added; tar -rf a.tar --owner=0 --group=0 added; tar -tf a.tar | tail -1
mkdir strip && tar -xf a.tar -C strip --strip-components=1 --exclude="file[2-9]*" --no-same-permissions
tar -xf a.tar -C out --keep-old-files added tree/file1 2>&1 | head -2 || true
tar -df a.tar -C out | head -3 || true
cp -a tree copied && cp -r --sparse=always tree/sparse sparse2 && cp -l tree/file5 linked && cp --preserve=links,mode tree/file1 tree/hard strip/
find . -depth -name 'file[1-4]?' -newermt 2000-01-01 -delete; install -D -m 700 tree/file9 installed/x/file9; mv out/tree moved; rm -rf strip/sub copied/sub
stamp
