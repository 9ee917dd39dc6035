# needs: git
# varies: *.git/index *.git/worktrees/*/index
# The index holds times and inode numbers.
set -eu
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@example.org
export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000' GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
git config --file config.shared pack.threads 1
git config --file config.shared advice.detachedHead false
git config --file config.shared gc.auto 0
export GIT_CONFIG_GLOBAL=$PWD/config.shared
git init -q -b main repository
cd repository
mkdir -p src docs
for n in $(seq 40); do echo "line $n" >>src/list; echo "int f$n;" >"src/f$n.c"; done
printf '#!/bin/sh\necho tool\n' >tool && chmod +x tool
ln -s src/list link
git add -A
git status --short | head -5
git commit -q -m first
git checkout -q -b topic
sed -i 's/line 7$/line seven/' src/list
git commit -q -am seven
git checkout -q main
sed -i 's/line 30$/line thirty/' src/list
git rm -q src/f40.c
git mv src/f1.c src/one.c
git commit -q -am thirty
git merge -q -m merged topic
git log --oneline --graph --stat
echo '-- a conflict'
git checkout -q -b left main~1 && sed -i 's/^line 1$/left/' src/list && git commit -q -am left
git checkout -q -b right main && sed -i 's/^line 1$/right/' src/list && git commit -q -am right
git merge left || git status --short
git checkout --theirs src/list && git add src/list && git commit -q -m resolved
echo '-- rebase'
git checkout -q topic && echo more >docs/more && git add docs && git commit -q -m more
git rebase -q main
git log --format='%h %s' -5
echo '-- stash'
echo dirty >>src/list
git stash -q && git status --short && git stash pop -q && git diff --stat && git checkout -q .
echo '-- worktree'
git worktree add -q ../tree left
git -C ../tree log --format=%s -1
git worktree list | sed "s,$PWD,HERE,;s,${PWD%/*},UP,"
git worktree remove ../tree
echo '-- clones'
git clone -q . ../hardlinked
git clone -q --no-hardlinks . ../copied
git clone -q --bare "file://$PWD" ../bare.git
git clone -q --depth 2 --branch topic "file://$PWD" ../shallow
git -C ../shallow rev-list --count HEAD
git push -q ../bare.git topic:pushed && git -C ../bare.git branch --list
echo '-- gc'
git tag -a -m tagged v1
git gc -q --prune=now
git count-objects -v | grep -v size
git fsck --full
git archive HEAD | tar -tf - | wc -l
git bisect start HEAD HEAD~3 >/dev/null && git bisect run sh -c 'test ! -e docs/more' | tail -3
git bisect reset 2>/dev/null
git clean -xdfq && git grep -c line | head -3
