import Glibc

/// signal(2) with SIG_IGN.
func ignoreSignal(_ number: Int32) {
  _ = signal(number, SIG_IGN)
}

/// The arguments as the kernel gave them, bytes that need not be UTF-8; the program's own name is left out.
func commandLineArguments() -> [[UInt8]] {
  let count = Int(CommandLine.argc)
  guard count > 1 else { return [] }
  return (1..<count).compactMap { index in
    // SAFETY: argv has `argc` entries, each a C string that lives as long as the process.
    guard let argument = unsafe CommandLine.unsafeArgv[index] else { return nil }
    return unsafe Array(UnsafeBufferPointer(start: argument, count: strlen(argument))).map { UInt8(bitPattern: $0) }
  }
}

/// The working directory, or `/` where it can't be told.
func workingDirectory() -> [UInt8] {
  let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { room, filled in
    // SAFETY: a byte buffer seen as characters of the same size; getcwd(3) ends what it writes with a NUL.
    filled = unsafe room.withMemoryRebound(to: CChar.self) { characters in
      guard let base = characters.baseAddress, let path = unsafe getcwd(base, characters.count) else { return 0 }
      return unsafe strlen(path)
    }
  }
  return bytes.isEmpty ? [UInt8(ascii: "/")] : bytes
}

/// Writes a message for people to stderr.
func say(_ text: String) {
  let bytes = Array(text.utf8)
  // SAFETY: the bytes live for the call and are passed with their length. There is nobody to tell if it fails.
  _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
