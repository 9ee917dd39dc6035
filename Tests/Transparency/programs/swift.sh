# needs: swiftc=swift
# varies: hello
set -eu
export CLANG_MODULE_CACHE_PATH=$PWD/modules
mkdir modules
cat >hello.swift <<'S'
func greeting(_ name: String) -> String { "hello, \(name)" }
print(greeting(CommandLine.arguments.last ?? "nobody"), [3, 1, 2].sorted())
S
swiftc -module-cache-path modules -o hello hello.swift
./hello world
echo 'let x: Int = "text"' >bad.swift; swiftc -typecheck -module-cache-path modules bad.swift 2>&1 | head -1 || true
rm -rf modules
