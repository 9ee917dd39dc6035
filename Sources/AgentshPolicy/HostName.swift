/// Names of hosts as rules compare them: bytes, small ASCII letters, no dot at the end.
public enum HostName {
  /// `WWW.Example.com.` as `www.example.com`: the case of ASCII letters and one dot at the end mean nothing (RFC 4343), every other byte stands for itself.
  public static func folded(_ name: [UInt8]) -> [UInt8] {
    var result = name
    for index in result.indices where result[index] >= 0x41 && result[index] <= 0x5a { result[index] |= 0x20 }
    if result.last == UInt8(ascii: ".") { result.removeLast() }
    return result
  }

  /// Whether a name is `localhost` or below it, which nobody has to be asked for (RFC 6761, 6.3).
  public static func isThisMachine(_ name: [UInt8]) -> Bool { Array(".".utf8 + folded(name)).suffix(10).elementsEqual(".localhost".utf8) }
  public static let thisMachine: [IPAddress] = [.v4(0x7f00_0001), .v6(high: 0, low: 1, scope: 0)]

  /// Whether text can be a name, or a pattern for names: no scheme, no port, no path, no brackets, no empty label.
  public static func isPlausible(_ name: some StringProtocol) -> Bool {
    let bytes = Array(name.utf8)
    return bytes.first != UInt8(ascii: ".") && !bytes.isEmpty && !zip(bytes, bytes.dropFirst()).contains { $0 == UInt8(ascii: ".") && $1 == $0 }
      && !bytes.contains { $0 <= 0x20 || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: ":") }
  }

  /// The ASCII form that a name with other letters has on the wire (RFC 5891, by the algorithm of RFC 3492), for people to copy into a policy.
  ///
  /// Letters are made small and nothing else is prepared, which is why policies take the ASCII form alone: what a name means must not hang on
  /// the tables of a version of Unicode.
  public static func ascii(_ name: String) -> String {
    name.split(separator: ".", omittingEmptySubsequences: false).map { label in
      label.utf8.allSatisfy { $0 < 0x80 } ? String(label) : "xn--" + punycode(label.lowercased().unicodeScalars.map(\.value))
    }.joined(separator: ".")
  }

  /// RFC 3492, section 6.3.
  private static func punycode(_ input: [UInt32]) -> String {
    var output = input.filter { $0 < 0x80 }.compactMap { UInt8(exactly: $0) }
    let basic = output.count
    if basic > 0 { output.append(UInt8(ascii: "-")) }
    var (next, delta, bias, handled) = (0x80 as UInt32, 0, 72, basic)
    while handled < input.count {
      guard let least = input.filter({ $0 >= next }).min() else { break }
      // A label of a policy has at most 4096 bytes, and a scalar 21 bits: nothing here comes near the end of Int.
      delta += Int(least - next) * (handled + 1)
      next = least
      for scalar in input {
        if scalar < next { delta += 1 }
        guard scalar == next else { continue }
        var rest = delta
        var step = 36
        while true {
          let threshold = step <= bias ? 1 : step >= bias + 26 ? 26 : step - bias
          if rest < threshold { break }
          output.append(digit(threshold + (rest - threshold) % (36 - threshold)))
          rest = (rest - threshold) / (36 - threshold)
          step += 36
        }
        output.append(digit(rest))
        bias = adapted(delta, handled + 1, isFirst: handled == basic)
        delta = 0
        handled += 1
      }
      delta += 1
      next += 1
    }
    return String(decoding: output, as: UTF8.self)
  }

  private static func digit(_ value: Int) -> UInt8 { UInt8(truncatingIfNeeded: value < 26 ? value + 0x61 : value - 26 + 0x30) }

  private static func adapted(_ delta: Int, _ points: Int, isFirst: Bool) -> Int {
    var delta = isFirst ? delta / 700 : delta / 2
    delta += delta / points
    var step = 0
    while delta > 455 {
      delta /= 35
      step += 36
    }
    return step + 36 * delta / (delta + 38)
  }
}

/// How far a session reaches at most, whatever the rules say; each reaches less than the next.
public enum NetworkMode: String, Sendable, Hashable, CaseIterable, Comparable {
  /// No sockets of internet families at all: the filter refuses to make one.
  case none
  /// What a rule permits; where no rule matches nothing is, whatever `defaults` says.
  case restricted
  /// The rules, and `defaults` where none matches.
  case full

  private var reach: Int { self == .none ? 0 : self == .restricted ? 1 : 2 }
  public static func < (left: NetworkMode, right: NetworkMode) -> Bool { left.reach < right.reach }
}
