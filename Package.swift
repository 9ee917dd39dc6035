// swift-tools-version: 6.2
import Foundation
import PackageDescription

/// For sanitizers (scripts/sanitize): deeper stacks, and programs linked as the sanitizer's runtime needs them. Never in what is installed.
let sanitizing = Context.environment["AGENTSH_SANITIZE"] == "1"
/// For libFuzzer (scripts/fuzz): the program `fuzz` in the place of all tests.
let fuzzing = Context.environment["AGENTSH_FUZZ"] == "1"

/// Every Swift target is built the same way: Swift 6 mode, memory safety spelled out, no warning tolerated.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableExperimentalFeature("Lifetimes"),
] + (sanitizing ? [.define("AGENTSH_SANITIZED")] : [])
let hardenedC: [CSetting] = [
  .define("_GNU_SOURCE"),
  .unsafeFlags(["-Wall", "-Wextra", "-Werror", "-fstack-protector-strong", "-fno-strict-overflow"]),
]
/// What runs before the sanitizer's runtime is there, or between clone and exec, where nothing may be called that isn't known.
let plainC: [CSetting] = hardenedC + (sanitizing ? [.unsafeFlags(["-fno-sanitize=all"]), .define("AGENTSH_SANITIZED")] : [])
/// No lazy binding, no writable relocations, nothing exported, relocations packed (a megabyte less to read at each start); no RUNPATH, by the
/// flags of the Makefile. The linker is LLVM's, which comes with Swift and knows packed relocations.
let hardenedLink: [LinkerSetting] = sanitizing || fuzzing ? [] : [
  .unsafeFlags([
    "-use-ld=lld", "-Xlinker", "-z", "-Xlinker", "now", "-Xlinker", "-z", "-Xlinker", "relro", "-Xlinker", "--no-export-dynamic",
    "-Xlinker", "--exclude-libs", "-Xlinker", "ALL", "-Xlinker", "--gc-sections", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs",
  ])
]

/// RE2 as an archive where the system has one: loading it and libstdc++ takes a millisecond and a half of each start, and there are two in each session.
/// (`-Xlinker -L` of a folder with archives of libstdc++ and libgcc, by the Makefile, does the same for those.)
let regularExpressions: String = {
  let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
  return folders.contains { FileManager.default.fileExists(atPath: "\($0)/libre2.a") } ? ":libre2.a" : "re2"
}()

