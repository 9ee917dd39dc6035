/// The names of Linux's signals (signal(7); numbers of x86 and arm).
enum SignalNames {
  static let numbers: [String: Int] = [
    "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "IOT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "USR1": 10,
    "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CLD": 17, "CONT": 18, "STOP": 19,
    "TSTP": 20, "TTIN": 21, "TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26, "PROF": 27, "WINCH": 28, "IO": 29,
    "POLL": 29, "PWR": 30, "SYS": 31, "RTMIN": 34, "RTMAX": 64,
  ]

  static let groups: [String: [Int]] = [
    "@fatal": [3, 6, 9, 15], "@job": [18, 19, 20, 21, 22], "@reload": [1, 10, 12], "@ignore": [17, 23, 28],
    "@all": Array(0...64),
  ]

  /// What a rule means by `text`: a name with or without SIG, in any case, a number from 0 to 64, or a group; nil for
  /// anything else.
  static func numbers(of text: String) -> [Int]? {
    if text == "@all" { return Array(0...64) }
    let trimmed = text.filter { $0 != " " }
    if let group = groups[trimmed.lowercased()] { return group }
    let name = trimmed.uppercased()
    if let number = Int(name) { return (0...64).contains(number) ? [number] : nil }
    let short = name.hasPrefix("SIG") ? String(name.dropFirst(3)) : name
    if let number = numbers[short] { return [number] }
    if short.hasPrefix("RTMIN+"), let offset = Int(short.dropFirst(6)), (0...30).contains(offset) { return [34 + offset] }
    if short.hasPrefix("RTMAX-"), let offset = Int(short.dropFirst(6)), (0...30).contains(offset) { return [64 - offset] }
    return nil
  }
}
