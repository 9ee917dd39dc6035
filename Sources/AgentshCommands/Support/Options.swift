internal import ArgumentParser

/// Which server to ask.
struct ServerOptions: ParsableArguments {
  @Option(name: .long, help: ArgumentHelp("Control socket of agentshd; also AGENTSH_SERVER.", valueName: "path"))
  var server: ArgumentBytes?

  func validate() throws {
    if let server, server.bytes.isEmpty { throw ValidationError("--server names no socket") }
  }
}

/// How to print data.
struct OutputOptions: ParsableArguments {
  @Flag(name: .long, help: "Print JSON.")
  var json = false
}

/// A length of time: a number with `ms`, `s`, `m`, `h` or `d`, or several of those, longest first: `1h30m`.
struct TimeSpan: ExpressibleByArgument, Equatable, Sendable {
  let milliseconds: Int

  /// - Throws: what is accepted, for people.
  static func parse(_ argument: String) throws -> TimeSpan {
    guard let time = TimeSpan(argument: argument) else {
      throw ValidationError("a time is whole numbers with ms, s, m, h or d, longest first (90s, 1h30m, 2d), and 366d at most")
    }
    return time
  }

  init?(argument: String) {
    var rest = Array(argument.utf8)[...]
    var total = 0
    var previous = Int.max
    guard !rest.isEmpty else { return nil }
    while !rest.isEmpty {
      let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      rest = rest.dropFirst(digits.count)
      let letters = rest.prefix { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
      rest = rest.dropFirst(letters.count)
      guard let number = Int(String(decoding: digits, as: UTF8.self)), let unit = Self.units[String(decoding: letters, as: UTF8.self)],
        unit < previous
      else { return nil }
      let (span, tooLong) = number.multipliedReportingOverflow(by: unit)
      let (sum, overflow) = total.addingReportingOverflow(span)
      guard !tooLong, !overflow else { return nil }
      total = sum
      previous = unit
    }
    guard total > 0, total <= Self.longest else { return nil }
    milliseconds = total
  }

  private static let longest = 366 * 86_400_000
  private static let units = ["ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
}
