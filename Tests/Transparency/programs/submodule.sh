# needs: git
set -eu
export GIT_AUTHOR_DATE="2001-01-01T00:00:00Z" GIT_COMMITTER_DATE="2001-01-01T00:00:00Z" GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=protocol.file.allow GIT_CONFIG_VALUE_0=always
commit() { git -c user.name=a -c user.email=a@example.org commit -q -m "$1"; }
git init -q lib
(cd lib && echo text >target && ln -s target link && git add . && commit lib)
git init -q top
cd top
git submodule --quiet add ../lib sub
commit top
# git tries in its own directory whether there can be symbolic links.
readlink sub/link
git -C sub config core.symlinks || echo "links are links"
git status --short
# Their times are no other run's.
rm .git/index .git/modules/sub/index ../lib/.git/index
