# needs: git python3
# times
# What package managers and agents keep in the home is written as they do it: locks, temporary files that are renamed, packages that are unpacked.
set -eu
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@example.org GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
home=$(getent passwd "$(id -u)" | cut -d: -f6)
[ -n "$home" ] || home=$HOME
# Each run has packages of its own: what is unpacked stays.
name=run-$$
replaced() { # FILE: written beside and renamed, as caches do
  mkdir -p "$(dirname "$1")"
  echo "$name" >"$1.tmp" && mv "$1.tmp" "$1" && echo again >"$1.tmp" && mv "$1.tmp" "$1" && echo "written $(cat "$1")"
}
echo "cargo"
for directory in index cache src; do mkdir -p "$home/.cargo/registry/$directory/example.org-1"; done
python3 - "$home" <<'END'
import fcntl, os, sys
for name in (".cargo/.package-cache", ".npm/_cacache/x.lock", ".gradle/caches/x.lock", ".m2/repository/x.lock"):
    path = os.path.join(sys.argv[1], name)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
        print(name.split("/")[0], "lock")
    except PermissionError:
        print(name.split("/")[0], "no lock")
END
mkdir -p "make/$name/src" && echo 'fn main() {}' >"make/$name/build.rs" && echo '// x' >"make/$name/src/lib.rs"
tar -C make -czf "$home/.cargo/registry/cache/example.org-1/$name.crate" "$name"
tar -C "$home/.cargo/registry/src/example.org-1" -xzf "$home/.cargo/registry/cache/example.org-1/$name.crate"
echo '{"v":1}' >"$home/.cargo/registry/src/example.org-1/$name/.cargo-ok"
(cd "$home/.cargo/registry/src/example.org-1/$name" && find . -type f | sort | tr '\n' ' ' && echo)
replaced "$home/.cargo/registry/index/example.org-1/.cache/$name"
git init -q -b main origin && echo x >origin/x && git -C origin add . && git -C origin commit -q -m first
mkdir -p "$home/.cargo/git/db" && git clone -q --bare "file://$PWD/origin" "$home/.cargo/git/db/$name" && git -C "$home/.cargo/git/db/$name" fetch -q && git -C "$home/.cargo/git/db/$name" gc -q && echo "a repository"
echo "npm"
for part in a b; do replaced "$home/.npm/_cacache/content-v2/sha512/$part/$name"; done
rm -r "$home/.npm/_cacache/content-v2/sha512/b"
replaced "$home/.npm/_logs/$name.log"
mkdir -p "node_modules" "$home/.local/share/pnpm/store/v10/files" && echo m >"$home/.local/share/pnpm/store/v10/files/$name" && ln "$home/.local/share/pnpm/store/v10/files/$name" node_modules/m && cat node_modules/m
echo "pip and uv"
replaced "$home/.cache/pip/http-v2/a/b/$name"
mkdir -p "$home/.cache/uv/.tmp-$name/package" "$home/.cache/uv/archive-v0" && : >"$home/.cache/uv/.tmp-$name/package/__init__.py" && mv "$home/.cache/uv/.tmp-$name" "$home/.cache/uv/archive-v0/$name" && echo "an archive"
python3 -m venv --without-pip venv && cp -r "$home/.cache/uv/archive-v0/$name/package" venv/lib/python3*/site-packages/ && venv/bin/python -c 'import package; print(package.__name__)'
rm -r venv
echo "go"
replaced "$home/go/pkg/mod/cache/download/example.org/$name/@v/v1.zip"
mkdir -p "$home/go/pkg/mod/example.org/$name@v1" && (umask 0222 && echo 'package x' >"$home/go/pkg/mod/example.org/$name@v1/x.go") && chmod 0555 "$home/go/pkg/mod/example.org/$name@v1" && chmod 0755 "$home/go/pkg/mod/example.org/$name@v1" && stat -c %A "$home/go/pkg/mod/example.org/$name@v1/x.go"
replaced "$home/.cache/go-build/ab/$name-d"
echo "java and C"
replaced "$home/.gradle/caches/modules-2/$name"
replaced "$home/.m2/repository/org/example/$name/1/x.jar"
replaced "$home/.ccache/0/$name"
echo "agents"
replaced "$home/.claude/projects/x/$name.jsonl"
replaced "$home/.claude/todos/$name.json"
mkdir "$home/.claude.json.lock" && replaced "$home/.claude.json" && rmdir "$home/.claude.json.lock"
replaced "$home/.codex/sessions/2025/$name.jsonl"
replaced "$home/.gemini/tmp/x/$name.json"
rm -rf make origin
find . -exec touch -d '2024-01-02 03:04:05' {} +
