import AgentshPolicy
import Testing

private let agentDefault = Result { try shipped("agent-default") }

private func shipped(_ name: String, _ variables: PolicyVariables = home) throws -> BoundPolicy {
  let url = checkout.appendingPathComponent("policies/\(name).yaml")
  let result = Policy.parse(try contents(url), file: url.lastPathComponent)
  guard let policy = result.policy else { throw Unloadable(diagnostics: result.diagnostics) }
  #expect(policy.name == name)
  #expect(policy.notEnforced.isEmpty, "a shipped policy asks for nothing that isn't done")
  return try policy.bound(to: variables)
}

private let outside = PolicyVariables(projectRoot: bytes("/srv/shops/shop"), home: bytes("/home/ann"), user: bytes("ann"))

@Suite struct AgentDefaultTests {
  @Test(arguments: [
    // The work of a coding agent.
    ("read write create delete rename chmod mkdir rmdir link symlink", "/home/ann/shop/src/main.c", true),
    ("read write create", "/home/ann/shop/.git/index.lock", true), ("write rename", "/home/ann/shop/.git/config", true),
    ("mkdir", "/home/ann/shop/.git/hooks", true), ("mkdir rmdir", "/home/ann/shop/.git", true), ("create", "/home/ann/shop/vendor/x/.git", true), ("create write chmod delete", "/home/ann/shop/.git/hooks/pre-commit.sample", true),
    ("delete", "/home/ann/shop/.git/hooks/pre-commit", true), ("create", "/home/ann/shop/vendor/x/.vscode/settings.json", true),
    ("read write create delete mkdir", "/tmp/cc1234.s", true), ("create write delete", "/dev/shm/sem.x", true), ("read write", "/dev/null", true),
    ("read write", "/dev/tty", true), ("read write", "/dev/pts/3", true), ("write", "/proc/12/task/13/comm", true), ("mkdir create write", "/home/ann/.cache/pip/x", true),
    ("mkdir", "/home/ann/.cache", true), ("create write rename", "/home/ann/.cargo/registry/index/x", true), ("create write", "/home/ann/.claude/projects/x.jsonl", true),
    ("mkdir", "/home/ann/.config", true), ("mkdir", "/home/ann/.local", true), ("mkdir", "/home/ann/.local/share", true),
    ("mkdir", "/home/ann/.config/yarn", true), ("mkdir create", "/home/ann/.config/x", false), ("mkdir", "/home/ann/.config/autostart", false), ("rename rmdir chmod symlink", "/home/ann/.config", false),
    ("create write rename delete", "/home/ann/.lesshsQ", true), ("create rename", "/home/ann/.lesshst", true), ("mkdir", "/home/ann/.config/htop", true),
    ("create write", "/home/ann/.config/htop/htoprc", true), ("create", "/home/ann/.lesskey", false), ("create", "/home/ann/.viminfo.tmp", false), ("create", "/home/ann/.parallel/tmp/x", false),
    ("list read", "/usr", true), ("read", "/usr/include/stdio.h", true),
    ("read", "/etc/passwd", true), ("read list", "/proc/1/stat", true), ("list", "/proc", true), ("list", "/home", true), ("read list", "/home/ann/other/x", true),
    // The directory itself: touch, and what unpacks there.
    ("write chmod", "/home/ann/shop", true), ("create rename delete rmdir link symlink chown mknod", "/home/ann/shop", false),
    ("read", "/home/ann/shop/.env.example", true), ("write create rename", "/home/ann/shop/.env.example", true), ("write", "/home/ann/shop/app/.env.sample", true),
    ("read", "/home/ann/.ssh/known_hosts", true), ("read", "/home/ann/.ssh/id_ed25519.pub", true), ("read", "/home/ann/.gitconfig", true), ("read", "/home/ann/.bashrc", true),
    // What rsync, sed -i.bak, perl -pi.orig and vim put beside what they change.
    ("read create write chmod rename delete", "/home/ann/shop/.env.example.VofhVx", true), ("create rename delete", "/home/ann/shop/a/.env.sample.bak", true),
    ("create rename", "/home/ann/shop/.env.example.orig", true), ("create write delete", "/home/ann/shop/.env.example~", true), ("create", "/home/ann/shop/.env.examplz~", true),
    ("create write", "/home/ann/shop/.env.example.swp", true), ("read create", "/home/ann/shop/.env.VofhVx", false), ("read create", "/home/ann/shop/.env.bak", false),
    ("read create", "/home/ann/shop/.env~", false), ("read create", "/home/ann/shop/.env.example.local", false), ("read", "/home/ann/other/.env.example.VofhVx", false),
    ("create write chmod rename delete", "/home/ann/shop/.git/hooks/.pre-commit.sample.4fMEBj", true), ("rename", "/home/ann/shop/.git/hooks/pre-commit.sample", true),
    ("create rename", "/home/ann/shop/.git/hooks/.pre-commit.4fMEBj", false), ("symlink link", "/home/ann/shop/.git/hooks/pre-commit.sample", false),
    // Credentials.
    ("read write create delete rename link", "/home/ann/shop/.env", false), ("read write", "/home/ann/shop/app/.env.local", false), ("read", "/tmp/.env", false),
    ("read write create", "/home/ann/.ssh/id_ed25519", false), ("write create", "/home/ann/.ssh/authorized_keys", false), ("write", "/home/ann/.ssh/config", false),
    ("read", "/home/ann/.aws/credentials", false), ("read", "/home/ann/.config/gcloud/x.db", false), ("read", "/home/ann/.netrc", false), ("read", "/home/ann/.git-credentials", false),
    ("write", "/home/ann/.nvm/nvm.sh", false), ("create", "/home/ann/.local/share/pnpm/git", false), ("create", "/home/ann/.local/share/pnpm/store/v3/x", true),
    ("mkdir", "/home/ann/.local/share/pnpm", true), ("create", "/home/ann/go/bin/ls", false), ("create", "/home/ann/go/pkg/mod/x", true), ("create", "/home/ann/.cargo/registry/cache/x", true),
    ("write", "/home/ann/.local/lib/python3.11/site-packages/x.pth", false), ("write", "/home/ann/.local/lib/python3.11/site-packages/x.py", false),
    ("write", "/home/ann/shop/.vscode/mcp.json", false), ("read", "/home/ann/.Xauthority", false), ("read", "/home/ann/.bash_history", false),
    ("rename", "/home/ann/.ssh", false), ("read", "/home/ann/.docker/config.json", false), ("read", "/etc/shadow", false), ("read", "/proc/77/mem", false), ("read", "/proc/77/environ", true), ("write", "/home/ann/p/.git/commondir", false),
    ("read write", "/proc/77/mem", false), ("read", "/dev/sda1", false), ("read", "/dev/mem", false),
    // What runs later.
    ("write create rename delete", "/home/ann/.bashrc", false), ("write", "/home/ann/.profile", false), ("create", "/home/ann/.config/fish/config.fish", false),
    ("create", "/home/ann/.config/autostart/x.desktop", false), ("create", "/home/ann/.config/systemd/user/x.service", false), ("create", "/home/ann/.local/bin/ls", false),
    ("create write rename link", "/home/ann/shop/.git/hooks/pre-commit", false), ("create", "/home/ann/shop/.git/modules/a/hooks/post-checkout", false),
    ("create write rename symlink link", "/home/ann/shop/.git", false), ("create", "/tmp/bare.git/hooks/update", false), ("rename", "/home/ann/shop/.git/hooks/pre-commit", false), ("write create", "/home/ann/shop/.vscode/settings.json", false),
    ("create", "/home/ann/shop/.vscode/tasks.json", false), ("write", "/home/ann/shop/.idea/workspace.xml", false), ("write", "/home/ann/.gitconfig", false),
    ("write create", "/home/ann/.claude/settings.json", false), ("delete write", "/home/ann/.local/state/agentsh/sessions/x.jsonl", false),
    ("write create rename symlink", "/home/ann/shop/sub/.vscode/tasks.json", false), ("create", "/home/ann/shop/sub/.vscode/settings.json", true), ("create rename", "/home/ann/shop/sub/.idea/w.xml", false),
    ("delete rmdir", "/home/ann/shop/sub/.idea/w.xml", true), ("create write", "/home/ann/shop/.claude/settings.json", false), ("create write rename link", "/home/ann/shop/sub/.claude/settings.local.json", false),
    ("create", "/home/ann/shop/.claude/commands/x.md", true), ("create write", "/home/ann/shop/.mcp.json", false), ("write", "/home/ann/shop/a/.mcp.json", false), ("create", "/home/ann/shop/.cursor/mcp.json", false),
    ("create", "/home/ann/shop/.gemini/settings.json", false), ("create write", "/home/ann/shop/.codex/config.toml", false), ("create write", "/home/ann/shop/.envrc", true),
    ("create write rename", "/home/ann/shop/node_modules/x/.idea/w.xml", true), ("create", "/home/ann/shop/node_modules/x/.mcp.json", true), ("create", "/home/ann/.cargo/registry/src/x/.vscode/tasks.json", true),
    ("create", "/tmp/clone/.vscode/tasks.json", true), ("create", "/tmp/.vscode/tasks.json", true),
    ("create", "/home/bob/node_modules/x/.idea/y", false), ("create", "/usr/lib/node_modules/x/.idea/y", false), ("create", "/home/ann/.cache/pre-commit/x/.idea/y", false),
    ("create", "/home/ann/.claude/settings.json", false), ("create", "/home/ann/shop/vendor/x/.vscode/launch.json", true), ("create write", "/home/ann/shop/.claude/agents/a.md", true),
    // The system and other people.
    ("write create delete", "/etc/hosts", false), ("create", "/usr/local/bin/x", false), ("write", "/usr/lib/x.so", false), ("write", "/proc/sys/kernel/core_pattern", false),
    ("write", "/sys/x", false), ("read list write", "/home/bob/x", false), ("list", "/home/bob", false), ("read list", "/root/.bashrc", false), ("create", "/home/ann/x", false),
    ("create", "/var/lib/x", false), ("create", "/opt/x", false), ("read", "/home/bob/shop/main.c", false),
  ])
  func files(_ operations: String, _ path: String, _ expected: Bool) throws {
    let bound = try agentDefault.get()
    for word in operations.split(separator: " ") {
      let operation = try #require(FileOperation(rawValue: String(word)))
      let verdict = bound.file(operation, bytes(path))
      #expect(verdict.isPermitted == expected, "\(operation) \(path): \(verdict.rule)")
      if !expected { #expect(verdict.message?.isEmpty == false, "\(verdict.rule) tells the agent nothing") }
    }
  }

  /// In every directory of the project, for packages of others excepted.
  @Test(arguments: [
    ".opencode/plugin/x.js", ".opencode/plugins/x.ts", ".opencode/tool/x.ts", ".opencode/package.json", ".opencode/opencode.json", "opencode.json", "opencode.jsonc", ".crush.json", "crush.json", ".kiro/settings/mcp.json", ".kiro/hooks/x.kiro.hook", ".kiro/agents/x.json",
    ".roo/mcp.json", ".kilocode/mcp.json", ".amazonq/mcp.json", ".amazonq/cli-agents/x.json", ".gemini/settings.json", ".gemini/extensions/x/gemini-extension.json", ".gemini/hooks/x.sh", ".cursor/mcp.json", ".cursor/hooks.json", ".cursor/environment.json", ".cursor/worktrees.json",
    ".cursor/hooks/x.sh", ".claude/settings.json", ".claude/settings.local.json", ".claude/hooks/x.sh", ".mcp.json", ".windsurf/hooks.json", ".windsurf/mcp_config.json", ".continue/mcpServers/x.yaml", ".continue/config.yaml", ".codex/config.toml", ".codex/hooks.json", ".codex/rules/x.rules",
    ".qwen/settings.json", ".trae/mcp.json", ".zed/tasks.json", ".junie/mcp/mcp.json", ".aider.conf.yml", ".factory/mcp.json", ".amp/settings.json", ".amp/plugins/x.ts", ".pi/extensions/x.ts", ".github/hooks/x.json", ".helix/languages.toml", ".theia/tasks.json", ".exrc", ".nvim.lua", ".vscode/tasks.json",
  ])
  func whatStartsSomethingWhenItIsReadIsNotPlanted(_ name: String) throws {
    let bound = try agentDefault.get()
    for operation in [FileOperation.create, .write, .rename, .link, .symlink] {
      for directory in ["/home/ann/shop", "/home/ann/shop/sub/deep"] {
        let verdict = bound.file(operation, bytes("\(directory)/\(name)"))
        #expect(!verdict.isPermitted && verdict.message?.contains("let the user make it") == true, "\(operation) \(directory)/\(name): \(verdict.rule)")
      }
      for directory in ["/home/ann/shop/node_modules/x", "/home/ann/shop/a/vendor/x", "/tmp/clone"] {
        #expect(bound.file(operation, bytes("\(directory)/\(name)")).isPermitted, "\(operation) \(directory)/\(name)")
      }
    }
    #expect(bound.file(.delete, bytes("/home/ann/shop/sub/\(name)")).isPermitted)
    let inTmp = try shipped("agent-default", PolicyVariables(projectRoot: bytes("/tmp/shop"), home: bytes("/home/ann"), user: bytes("ann")))
    #expect(!inTmp.file(.create, bytes("/tmp/shop/\(name)")).isPermitted)
  }

  /// They start nothing by themselves; the documentation says so.
  @Test(arguments: [
    "CLAUDE.md", "AGENTS.md", ".claude/commands/x.md", ".claude/skills/x/SKILL.md", ".opencode/agent/x.md", ".cursor/rules/x.mdc", ".github/workflows/x.yml", ".husky/pre-commit", "lefthook.yml", ".pre-commit-config.yaml", "package.json", ".envrc", ".aider.chat.history.md",
  ])
  func theProjectsOwnFilesAreWorkedOn(_ name: String) throws {
    for operation in [FileOperation.create, .write, .rename, .delete] { #expect(try agentDefault.get().file(operation, bytes("/home/ann/shop/\(name)")).isPermitted, "\(operation) \(name)") }
  }

  @Test func devicesAreThoseThatProgramsNeed() throws {
    let bound = try agentDefault.get()
    for name in ["video0", "snd/pcmC0D0c", "hidraw0", "fb0", "ttyS0", "ttyUSB0", "tty1", "vcs1", "input/event0", "bus/usb/001/002", "kvm", "dri/card0", "dri/renderD128", "kfd", "nvidia0", "sr0", "x"] {
      for operation in [FileOperation.read, .open, .write, .create, .chmod] {
        let verdict = bound.file(operation, bytes("/dev/\(name)"))
        #expect(!verdict.isPermitted && verdict.message?.isEmpty == false, "\(operation) \(name): \(verdict.rule)")
      }
    }
    for name in ["null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts/7", "shm/sem.x"] {
      for operation in [FileOperation.read, .write] { #expect(bound.file(operation, bytes("/dev/\(name)")).isPermitted, "\(operation) \(name)") }
    }
    #expect(bound.file(.list, bytes("/dev")).isPermitted && bound.file(.list, bytes("/dev/shm")).isPermitted && bound.file(.read, bytes("/dev/mqueue/x")).isPermitted)
    #expect(!(try shipped("agent-default", PolicyVariables(projectRoot: bytes("/"), home: bytes("/home/ann"), user: bytes("ann")))).file(.read, bytes("/dev/video0")).isPermitted)
  }

  private static let changes = "create write mkdir rename delete symlink link chmod"

  /// What the user's own shells, tools and agents run or believe, wherever the session was started.
  @Test(arguments: [
    // Toolchains, shims and programs.
    ".nvm/versions/node/v22.1.0/bin/node", ".nvm/versions/node/v22.1.0/lib/node_modules/npm/index.js", ".nvm/nvm.sh", ".nvm/alias/default",
    ".rustup/toolchains/stable/lib/librustc_driver.so", ".rustup/toolchains/stable/bin/cargo", ".rustup/settings.toml",
    ".local/share/claude/versions/2.0.1", ".local/share/mise/shims/node", ".local/share/fnm/node-versions/x/installation/bin/node", ".local/share/pyenv/shims/python",
    ".local/share/uv/python/cpython-3.12/bin/python3", ".local/share/uv/tools/ruff/bin/ruff", ".local/share/coursier/bin/scala", ".local/share/JetBrains/Toolbox/scripts/idea",
    ".local/share/virtualenvs/x/bin/activate", ".local/share/flatpak/exports/bin/org.x", ".local/share/thumbnailers/x.thumbnailer", ".local/state/fnm_multishells/1/bin/node", ".local/state/nix/profiles/profile",
    ".local/lib/python3.11/site-packages/requests/__init__.py", ".local/lib/python3.12/site-packages/six.py", ".local/lib/python3.11/site-packages/x.pth",
    ".gem/ruby/3.1.0/bin/rake", ".gem/ruby/3.1.0/gems/x/lib/x.rb", ".bun/install/global/node_modules/x/index.js", ".config/yarn/global/node_modules/.bin/x", ".yarn/bin/yarn",
    ".npm/_npx/ab12/node_modules/.bin/x", ".cache/pnpm/dlx/x/node_modules/x", ".cache/uv/environments-v2/x/bin/python", ".cache/node/corepack/v1/pnpm/9.0.0/bin/pnpm.cjs", ".cache/pypoetry/virtualenvs/x/bin/python",
    ".cache/coursier/jvm/x/bin/java", ".cache/bazelisk/downloads/x/bin/bazel", ".cache/ms-playwright/chromium-1100/chrome-linux/chrome",
    ".gradle/wrapper/dists/gradle-8.5-bin/ab/gradle-8.5/bin/gradle", ".gradle/jdks/x/bin/java", ".m2/wrapper/dists/x/bin/mvn", "go/bin/gopls", "go/pkg/mod/golang.org/toolchain@v0.0.1-go1.22.0.linux-amd64/bin/go",
    "go/pkg/mod/cache/download/golang.org/toolchain/@v/v0.0.1-go1.22.0.linux-amd64.zip",
    // What shells source, and settings that name programs.
    ".local/share/zinit/zinit.git/zinit.zsh", ".cache/gitstatus/gitstatusd-linux-x86_64", ".cache/oh-my-zsh/completions/_x", ".cache/zcompdump-host", ".cache/p10k-dump-ann.zsh", ".cache/starship/init.zsh", ".cache/wal/colors.sh",
    ".cache/nvim/luac/x.luac", ".cache/pre-commit/x/hook", ".ccache/ccache.conf", ".cache/ccache/ccache.conf", ".m2/extensions.xml", ".m2/toolchains.xml", ".m2/settings.xml", ".bundle/plugin/index", ".bundle/config",
    ".gradle/init.d/x.gradle", ".gradle/gradle.properties", ".cargo/config.toml", ".config/go/env", ".config/matplotlib/matplotlibrc", ".nuget/NuGet/NuGet.Config", ".cache/sessions/xfce4-session-x", ".cache/gstreamer-1.0/registry.x86_64.bin",
    // Agents.
    ".claude/settings.json", ".claude/local/claude", ".claude/commands/x.md", ".claude/skills/x/run.sh", ".claude/agents/x.md", ".claude/CLAUDE.md", ".claude/plugins/x", ".config/claude/settings.json",
    ".codex/config.toml", ".codex/AGENTS.md", ".codex/rules/default.rules", ".codex/packages/x", ".gemini/settings.json", ".gemini/extensions/x/gemini-extension.json", ".gemini/trustedFolders.json", ".gemini/GEMINI.md",
    ".cache/opencode/node_modules/x/index.js", ".cache/opencode/models.json", ".local/share/cursor-agent/versions/x/cursor-agent",
    // Caches that are code.
    ".cache/parso/1-abc/x.pkl", ".cache/jedi/x.pkl", ".cache/black/24.1.0/cache.x.pickle", ".cache/pylint/x_1.stats", ".cache/torch/hub/x_main/hubconf.py", ".cache/torch_extensions/py312_cu121/x/x.so", ".cache/huggingface/modules/transformers_modules/x.py",
    ".cache/prisma/master/x/debian/schema-engine", ".cache/dotslash/x/tool", ".cache/pex/venvs/x/bin/python", ".cache/xonsh/x.xsh.cpython-312", ".cache/thefuck.db", ".cache/electron/ab/electron-v30.zip", ".cache/wasmtime/modules/x", ".cache/mesa_shader_cache_db/x",
    ".cache/act/actions-checkout@v4/dist/index.js", ".cache/ms-playwright/mcp-chrome-ab/NativeMessagingHosts/x.json", ".cache/rattler/cache/cached-envs-v0/x/bin/python", ".cache/deno/plug/x.so",
  ])
  func whatRunsOutsideTheSessionStaysAsItIs(_ path: String) throws {
    let started = PolicyVariables(projectRoot: bytes("/home/ann"), home: bytes("/home/ann"), user: bytes("ann"))
    let named = !path.hasPrefix(".config/matplotlib")
    for (bound, closed) in [(try agentDefault.get(), true), (try shipped("agent-default", started), named)] where closed {
      for word in Self.changes.split(separator: " ") {
        let verdict = bound.file(try #require(FileOperation(rawValue: String(word))), bytes("/home/ann/\(path)"))
        #expect(!verdict.isPermitted && verdict.message?.isEmpty == false, "\(word) \(path): \(verdict.rule)")
      }
    }
  }

  /// Who isn't known to be harmless isn't let in.
  @Test(arguments: ["some-tool/x", "some-tool", "x.db", "pypoetry/x", "coursier/bin/x", "parso2/.vscode/x.json"])
  func aCacheThatIsNotNamedStaysAsItIs(_ path: String) throws {
    for operation in [FileOperation.create, .write, .mkdir, .rename, .delete, .symlink] {
      let verdict = try agentDefault.get().file(operation, bytes("/home/ann/.cache/\(path)"))
      #expect(!verdict.isPermitted && verdict.rule == "deny-other-caches" && verdict.message?.contains("XDG_CACHE_HOME") == true, "\(operation) \(path): \(verdict.rule)")
    }
    #expect(try agentDefault.get().file(.read, bytes("/home/ann/.cache/\(path)")).isPermitted)
  }

  /// What builds and agents can't do without.
  @Test(arguments: [
    (changes, ".cache/pip/http-v2/a/b"), (changes, ".cache/pip/wheels/a/x.whl"), (changes, ".cache/uv/archive-v0/x/y.py"), (changes, ".cache/uv/wheels-v5/x"), (changes, ".cache/go-build/ab/abcd-d"), (changes, ".cache/ccache/0/1/xR"),
    (changes, ".cache/pnpm/metadata/x.json"), (changes, ".cache/yarn/v6/x/package.json"), (changes, ".cache/node-gyp/22/include/node.h"), (changes, ".cache/pypoetry/cache/x"), (changes, ".cache/sccache/a/b"), (changes, ".cache/org.swift.swiftpm/manifests/x"),
    (changes, ".cache/huggingface/hub/x"), (changes, ".cache/huggingface/datasets/x"), (changes, ".cache/pipenv/x"), (changes, ".cache/pdm/x"), (changes, ".cache/zig/o/ab/x"), (changes, ".cache/bazel/_bazel_ann/ab/execroot/x"), (changes, ".cache/composer/files/x.zip"), (changes, ".cache/golangci-lint/x"),
    (changes, ".cache/coursier/v1/https/x.jar"), ("mkdir", ".cache/coursier"), ("create delete", ".cache/coursier/.structure.lock"), (changes, ".cache/clang/ModuleCache/x.pcm"), (changes, ".cache/dune/db/x"), (changes, ".cache/fontconfig/x.cache-9"), (changes, ".cache/ms-playwright/.links/ab"), ("mkdir rmdir", ".cache/ms-playwright/__dirlock"),
    (changes, ".cache/claude-cli-nodejs/x.jsonl"), (changes, ".cache/opencode/version"), (changes, ".cache/uv/archive-v0/x/.vscode/settings.json"), ("mkdir", ".cache"),
    (changes, ".cache/starship/session_x.log"), (changes, ".cache/matplotlib/fontlist.json"), (changes, ".cache/deno/npm/x"),
    (changes, ".npm/_cacache/index-v5/ab"), (changes, ".npm/_logs/x.log"), ("create mkdir chmod rmdir", ".npm/_npx/ab12/concurrency.lock"), (changes, ".ccache/0/1/x.o"), (changes, ".pnpm-store/v3/x"), (changes, ".local/share/pnpm/store/v10/files/ab/cd"),
    (changes, ".local/state/pnpm/pnpm-state.json"), (changes, ".yarn/berry/cache/x.zip"), (changes, ".bun/install/cache/x@1/index.js"), ("mkdir", ".config/yarn/global"), ("mkdir", ".config/yarn/link"),
    (changes, ".cargo/registry/index/x/.cache/se/rd/serde"), (changes, ".cargo/registry/cache/x/serde-1.0.0.crate"), ("create mkdir chmod read list", ".cargo/registry/src/x/serde-1.0.0/build.rs"), (changes, ".cargo/.package-cache"), (changes, ".cargo/.global-cache-journal"),
    (changes, ".cargo/git/db/x-ab/objects/ab/cd"), ("create write rename", ".cargo/git/db/x-ab/config"), (changes, ".cargo/git/checkouts/x-ab/12/.git/index.lock"), ("create mkdir chmod symlink", ".cargo/git/checkouts/x-ab/12/src/lib.rs"), ("create write symlink delete", ".cargo/git/checkouts/x-ab/12/_git2_e33d"),
    (changes, "go/pkg/mod/cache/download/x/@v/v1.zip"), (changes, "go/pkg/mod/cache/lock"), (changes, "go/pkg/sumdb/sum.golang.org/latest"), ("create mkdir chmod read list", "go/pkg/mod/github.com/x/y@v1/y.go"), (changes, ".config/go/telemetry/local/x.count"),
    (changes, ".gradle/caches/modules-2/x"), (changes, ".gradle/daemon/8.5/registry.bin"), ("create write", ".gradle/wrapper/dists/gradle-8.5-bin/ab/gradle-8.5-bin.zip.lck"), ("create mkdir chmod", ".gradle/native/x/libnative-platform.so"), ("create write", ".gradle/native/x/libnative-platform.so.lock"),
    (changes, ".m2/repository/junit/junit/4/junit-4.jar"), (changes, ".nuget/packages/x/1.0/x.dll"), (changes, ".bundle/cache/compact_index/x"), (changes, ".local/share/Trash/files/x"), ("create write delete", ".local/share/uv/python/.lock"),
    ("mkdir", ".local/share/uv"), ("mkdir", ".local/share/uv/tools"), ("create write rename", ".local/share/uv/tools/.gitignore"), ("create write rename", ".local/share/uv/tools/.tmpPT8RYr"), ("mkdir", ".config/matplotlib"), ("mkdir", ".m2"), ("mkdir", ".gradle"), ("mkdir", "go"), ("mkdir", ".cargo"), ("mkdir", ".npm"), ("mkdir", ".local/state"),
    (changes, ".claude/projects/-home-ann-shop/x.jsonl"), (changes, ".claude/todos/x.json"), (changes, ".claude/statsig/x"), (changes, ".claude/history.jsonl"), (changes, ".claude/.credentials.json"), (changes, ".claude/debug/x.txt"), (changes, ".claude/plans/x.md"),
    (changes, ".claude/shell-snapshots/snapshot-bash-1-x.sh"), (changes, ".claude.json"), ("create write rename delete mkdir rmdir", ".claude.json.lock"), (changes, ".claude.json.tmp.7.1"), (changes, ".local/state/claude/locks/2.0.1.lock"),
    (changes, ".codex/sessions/2025/01/x.jsonl"), (changes, ".codex/history.jsonl"), (changes, ".codex/auth.json"), (changes, ".codex/log/codex-tui.log"), (changes, ".codex/state_5.sqlite-wal"), (changes, ".gemini/tmp/x/logs.json"), (changes, ".gemini/oauth_creds.json"),
    (changes, ".aider/caches/x"), (changes, ".local/share/opencode/storage/x"), (changes, ".local/state/opencode/x"), ("mkdir", ".claude"), ("mkdir", ".codex"), ("mkdir", ".gemini"),
    ("read list", ".nvm/versions/node/v22.1.0/bin/node"), ("read list", ".rustup/toolchains/stable/lib/x.so"), ("read", ".claude/settings.json"), ("read list", ".local/lib/python3.11/site-packages/x.py"), ("read", ".ccache/ccache.conf"), ("read", ".gradle/gradle.properties"),
  ])
  func buildsAndAgentsKeepWhatIsTheirs(_ operations: String, _ path: String) throws {
    let bound = try agentDefault.get()
    for word in operations.split(separator: " ") {
      let verdict = bound.file(try #require(FileOperation(rawValue: String(word))), bytes("/home/ann/\(path)"))
      #expect(verdict.isPermitted, "\(word) \(path): \(verdict.rule)")
    }
  }

  /// Builds are made of them unlooked at, and the tools write them once.
  @Test(arguments: [
    ".cargo/registry/src/x/serde-1.0.0/build.rs", ".cargo/git/checkouts/x-ab/12/build.rs", "go/pkg/mod/github.com/x/y@v1/y.go", ".gradle/native/x/libnative-platform.so",
  ])
  func whatIsUnpackedIsNotChanged(_ path: String) throws {
    let bound = try agentDefault.get()
    for operation in [FileOperation.write, .rename, .delete, .link, .chown] {
      let verdict = bound.file(operation, bytes("/home/ann/\(path)"))
      #expect(!verdict.isPermitted && verdict.rule == "deny-changing-unpacked", "\(operation) \(path): \(verdict.rule)")
    }
    let parent = path.split(separator: "/").dropLast().joined(separator: "/")
    for directory in [parent, String(path.prefix { $0 != "/" })] {
      #expect(bound.refusalBelow(bytes("/home/ann/\(directory)"), [.read, .write, .create, .rename, .delete]) != nil, "\(directory) is moved away")
    }
  }

  @Test(arguments: [".cargo/git/db/x-ab", "go/pkg/mod/cache/vcs/ab12", ".cache/org.swift.swiftpm/repositories/x-ab", ".cache/uv/git-v0/db/ab"])
  func repositoriesOfToolsGetNoHooks(_ repository: String) throws {
    let bound = try agentDefault.get()
    for operation in [FileOperation.create, .write, .rename, .symlink] {
      #expect(!bound.file(operation, bytes("/home/ann/\(repository)/hooks/reference-transaction")).isPermitted, "\(operation) \(repository)")
    }
    #expect(bound.file(.create, bytes("/home/ann/\(repository)/hooks/pre-commit.sample")).isPermitted)
  }

  @Test(arguments: [
    ".npmrc", ".oci/config", ".pulumi/credentials.json", ".databrickscfg", ".kaggle/kaggle.json", ".huggingface/token", ".cache/huggingface/token", ".snowsql/config", ".mylogin.cnf", ".authinfo", ".authinfo.gpg", ".mbsyncrc",
    ".config/composer/auth.json", ".config/stripe/config.toml", ".local/share/com.vercel.cli/auth.json", ".m2/settings.xml", ".vnc/passwd", ".local/share/kwalletd/kdewallet.kwl", ".local/share/gopass/stores/root/x.gpg",
    ".local/share/pass/x", ".password-store/x.gpg", ".local/share/fish/fish_history", ".config/configstore/firebase-tools.json", ".ansible/cp/ab12", ".claude/ide/1234.lock", ".local/share/uv/credentials/credentials.toml",
    ".vscode-server/.0ab1.token", ".vscode-server-insiders/cli/x/server/.y.token", ".cursor-server/data/x.token", ".vscode/cli/token.json", ".config/code-server/config.yaml", ".emacs.d/server/server", ".config/emacs/server/server", ".config/pypoetry/auth.toml",
    ".terraform.d/credentials.tfrc.json", ".terraform.d/credentials-helper.json", ".config/github-copilot/apps.json", ".config/gh/hosts.yml", ".android/adbkey", ".microsoft/usersecrets/x/secrets.json", ".local/share/atuin/key", ".local/share/atuin/history.db", ".config/solana/id.json",
    ".config/Code/User/History/1a/2b.env", ".config/VSCodium/User/globalStorage/state.vscdb", ".config/Code - Insiders/User/globalStorage/state.vscdb.backup", ".config/Cursor/User/workspaceStorage/x/state.vscdb", ".config/Code/Cookies", ".vscode-server/data/User/History/1a/2b",
    ".local/share/jupyter/runtime/jpserver-1.json", ".config/Slack/Cookies", ".config/Claude/claude_desktop_config.json", ".sentryclirc", ".near-credentials/x.json",
  ])
  func credentialsAreNotRead(_ path: String) throws {
    for operation in [FileOperation.read, .write, .create, .rename, .link] {
      let verdict = try agentDefault.get().file(operation, bytes("/home/ann/\(path)"))
      #expect(!verdict.isPermitted && verdict.message?.isEmpty == false, "\(operation) \(path): \(verdict.rule)")
    }
  }

  @Test func whatSteersWindowsElsewhereIsNotReadEither() throws {
    for path in ["/run/user/1000/containers/auth.json", "/run/user/1000/gdm/Xauthority", "/tmp/gemini/ide/gemini-ide-server-7-4321.json"] {
      #expect(!(try agentDefault.get()).file(.read, bytes(path)).isPermitted, "\(path)")
    }
  }

  /// Their tools stop without them, or fetch from elsewhere; the documentation has them.
  @Test(arguments: [
    ".config/pip/pip.conf", ".pip/pip.conf", ".gradle/gradle.properties", ".nuget/NuGet/NuGet.Config", ".bundle/config", ".yarnrc.yml", ".yarnrc", ".terraformrc", ".config/pypoetry/config.toml", ".android/debug.keystore", ".android/adbkey.pub", ".emacs.d/init.el",
    ".config/Code/User/settings.json", ".vscode-server/bin/x/node",
  ])
  func settingsThatToolsStopWithoutAreRead(_ path: String) throws {
    #expect(try agentDefault.get().file(.read, bytes("/home/ann/\(path)")).isPermitted)
  }

  @Test func aProjectAnywhereIsWorkedIn() throws {
    let bound = try shipped("agent-default", outside)
    #expect(bound.file(.create, bytes("/srv/shops/shop/x")).isPermitted)
    #expect(!bound.file(.create, bytes("/srv/shops/other")).isPermitted)
    #expect(!bound.file(.read, bytes("/srv/shops/shop/.env")).isPermitted)
  }

  @Test func aProjectAmongTemporaryFilesKeepsItsOwnSettingsToo() throws {
    let bound = try shipped("agent-default", PolicyVariables(projectRoot: bytes("/tmp/shop"), home: bytes("/home/ann"), user: bytes("ann")))
    for path in [".vscode/tasks.json", ".idea/x.xml", ".claude/settings.json", ".mcp.json"] {
      #expect(!bound.file(.create, bytes("/tmp/shop/\(path)")).isPermitted, "\(path)")
      #expect(bound.file(.create, bytes("/tmp/shop/clone/\(path)")).isPermitted, "\(path)")
    }
  }

  @Test func aSessionStartedInTheRootOrTheHomeProtectsTheSameThings() throws {
    for root in ["/", "/home/ann"] {
      let bound = try shipped("agent-default", PolicyVariables(projectRoot: bytes(root), home: bytes("/home/ann"), user: bytes("ann")))
      for path in ["/etc/passwd", "/usr/bin/ls", "/home/ann/.bashrc", "/home/ann/.ssh/id_rsa", "/home/ann/.gitconfig"] {
        #expect(!bound.file(.write, bytes(path)).isPermitted, "\(path) from \(root)")
      }
    }
  }

  /// Where git keeps a linked worktree, and a submodule: outside the project.
  @Test func aWorktreeIsWorkedInAndTheRepositoryAroundItKeepsItsSettings() throws {
    let worktree = PolicyVariables(
      projectRoot: bytes("/home/ann/feature"), gitRoot: bytes("/home/ann/feature"), gitDirectory: bytes("/home/ann/main/.git/worktrees/feature"),
      gitCommonDirectory: bytes("/home/ann/main/.git"), home: bytes("/home/ann"), user: bytes("ann"))
    let module = bytes("/home/ann/main/.git/modules/lib")
    let submodule = PolicyVariables(
      projectRoot: bytes("/home/ann/main/lib"), gitRoot: bytes("/home/ann/main/lib"), gitDirectory: module, gitCommonDirectory: module,
      home: bytes("/home/ann"), user: bytes("ann"))
    let work: Set<FileOperation> = [.read, .write, .create, .rename, .delete]
    for (variables, directory, common) in [
      (worktree, "/home/ann/main/.git/worktrees/feature", "/home/ann/main/.git"),
      (submodule, "/home/ann/main/.git/modules/lib", "/home/ann/main/.git/modules/lib"),
    ] {
      let bound = try shipped("agent-default", variables)
      func check(_ operations: Set<FileOperation>, _ paths: [String], _ expected: Bool) {
        for path in paths {
          for operation in operations {
            let verdict = bound.file(operation, bytes(path))
            #expect(verdict.isPermitted == expected, "\(operation) \(path): \(verdict.rule)")
          }
        }
      }
      check(work, ["index", "index.lock", "HEAD", "HEAD.lock", "ORIG_HEAD", "FETCH_HEAD", "COMMIT_EDITMSG", "MERGE_RR.lock", "logs/HEAD", "rebase-merge/done", "refs/bisect/bad", "info/sparse-checkout.lock"].map { "\(directory)/\($0)" }, true)
      check(work, ["objects/ab/tmp_obj_x", "objects/pack/p.pack", "refs/heads/a/b.lock", "logs/refs/heads/a", "packed-refs.new", "shallow.lock", "gc.pid.lock", "lfs/tmp/x"].map { "\(common)/\($0)" }, true)
      check([.mkdir, .rmdir], ["\(directory)/rebase-merge", "\(directory)/logs", "\(common)/objects/ab", "\(common)/refs/heads/a"], true)
      let closed = ["config", "config.lock", "config.worktree", "info/attributes", "commondir", "gitdir", "hooks/pre-commit", "modules/x/hooks/pre-commit", "modules/x/config", "modules/logs/config", "modules/a/refs/config.lock", "modules/objects/commondir", "modules/logs/info/attributes", "modules/logs/hooks/pre-commit", "x"]
      check([.write, .create, .rename, .symlink, .link], closed.flatMap { ["\(directory)/\($0)", "\(common)/\($0)"] }, false)
      check([.read], ["\(common)/config", "\(common)/hooks/pre-commit"], true)
      check([.rename, .symlink, .chown], [directory, common, "\(common)/objects", "\(common)/hooks"], false)
      check([.symlink, .mknod], ["\(directory)/index", "\(common)/objects/ab/x", "\(common)/refs/heads/x"], false)
      check([.write, .create], ["/home/ann/main/src/x", "/home/ann/main/.git/worktrees/other/index", "/home/ann/main/.git/worktrees/other/gitdir", "/home/ann/main/.git/index"], false)
      check([.write, .create, .rename, .symlink], [String(decoding: variables.projectRoot, as: UTF8.self) + "/.git"], false)
    }
    // In a repository of its own all is as ever, and without one the variables match nothing.
    var own = home
    (own.gitDirectory, own.gitCommonDirectory) = (bytes("/home/ann/shop/.git"), bytes("/home/ann/shop/.git"))
    for variables in [own, home] {
      let bound = try shipped("agent-default", variables)
      #expect(bound.file(.write, bytes("/home/ann/shop/.git/config")).isPermitted)
      #expect(bound.file(.create, bytes("/home/ann/shop/.git/worktrees/x/gitdir")).isPermitted)
      #expect(!bound.file(.create, bytes("/home/ann/shop/.git/hooks/pre-commit")).isPermitted)
      #expect(!bound.file(.create, bytes("/home/ann/shop/.git/worktrees/x/modules/y/hooks/post-checkout")).isPermitted)
      #expect(!bound.file(.create, bytes("/home/ann/main/.git/refs/heads/x")).isPermitted)
    }
  }

  @Test(arguments: [
    ("create", "/home/ann/x", "deny-changes-of-the-home"), ("write", "/home/ann/other/x", "deny-changes-of-the-home"), ("chmod", "/home/ann", "deny-changes-of-the-home"),
    ("create", "/home/bob/x", "deny-other-homes"), ("create", "/home/ann/.gitconfig.lock", "deny-tool-settings"), ("create", "/srv/x", "deny-other-changes"),
  ])
  func aRefusalSaysWhoseHomeItIs(_ operation: String, _ path: String, _ rule: String) throws {
    let verdict = try agentDefault.get().file(try #require(FileOperation(rawValue: operation)), bytes(path))
    #expect(!verdict.isPermitted && verdict.rule == rule)
    #expect(verdict.message?.contains("another user") == (rule == "deny-other-homes"))
  }

  @Test(arguments: ["/tmp", "/var/tmp", "/dev/shm", "/home/ann/shop"])
  func aPlaceOfWorkIsNotSentToItself(_ place: String) throws {
    for operation in [FileOperation.delete, .rename, .chown] {
      let verdict = try agentDefault.get().file(operation, bytes(place))
      #expect(!verdict.isPermitted && verdict.message?.contains("itself stays") == true && verdict.message?.contains("outside") == false, "\(operation): \(verdict.message ?? "")")
    }
  }

  @Test func rootItselfIsAUserWithAHome() throws {
    let bound = try shipped("agent-default", PolicyVariables(projectRoot: bytes("/root/shop"), home: bytes("/root"), user: bytes("root")))
    #expect(bound.file(.create, bytes("/root/shop/x")).isPermitted)
    #expect(bound.file(.list, bytes("/root")).isPermitted)
    #expect(!bound.file(.write, bytes("/root/.bashrc")).isPermitted)
    #expect(!bound.file(.read, bytes("/home/ann/x")).isPermitted)
  }

  @Test func directoriesOfTheProjectCanBeMoved() throws {
    let bound = try agentDefault.get()
    let changes: Set<FileOperation> = [.read, .open, .write, .create, .delete, .rename, .mkdir]
    #expect(bound.refusalBelow(bytes("/home/ann/shop/src"), changes) == nil)
    #expect(bound.refusalBelow(bytes("/home/ann/shop/node_modules/.x"), changes) == nil)
    #expect(bound.refusalBelow(bytes("/tmp/build"), changes) == nil)
    for cache in [
      ".cargo/registry/cache/x", ".cargo/registry/index/x", ".cache/uv/archive-v0/x", ".cache/uv/.tmpX", ".cache/pip/http-v2/a", ".cache/yarn/v6/.tmp/x", ".npm/_cacache/tmp/x", ".bun/install/cache/x",
      ".gradle/caches/8.5/x", ".m2/repository/x", ".nuget/packages/x", ".cache/go-build/ab", ".local/share/pnpm/store/v10/x", ".claude/projects/x", ".codex/sessions/x",
    ] {
      #expect(bound.refusalBelow(bytes("/home/ann/\(cache)"), changes) == nil, "\(cache)")
    }
    #expect(bound.refusalBelow(bytes("/home/ann/shop/sub"), changes) == nil)
    // What would become settings, and what they would be lost with.
    for name in [".vscode", "sub/.vscode", "sub/.idea", ".claude", ".cursor", ".gemini"] {
      #expect(bound.refusalBelow(bytes("/home/ann/shop/\(name)"), changes) != nil, "\(name)")
    }
    #expect(bound.refusalBelow(bytes("/home/ann/shop/.git/hooks"), changes) != nil)
    #expect(bound.refusalBelow(bytes("/home/ann/shop/.git"), changes) != nil)
    #expect(bound.refusalBelow(bytes("/home/ann/.ssh"), changes) != nil)
    #expect(bound.refusalBelow(bytes("/home/ann"), changes) != nil)
    #expect(bound.refusalBelow(bytes("/home/ann/.local"), changes) != nil)
  }

  @Test(arguments: [
    ("/usr/bin/git", true), ("/usr/bin/gcc", true), ("/usr/bin/python3.11", true), ("/home/ann/shop/a.out", true), ("/home/ann/shop/service", true), ("/usr/bin/dash", true),
    ("/usr/bin/sudo", false), ("/usr/bin/su", false), ("/usr/bin/systemctl", false), ("/usr/bin/systemd-run", false), ("/usr/bin/crontab", false), ("/usr/bin/at", false),
    ("/usr/sbin/reboot", false), ("/usr/bin/mount", false),
  ])
  func programs(_ path: String, _ expected: Bool) throws {
    let verdict = try agentDefault.get().command(CommandSubject(canonicalPath: bytes(path), depth: 1))
    #expect(verdict.isPermitted == expected)
    if !expected { #expect(verdict.message?.isEmpty == false) }
  }

  @Test(arguments: [
    ("127.0.0.1", 8080, true), ("::1", 5432, true), ("0.0.0.0", 3000, true), ("127.0.0.1", 22, false), ("127.0.0.1", 6010, false), ("127.0.0.1", 9229, false), ("127.0.0.1", 5900, false), ("::1", 5910, false), ("127.0.0.1", 3389, false), ("127.0.0.1", 5005, false), ("127.0.0.1", 5678, false), ("127.0.0.1", 2345, false), ("127.0.0.1", 9230, false), ("127.0.0.1", 5911, true),
    ("169.254.169.254", 80, false), ("10.1.2.3", 443, false),
    ("192.168.1.1", 53, false), ("fd00:ec2::254", 80, false), ("fe80::1", 80, false), ("93.184.216.34", 443, false), ("93.184.216.34", 80, false), ("::ffff:10.0.0.1", 443, false),
  ] as [(String, UInt16, Bool)])
  func addresses(_ address: String, _ port: UInt16, _ expected: Bool) throws {
    let verdict = try agentDefault.get().network(NetworkSubject(operation: .connect, address: IPAddress(address), port: port))
    #expect(verdict.isPermitted == expected)
    if !expected { #expect(verdict.message?.isEmpty == false) }
  }

  @Test(arguments: [
    (UnixAddress.path(bytes("/run/docker.sock")), false), (.path(bytes("/run/podman/podman.sock")), false), (.path(bytes("/run/user/1000/podman/podman.sock")), false),
    (.path(bytes("/run/containerd/containerd.sock")), false), (.path(bytes("/run/user/1000/docker.sock")), false), (.path(bytes("/run/dbus/system_bus_socket")), false), (.path(bytes("/run/user/1000/bus")), false),
    (.abstract(bytes("/tmp/dbus-Xy")), false), (.abstract(bytes("/tmp/.X11-unix/X0")), false), (.path(bytes("/tmp/.X11-unix/X0")), false),
    (.path(bytes("/run/agentsh/control.sock")), false), (.path(bytes("/run/agentsh/sessions/x/notify.sock")), false), (.path(bytes("/tmp/ssh-abc/agent.1")), false),
    (.path(bytes("/tmp/tmux-1000/default")), false), (.path(bytes("/run/systemd/private")), false), (.path(bytes("/home/ann/.gnupg/S.gpg-agent")), false),
    (.path(bytes("/tmp/vscode-ipc-x.sock")), false), (.path(bytes("/home/ann/.cache/git/credential/socket")), false), (.path(bytes("/run/incus/unix.socket")), false),
    (.path(bytes("/home/ann/.ansible/cp/ab12")), false), (.path(bytes("/home/ann/.screen/7.pts-0")), false), (.path(bytes("/run/tmux/1000/default")), false), (.path(bytes("/run/pcscd/pcscd.comm")), false), (.path(bytes("/run/k3s/containerd/containerd.sock")), false),
    (.path(bytes("/tmp/my.sock")), true), (.path(bytes("/home/ann/shop/x.sock")), true), (.abstract(bytes("mine")), true), (.path(bytes("/run/nscd/socket")), true),
    (.path(bytes("/run/postgresql/.s.PGSQL.5432")), true),
    // What runs commands, loads code or opens windows for whoever connects.
    (.path(bytes("/tmp/ann-state/sock")), false), (.path(bytes("/home/ann/.local/state/watchman/ann-state/sock")), false), (.path(bytes("/home/ann/.pm2/rpc.sock")), false), (.path(bytes("/home/ann/.urxvt/urxvtd-host")), false), (.path(bytes("/tmp/kakoune-ann/7")), false),
    (.path(bytes("/tmp/hypr/x/.socket.sock")), false), (.path(bytes("/tmp/podman-run-1000/podman/podman.sock")), false), (.path(bytes("/nix/var/nix/daemon-socket/socket")), false), (.path(bytes("/tmp/.com.google.Chrome.aB3/SingletonSocket")), false),
    (.path(bytes("/tmp/scoped_dirXy/SingletonSocket")), false), (.path(bytes("/home/ann/.cache/keyring-AB12/ssh")), false), (.path(bytes("/home/ann/.cache/libvirt/libvirt-sock")), false), (.path(bytes("/tmp/.vbox-ann-ipc/ipcd")), false), (.path(bytes("/tmp/.ydotool_socket")), false),
    (.path(bytes("/tmp/pulse-PKdhtXMmr18n/native")), false), (.path(bytes("/tmp/tmate-1000/Xy")), false), (.path(bytes("/tmp/screens/S-ann/7.x")), false), (.path(bytes("/tmp/emacs1000/server")), false), (.path(bytes("/home/ann/.emacs.d/server/server")), false),
    (.path(bytes("/tmp/nvim.ann/ab/nvim.7.0")), false), (.path(bytes("/run/user/1000/vscode-ipc-x.sock")), false), (.path(bytes("/home/ann/.config/Code/1.97-main.sock")), false), (.path(bytes("/tmp/i3-ann.ab/ipc-socket.7")), false), (.path(bytes("/tmp/lf.ann.sock")), false),
    (.path(bytes("/tmp/mpvsocket")), false), (.path(bytes("/tmp/OSL_PIPE_1000_SingleOfficeIPC_ab")), false), (.path(bytes("/tmp/dotnet-diagnostic-7-8-socket")), false), (.path(bytes("/tmp/claude-mcp-browser-bridge-ann/7.sock")), false), (.path(bytes("/var/tmp/ssh-x/agent.7")), false),
    // Nobody knows what listens elsewhere.
    (.path(bytes("/home/ann/.some/x.sock")), false), (.path(bytes("/run/tailscale/tailscaled.sock")), false), (.path(bytes("/run/php/php8.3-fpm.sock")), false), (.path(bytes("/run/WSL/8_interop")), false), (.path(bytes("/var/lib/x/x.sock")), false), (.path(bytes("/srv/x.sock")), false),
    // A session's own, and services that build and test suites use.
    (.path(bytes("/tmp/pymp-ab12/listener-x")), true), (.path(bytes("/tmp/tmpab12/s.sock")), true), (.path(bytes("/var/tmp/x.sock")), true), (.path(bytes("/dev/shm/x.sock")), true), (.path(bytes("/tmp/.s.PGSQL.5432")), true), (.path(bytes("/run/mysqld/mysqld.sock")), true),
    (.path(bytes("/run/redis/redis-server.sock")), true), (.path(bytes("/tmp/mongodb-27017.sock")), true), (.path(bytes("/var/lib/sss/pipes/nss")), true), (.path(bytes("/dev/log")), true), (.path(bytes("/tmp/.java_pid7")), true),
  ] as [(UnixAddress, Bool)])
  func sockets(_ address: UnixAddress, _ expected: Bool) throws {
    let verdict = try agentDefault.get().unixSocket(.connect, address)
    #expect(verdict.isPermitted == expected, "\(verdict.rule)")
  }

  @Test func whoListensIsDecidedByWhoMayMakeFiles() throws {
    for path in ["/tmp/.org.chromium.Chromium.x/SingletonSocket", "/tmp/dotnet-diagnostic-7-8-socket", "/home/ann/.cache/bazel/x/server.sock", "/tmp/tmpab12/s.sock"] {
      for operation in [UnixOperation.bind, .listen] { #expect(try agentDefault.get().unixSocket(operation, .path(bytes(path))).isPermitted, "\(operation) \(path)") }
    }
    let refused = try agentDefault.get().unixSocket(.connect, .path(bytes("/opt/x.sock")))
    #expect(refused.rule == "deny-other-sockets" && refused.message?.contains("into the project or into /tmp") == true)
  }

  @Test(arguments: [("/tmp/tmux-1000/default", UnixOperation.bind), ("/tmp/ssh-x/agent.7", .bind), ("/tmp/tmux-1000/default", .connect)])
  func ownHelpersAreToldWhereToBe(_ path: String, _ operation: UnixOperation) throws {
    let verdict = try agentDefault.get().unixSocket(operation, .path(bytes(path)))
    #expect(!verdict.isPermitted)
    #expect(verdict.message?.contains("TMUX_TMPDIR=") == true && verdict.message?.contains("ssh-agent -a") == true)
    #expect(try agentDefault.get().unixSocket(operation, .path(bytes("/home/ann/shop/.run/tmux-1000/default"))).isPermitted)
  }

  @Test func aNameThatIsNotPermittedIsSaidOnce() throws {
    let bound = try agentDefault.get()
    guard case .refused(let verdict) = bound.name(bytes("example.com")) else { throw Unloadable(diagnostics: []) }
    let connecting = bound.network(NetworkSubject(operation: .connect, address: IPAddress("93.184.216.34"), port: 443, hosts: [bytes("example.com")]))
    for verdict in [verdict, connecting] {
      let message = try #require(verdict.message)
      #expect(message.split(separator: "example.com", omittingEmptySubsequences: false).count == 2 && !message.contains("port any"), "\(message)")
    }
  }

  /// What shells and git would only be refused.
  @Test(arguments: [("agent-default", ["HISTFILE": ""]), ("agent-strict", ["GIT_OPTIONAL_LOCKS": "0"]), ("agent-observe", [:])] as [(String, [String: String])])
  func programsAreToldNotToTryWhatIsRefused(_ name: String, _ expected: [String: String]) throws {
    let policy = try #require(Policy.parse(try contents(checkout.appendingPathComponent("policies/\(name).yaml")), file: name).policy)
    #expect(policy.environment.inject == expected)
  }

  @Test func everyReadIsLookedAt() throws { #expect(try agentDefault.get().needs.readOpens == "deny-env-files") }

  @Test func everyRefusalHasANameOfItsOwnAndAMessage() throws {
    for url in policyFiles(in: checkout.appendingPathComponent("policies"), ending: ".yaml") {
      let text = String(decoding: try contents(url), as: UTF8.self)
      #expect(!Policy.parse(bytes(text), file: "x").warnings.contains { $0.message.contains("two rules") })
      for rule in text.split(separator: "- name: ").dropFirst() where rule.contains("decision: deny") && !rule.hasPrefix("deny-git-config") {
        #expect(rule.contains("message:"), "\(rule.prefix(30)) in \(url.lastPathComponent)")
      }
    }
  }

}

@Suite struct AgentStrictTests {
  @Test func nothingIsChangedAndEverythingIsRead() throws {
    let bound = try shipped("agent-strict")
    for operation in FileOperation.allCases {
      for path in ["/home/ann/shop/x", "/tmp/x", "/etc/x", "/home/ann/.env"] {
        #expect(bound.file(operation, bytes(path)).isPermitted == operation.isReading)
      }
    }
    #expect(bound.file(.write, bytes("/dev/null")).isPermitted)
    #expect(bound.file(.write, bytes("/dev/tty")).isPermitted)
    #expect(bound.needs.readOpens == nil, "no read is ever trapped")
  }

  @Test(arguments: [
    ("/usr/bin/dash", [], true), ("/usr/bin/bash", ["-c", "x"], true), ("/usr/bin/cat", ["x"], true), ("/usr/bin/mawk", [], true), ("/usr/bin/[", [], true),
    ("/usr/bin/git", ["status"], true), ("/usr/bin/git", ["--no-pager", "log", "-3"], true), ("/usr/bin/git", ["-C", "/x", "diff"], true),
    ("/usr/bin/git", ["branch", "-a"], true), ("/usr/bin/git", ["branch", "--show-current"], true), ("/usr/bin/git", ["config", "--get", "user.name"], true), ("/usr/bin/git", ["remote", "-v"], true),
    // What these start, and what they write, is decided by itself.
    ("/usr/bin/git", ["-c", "core.pager=sh", "log"], true), ("/usr/bin/git", ["-C", "a b", "log"], true), ("/usr/bin/git", ["-P", "--git-dir=/x/.git", "show", "HEAD"], true),
    ("/usr/bin/git", ["reflog"], true), ("/usr/bin/git", ["reflog", "-5"], true), ("/usr/bin/git", ["reflog", "show", "feature"], true), ("/usr/bin/git", ["reflog", "expire", "--all"], false), ("/usr/bin/git", ["reflog", "delete", "HEAD@{1}"], false),
    ("/usr/bin/git", ["stash", "list"], true), ("/usr/bin/git", ["stash", "show", "-p"], true), ("/usr/bin/git", ["stash"], false), ("/usr/bin/git", ["stash", "pop"], false),
    ("/usr/bin/git", ["config", "user.name"], true), ("/usr/bin/git", ["config", "--global", "user.name"], true), ("/usr/bin/git", ["config", "--get-all", "remote.origin.fetch"], true), ("/usr/bin/git", ["config", "user.name", "x"], false), ("/usr/bin/git", ["config", "--unset", "user.name"], false),
    ("/usr/bin/git", ["branch", "--list"], true), ("/usr/bin/git", ["branch", "--list", "fix/*"], true), ("/usr/bin/git", ["branch", "-r", "--sort=-committerdate"], true), ("/usr/bin/git", ["branch", "--contains", "HEAD"], true), ("/usr/bin/git", ["branch", "-m", "x"], false),
    ("/usr/bin/git", ["tag", "-n3"], true), ("/usr/bin/git", ["tag", "-l", "v1*"], true), ("/usr/bin/git", ["tag", "-a", "v1"], false), ("/usr/bin/git", ["tag", "-d", "v1"], false),
    ("/usr/bin/git", ["remote", "get-url", "origin"], true), ("/usr/bin/git", ["remote", "add", "x", "y"], false), ("/usr/bin/git", [], true), ("/usr/bin/git", ["--version"], true), ("/usr/bin/git", ["checkout", "log"], false),
    ("/usr/bin/man", ["ls"], true), ("/usr/bin/whatis", ["tar"], true), ("/usr/bin/groff", [], true), ("/usr/bin/lsof", ["-p", "1"], true), ("/usr/bin/dpkg", ["-l"], true), ("/usr/bin/dpkg", ["-S", "/usr/bin/ls"], true),
    ("/usr/bin/dpkg", ["-i", "x.deb"], false), ("/usr/bin/dpkg", ["--configure", "-a"], false),
    ("/usr/bin/git", ["commit", "-m", "status"], false), ("/usr/bin/git", ["push"], false), ("/usr/bin/git", ["branch", "-D", "x"], false),
    ("/usr/bin/python3.11", [], false), ("/usr/bin/curl", [], false), ("/home/ann/shop/cat", [], false), ("/usr/bin/rm", [], false), ("/usr/bin/sudo", [], false),
  ] as [(String, [String], Bool)])
  func onlyReadingProgramsRun(_ path: String, _ arguments: [String], _ expected: Bool) throws {
    let verdict = try shipped("agent-strict").command(CommandSubject(canonicalPath: bytes(path), arguments: arguments.map(bytes), depth: 0))
    #expect(verdict.isPermitted == expected, "\(path) \(arguments): \(verdict.rule)")
    if path.hasSuffix("/git"), !expected { #expect(verdict.rule == "deny-changing-git" && verdict.message?.contains("stash list") == true) }
  }

  @Test func nobodyIsReached() throws {
    let bound = try shipped("agent-strict")
    for operation in NetworkOperation.allCases {
      for address in ["127.0.0.1", "93.184.216.34", "::1"] {
        #expect(!bound.network(NetworkSubject(operation: operation, address: IPAddress(address), port: 8080)).isPermitted)
      }
    }
    #expect(!bound.unixSocket(.connect, .path(bytes("/tmp/x"))).isPermitted)
    #expect(!bound.unixSocket(.connect, .path(bytes("/run/agentsh/control.sock"))).isPermitted)
    #expect(!bound.signal(15, .external(sameUser: true)).isPermitted)
    #expect(bound.signal(15, .child).isPermitted)
  }
}

@Suite struct AgentObserveTests {
  @Test func whatHappensOutsideTheSessionIsRefused() throws {
    let bound = try shipped("agent-observe")
    let refused: [UnixAddress] = [
      .path(bytes("/run/docker.sock")), .path(bytes("/run/user/1000/docker.sock")), .path(bytes("/home/ann/.docker/run/docker.sock")),
      .path(bytes("/run/dbus/system_bus_socket")), .path(bytes("/run/user/1000/bus")), .path(bytes("/run/user/1000/systemd/private")), .path(bytes("/tmp/dbus-Xy")),
      .abstract(bytes("/tmp/dbus-Xy")), .path(bytes("/run/agentsh/control.sock")), .path(bytes("/run/agentsh/sessions/x/notify.sock")),
    ]
    for operation in UnixOperation.allCases {
      for address in refused {
        let verdict = bound.unixSocket(operation, address)
        #expect(!verdict.isPermitted && verdict.message != nil, "\(verdict.rule)")
      }
    }
  }

  @Test func everythingElseIsPermittedAndRecorded() throws {
    let bound = try shipped("agent-observe")
    // Looking without opening isn't asked about.
    var verdicts: [Verdict] = []
    for operation in FileOperation.allCases where ![.stat, .readlink, .access].contains(operation) {
      verdicts += ["/", "/x", "/etc/shadow"].map { bound.file(operation, bytes($0)) }
    }
    verdicts.append(bound.command(CommandSubject(canonicalPath: bytes("/usr/bin/sudo"))))
    for operation in NetworkOperation.allCases {
      verdicts.append(bound.network(NetworkSubject(operation: operation, address: IPAddress("10.0.0.1"), port: 80)))
    }
    for operation in UnixOperation.allCases {
      for path in ["/run/postgresql/.s.PGSQL.5432", "/run/systemd/userdb/io.systemd.Multiplexer", "/tmp/ssh-x/agent.1"] {
        verdicts.append(bound.unixSocket(operation, .path(bytes(path))))
      }
      verdicts.append(bound.unixSocket(operation, .abstract(bytes("x/y"))))
    }
    for target in [SignalRelation.self_, .session, .parentOutside, .external(sameUser: false), .system] { verdicts.append(bound.signal(9, target)) }
    for verdict in verdicts { #expect(verdict.isPermitted && verdict.isRecorded) }
    #expect(bound.refusalBelow(bytes("/home"), [.read, .open, .write, .create, .delete, .rename]) == nil)
  }
}
