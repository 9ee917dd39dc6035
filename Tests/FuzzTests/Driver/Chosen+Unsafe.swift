import CFuzzDriver

/// The target that the command line's first word names.
enum Chosen {
  static let target: FuzzTarget? = CommandLine.arguments.dropFirst().first.flatMap { name in FuzzTarget.all.first { $0.name == name } }

  /// Runs it under libFuzzer, which reads the rest of the command line as a C program's arguments. The exit status, unless libFuzzer exits by itself.
  static func run() -> Int32 {
    // SAFETY: the command line's own vector, from its first word on; it is there as long as the process.
    unsafe ash_fuzz(CommandLine.argc - 1, CommandLine.unsafeArgv + 1) { data, count in
      // SAFETY: libFuzzer's own buffer of `count` bytes, which lives until this returns; it is copied.
      let bytes = unsafe [UInt8](UnsafeBufferPointer(start: data, count: count))
      if case .wrong(let what)? = Chosen.target?.check(bytes) { unsafe ash_fuzz_fail(what) }
      return 0
    }
  }
}
