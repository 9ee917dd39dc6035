# needs: find=findutils
set -eu
mkdir -p d/{a,b,c}/{x,y,z}
for n in $(seq 120); do echo "$n" >"d/$(printf '%s\n' a b c | sed -n "$((n % 3 + 1))p")/x/f$n"; done
ln -s ../a d/b/link; ln -s loop d/loop; mkfifo d/pipe; touch "d/with space" "d/$(printf 'new\nline')"; chmod 000 d/c/z
find d -type f | sort | md5sum
find d -type f -print0 | xargs -0 -P 8 -n 3 cat | sort -n | md5sum
find d -name 'f*' | xargs -P 4 -I{} sh -c 'wc -c <{}' | sort -n | uniq -c
find -L d -type f 2>&1 | sort | md5sum; find d -type l -printf '%p %l\n' | sort; find d -empty -type d 2>&1 | sort
find d -type f -size -2c | wc -l; find d -perm -u+x -type d | sort | head -4; find d -newer d/pipe | wc -l >/dev/null
find d -name 'f1?' -exec sed -i 's/^/x/' {} + -exec sh -c 'cat "$@" | sort | md5sum' sh {} + 2>/dev/null || echo "status $?"
seq 3000 | xargs -P 3 -n 100 echo | wc -l; seq 5 | xargs -n 1 sh -c 'exit $(( $0 == 3 ))' || echo "status $?"; seq 2 | xargs -n 1 sh -c 'exit 255' 2>&1 || echo "status $?"
chmod 755 d/c/z; find d -name 'f*' -delete; find d | sort
ls /proc/self/fd | wc -l; find /usr/share/doc -maxdepth 1 | wc -l; grep -rl root /etc/passwd; ls -lR d | grep -c '^-'
split -l 7 -d <(seq 30) part.; paste -s -d, part.0*; comm -12 <(seq 9) <(seq 2 2 9); join <(seq 5) <(seq 3 7); sort -S 1M --parallel=2 -T . -rn <(seq 50000) | head -2
dd if=/dev/zero of=dd bs=1k count=3 conv=notrunc,fsync status=none seek=2; stat -c '%s %b' dd | cut -d' ' -f1; cmp dd /dev/zero 2>&1 | sed 's/ after.*//'; tac part.00 | tail -1; shred -u -n 1 dd; mktemp -u xxxxXXXX | wc -c; truncate -s 5 t; stat -f -c %T . ; df . | wc -l; sync -f t
