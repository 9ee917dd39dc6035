# needs: git rsync vim
# varies: *.git/index
# times
# Files that agent-default permits by their names, changed by tools that write under other names first.
set -eu
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@example.org
export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000' GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
touch . && echo touched
git init -q -b main repository
mkdir -p repository/app
printf 'KEY=1\nOTHER=a\n' | tee repository/.env.example >repository/app/.env.sample
git -C repository add . && git -C repository commit -q -m first
find repository -exec touch -d '2024-01-02 03:04:05' {} +
rsync -a repository/ copy/
find copy -name '*.sample' | sort
cd copy
git status --short
sed -i.bak 's/KEY=1/KEY=2/' .env.example
perl -pi.orig -e 's/KEY=2/KEY=3/' .env.example
perl -pi -e 's/KEY=1/KEY=4/' app/.env.sample
for n in 5 6; do vim -N -u NONE -i NONE -es -c "set backup" -c "%s/KEY=./KEY=$n/" -c wq .env.example </dev/null; done
find . -name '.env*' | sort | while read -r name; do echo "$name: $(head -1 "$name")"; done
find . -name '.env*' -exec touch -d '2024-01-02 03:04:05' {} +
find . -type d -exec touch -d '2024-01-02 03:04:05' {} +
cd .. && touch -d '2024-01-02 03:04:05' .
rm repository/.git/index copy/.git/index
find . -name .git -exec touch -d '2024-01-02 03:04:05' {} +