let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "agentsh",
  products: [
    .executable(name: "agentsh", targets: ["agentsh"]),
    .executable(name: "agentshd", targets: ["agentshd"]),
    .executable(name: "agentsh-supervisor", targets: ["agentsh-supervisor"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
  ],
  targets: [
    // C: kernel interfaces that Swift can't import, what runs between clone and exec, the environment scrub, RE2.
    .target(name: "CAgentshSystem", path: "CModules/CAgentshSystem", cSettings: hardenedC),
    .target(name: "CAgentshLaunch", dependencies: ["CAgentshSystem"], path: "CModules/CAgentshLaunch", cSettings: plainC),
    .target(name: "CAgentshEarly", path: "CModules/CAgentshEarly", cSettings: plainC),
    .target(
      name: "CAgentshRegex", path: "CModules/CAgentshRegex", cxxSettings: [.unsafeFlags(["-std=c++17", "-Wall", "-Wextra", "-Werror"])],
      linkerSettings: [.linkedLibrary(regularExpressions), .linkedLibrary("stdc++")]),
    .systemLibrary(name: "CLibSeccomp", path: "CModules/CLibSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
    .systemLibrary(name: "CLibYAML", path: "CModules/CLibYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(name: "CLibCap", path: "CModules/CLibCap", pkgConfig: "libcap", providers: [.apt(["libcap-dev"])]),

    // Swift: imports go downwards only, in this order (scripts/check-imports keeps it).
    .target(name: "AgentshSystem", dependencies: ["CAgentshSystem", "CAgentshLaunch", "CLibCap", system], swiftSettings: strict),
    .target(name: "AgentshFilter", dependencies: ["AgentshSystem", "CAgentshSystem", "CLibSeccomp"], swiftSettings: strict),
    .target(name: "AgentshText", dependencies: ["CAgentshRegex", "CLibYAML"], swiftSettings: strict),
    .target(name: "AgentshPolicy", dependencies: ["AgentshText"], swiftSettings: strict),
    .target(name: "AgentshResolver", dependencies: ["AgentshPolicy"], swiftSettings: strict),
    .target(name: "AgentshProtocol", dependencies: [], swiftSettings: strict),
    .target(name: "AgentshAudit", dependencies: ["AgentshProtocol", crypto], swiftSettings: strict),
    .target(
      name: "AgentshSupervision",
      dependencies: ["AgentshSystem", "AgentshFilter", "AgentshPolicy", "AgentshResolver", "AgentshProtocol", "AgentshAudit", "CAgentshSystem"],
      swiftSettings: strict),
    .target(
      name: "AgentshServer",
      dependencies: [
        "AgentshSystem", "AgentshFilter", "AgentshText", "AgentshPolicy", "AgentshProtocol", "AgentshAudit", "AgentshSupervision",
        "CAgentshSystem", "CAgentshLaunch", logging, crypto,
      ], swiftSettings: strict),
    .target(
      name: "AgentshCommands",
      dependencies: [
        "AgentshSystem", "AgentshFilter", "AgentshText", "AgentshPolicy", "AgentshProtocol", "AgentshAudit", "AgentshSupervision",
        "CAgentshSystem", "CAgentshLaunch", arguments,
      ], swiftSettings: strict),
    .executableTarget(
      name: "agentsh", dependencies: ["AgentshCommands", "CAgentshEarly"], swiftSettings: strict, linkerSettings: hardenedLink),
    .executableTarget(
      name: "agentshd", dependencies: ["AgentshServer", "CAgentshEarly"], swiftSettings: strict, linkerSettings: hardenedLink),
    .executableTarget(
      name: "agentsh-supervisor", dependencies: ["AgentshSupervision", "CAgentshEarly"], swiftSettings: strict,
      linkerSettings: hardenedLink),

    // What tests need of the kernel that Swift can't import.
    .target(name: "CTestSupport", path: "Tests/CTestSupport", cSettings: hardenedC),
    // What tests of several modules share.
    .target(name: "TestSupport", dependencies: ["CTestSupport"], path: "Tests/TestSupport", swiftSettings: strict),
    .testTarget(name: "AgentshSystemTests", dependencies: ["AgentshSystem", "CAgentshSystem"], swiftSettings: strict),
    .testTarget(name: "AgentshFilterTests", dependencies: ["AgentshFilter", "AgentshSystem", "CAgentshSystem"], swiftSettings: strict),
    .testTarget(name: "AgentshTextTests", dependencies: ["AgentshText"], swiftSettings: strict),
    .testTarget(name: "AgentshPolicyTests", dependencies: ["AgentshPolicy", "TestSupport"], swiftSettings: strict),
    .testTarget(name: "AgentshResolverTests", dependencies: ["AgentshResolver", "AgentshPolicy"], swiftSettings: strict),
    .testTarget(name: "AgentshProtocolTests", dependencies: ["AgentshProtocol", "TestSupport"], swiftSettings: strict),
    .testTarget(name: "AgentshAuditTests", dependencies: ["AgentshAudit", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "AgentshSupervisionTests",
      dependencies: [
        "AgentshSupervision", "AgentshSystem", "AgentshPolicy", "AgentshResolver", "AgentshFilter", "AgentshAudit", "AgentshProtocol", "CTestSupport",
        "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "AgentshServerTests",
      dependencies: ["AgentshServer", "AgentshSystem", "AgentshPolicy", "AgentshProtocol", "AgentshAudit", "CTestSupport"], swiftSettings: strict),
    .testTarget(name: "AgentshCommandsTests", dependencies: ["AgentshCommands", "AgentshSystem"], swiftSettings: strict),
    .testTarget(
      name: "FuzzTests",
      dependencies: [
        "AgentshSystem", "AgentshFilter", "AgentshPolicy", "AgentshResolver", "AgentshProtocol", "AgentshAudit", "AgentshSupervision", "AgentshServer",
        "TestSupport",
      ], exclude: ["Driver"], swiftSettings: strict),
    // The three programs together, on the real kernel, with real users. They are dependencies so that they are built.
    .testTarget(
      name: "IntegrationTests", dependencies: ["AgentshSystem", "AgentshFilter", "CTestSupport", "TestSupport", "agentsh", "agentshd", "agentsh-supervisor"],
      exclude: ["Programs"], swiftSettings: strict),
  ],
  cxxLanguageStandard: .cxx17
)

if fuzzing {
  package.targets.removeAll { $0.type == .test }
  package.targets += [
    .target(name: "CFuzzDriver", path: "Tests/CFuzzDriver", cSettings: hardenedC),
    .executableTarget(
      name: "fuzz",
      dependencies: [
        "CFuzzDriver", "AgentshSystem", "AgentshFilter", "AgentshPolicy", "AgentshResolver", "AgentshProtocol", "AgentshAudit", "AgentshSupervision",
        "AgentshServer",
      ], path: "Tests/FuzzTests", sources: ["Driver", "Targets"], swiftSettings: strict),
  ]
}
