/// What `agentsh wrap` was asked for.
struct WrapOptions: Equatable {
  var server: ArgumentBytes?
  var policy: String?
  var cwd: ArgumentBytes?
  var env: [ArgumentBytes] = []
  var timeout: TimeSpan?
  var name: String?
  var network: NetworkChoice?
  var standalone = false
  var policyFile: ArgumentBytes?
  var summaryJSON: ArgumentBytes?
  var keepFd: [Int32] = []
  var quiet = false

  init() {}

  /// Reads a command line that holds nothing but `wrap` and well-formed options of it; nil for any other, which is the parser's.
  ///
  /// The parser takes about three milliseconds of each start, mostly to find conformances at run time: a third of what wrap may add to a
  /// command. A test keeps the two from ever disagreeing.
  init?(plain arguments: [String]) {
    guard arguments.first == "wrap" else { return nil }
    var rest = arguments.dropFirst()
    var seen: Set<String> = []
    while let argument = rest.popFirst() {
      if argument == "--standalone" || argument == "--quiet" || argument == "-q" {
        if argument == "--standalone" { standalone = true } else { quiet = true }
        continue
      }
      let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let first = parts.first else { return nil }
      let name = String(first)
      let value: String
      if parts.count == 2 {
        value = String(parts[1])
      } else {
        guard let next = rest.popFirst(), !next.utf8.starts(with: "-".utf8) else { return nil }
        value = next
      }
      // What is given twice, and what is empty, has its meaning from the parser.
      guard !value.isEmpty, name == "--env" || name == "--keep-fd" || seen.insert(name).inserted, take(name, value) else { return nil }
    }
    guard isConsistent else { return nil }
  }

  private mutating func take(_ name: String, _ value: String) -> Bool {
    switch name {
    case "--server": server = ArgumentBytes(argument: value)
    case "--policy": policy = value
    case "--cwd": cwd = ArgumentBytes(argument: value)
    case "--env": env.append(ArgumentBytes(argument: value))
    case "--timeout":
      guard let time = TimeSpan(argument: value) else { return false }
      timeout = time
    case "--name": self.name = value
    case "--network":
      guard let choice = NetworkChoice(rawValue: value) else { return false }
      network = choice
    case "--policy-file": policyFile = ArgumentBytes(argument: value)
    case "--summary-json": summaryJSON = ArgumentBytes(argument: value)
    case "--keep-fd":
      guard let number = Int32(value) else { return false }
      keepFd.append(number)
    default: return false
    }
    return true
  }

  /// Nothing that the parser would complain about.
  private var isConsistent: Bool {
    !(standalone && server != nil) && !(standalone && policy != nil && policyFile != nil) && keepFd.allSatisfy { $0 > 2 }
      && env.allSatisfy { CommandEnvironment.Request($0.bytes) != nil }
  }
}
