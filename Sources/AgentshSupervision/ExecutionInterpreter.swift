import AgentshSystem
import Glibc
import SystemPackage

/// AT_EXECFD and AT_PHENT of getauxval(3): a descriptor of the file that was executed; how long an ELF program's headers are, which tells the width of words.
private let (descriptorOfProgram, headerSize): (UInt64, UInt64) = (2, 4)
private let wideHeader: UInt64 = 56
/// BINPRM_BUF_SIZE, with the NUL: no name and no argument that `#!` gives is longer.
private let longestWord = ExecutableFormat.bufferSize

extension Worker {
  /// Decides about the interpreter of a script that nobody could read, at the stop where it has been loaded and has not run: what it is and which arguments it
  /// has can't change any more. Answers what speaks against it, in words; throws when it is refused, which is on record then.
  ///
  /// However it came to be there (the script may have been exchanged meanwhile): what runs is decided by what it is, as if it had been executed with these
  /// arguments. So is every file that the arguments show to have come between the script and it.
  func decideInterpreter(_ caller: TrappedCall, _ kind: CallKind, _ process: Int32, of unread: UnreadFile) throws(CallFailure) -> String? {
    // An exec gives the process's number to the thread that made it.
    let call = TrappedCall(id: caller.id, thread: process, number: caller.number, architecture: caller.architecture, arguments: caller.arguments)
    guard let words = interpreterWords(process, unread) else { return Self.otherArguments }
    // What only binfmt_misc gives: the file's contents to whoever is its interpreter there, and nobody has decided about that.
    guard let auxiliary = try? openOwn(procPath(process, "auxv"), flags: O_RDONLY), let vector = try? readAll(auxiliary, limit: 8192) else { return Self.unreadable }
    let facts = Self.auxiliaryFacts(vector)
    guard facts[headerSize] == wideHeader, facts[descriptorOfProgram] == nil else { return Self.otherProgram }
    let program: Located
    do throws(SyscallError) { program = try locate(try openOwn(procPath(process, "exe"), flags: O_PATH)) } catch { return Self.unreadable }
    let arguments = words + [unread.name] + unread.rest
    let names = executableNames(call, at: AT_FDCWD, path: words[0], canonical: program.path)
    var decided = [decide(program.path, names, arguments, unread.depth)]
    decideBetween(call, words, arguments, unread.depth, &decided)
    let image: ExpectedImage
    switch executableFormat(of: program.descriptor) {
    case .elf(let loader)?:
      let loaderFile = try decideBeside(call, program.path, words[0], names, loader, arguments, unread.depth, &decided)
      image = self.image(program, arguments, loader, loaderFile, isKnown: true)
    case .script?, .other?: return Self.otherProgram
    case nil: image = self.image(program, arguments, nil, nil, isKnown: false)
    }
    let chosen = strictest(decided)
    try settle(
      call, kind, .exec, .command(path: chosen.path, arguments: [chosen.path] + chosen.arguments.dropFirst()), chosen.judgement, isAnswered: true)
    return difference(process, image)
  }

  /// What stands before the script's name in the arguments of a new image; nil where these aren't a script's.
  private func interpreterWords(_ process: Int32, _ unread: UnreadFile) -> [[UInt8]]? {
    var end: [UInt8] = [0]
    for argument in [unread.name] + unread.rest { end += argument + [0] }
    let most = 2 * unread.interpreters
    let limit = end.count + most * longestWord
    guard let line = try? openOwn(procPath(process, "cmdline"), flags: O_RDONLY), let found = try? readAll(line, limit: limit + 1), found.count <= limit, found.hasSuffix(end)
    else { return nil }
    let words = found.dropLast(end.count).split(separator: 0, omittingEmptySubsequences: false).map(Array.init)
    return words.count <= most ? words : nil
  }

  /// Decides about the scripts by which a chain came to its last interpreter. Each stands among the words, behind what its own first line names; so do the
  /// arguments that such lines give, and whatever may be either is asked about as a program.
  private func decideBetween(
    _ call: TrappedCall, _ words: [[UInt8]], _ arguments: [[UInt8]], _ depth: Layered<Int?>, _ decided: inout [DecidedProgram]
  ) {
    for index in words.indices.dropFirst() {
      guard !words[index].isEmpty, let file = try? executable(call, at: AT_FDCWD, path: words[index], follows: true) else { continue }
      switch executableFormat(of: file.descriptor) {
      case .script(let interpreter, let argument)?:
        let isBehind = argument == nil ? words[index - 1] == interpreter : index > 1 && words[index - 2] == interpreter && words[index - 1] == argument
        if !isBehind { continue }
      case nil: break
      case .elf?, .other?: continue
      }
      let names = executableNames(call, at: AT_FDCWD, path: words[index], canonical: file.path)
      decided.append(decide(file.path, names, Array(arguments[index...]), depth))
    }
  }

  /// An auxiliary vector as proc_pid_auxv(5) has it: pairs of words of the machine, a type and what it says.
  private static func auxiliaryFacts(_ bytes: [UInt8]) -> [UInt64: UInt64] {
    func word(_ start: Int) -> UInt64 { (0..<8).reduce(0) { $0 | UInt64(bytes[start + $1]) << UInt64(8 * $1) } }
    var facts: [UInt64: UInt64] = [:]
    for start in stride(from: 0, to: bytes.count - 15, by: 16) { facts[word(start)] = word(start + 8) }
    return facts
  }
}
