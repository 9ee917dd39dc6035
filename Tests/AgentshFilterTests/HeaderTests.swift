import AgentshFilter
import FoundationEssentials
import Testing

/// The table against what the kernel's own headers say (linux-libc-dev), and for calls that are newer than those against the kernel's tables
/// (arch/x86/entry/syscalls/syscall_64.tbl and scripts/syscall.tbl), written down here with the release that has them first.
@Suite struct HeaderTests {
  private static let newer: [(number: UInt32, name: String, release: String)] = [
    (451, "cachestat", "6.5"), (452, "fchmodat2", "6.6"), (453, "map_shadow_stack", "6.6"), (454, "futex_wake", "6.7"), (455, "futex_wait", "6.7"),
    (456, "futex_requeue", "6.7"), (457, "statmount", "6.8"), (458, "listmount", "6.8"), (459, "lsm_get_self_attr", "6.8"),
    (460, "lsm_set_self_attr", "6.8"), (461, "lsm_list_modules", "6.8"), (462, "mseal", "6.10"), (463, "setxattrat", "6.13"),
    (464, "getxattrat", "6.13"), (465, "listxattrat", "6.13"), (466, "removexattrat", "6.13"), (467, "open_tree_attr", "6.15"),
    (468, "file_getattr", "6.17"), (469, "file_setattr", "6.17"),
  ]
  /// Of x86_64 alone, in a place of their own: 6.11 and 6.18.
  private static let ofX86: [(number: UInt32, name: String)] = [(335, "uretprobe"), (336, "uprobe")]

  private func text(_ candidates: [String]) -> String? {
    for path in candidates {
      if let bytes = try? Data(contentsOf: URL(filePath: path)) { return String(decoding: bytes, as: UTF8.self) }
    }
    return nil
  }

  /// Names and numbers that a header defines, with the parts that are for other machines left out.
  private func definitions(_ header: String) -> [String: UInt32] {
    var raw: [String: Substring] = [:]
    var conditions: [Bool] = []
    for line in header.split(separator: "\n", omittingEmptySubsequences: false) {
      let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
      switch words.first {
      case "#if", "#ifdef", "#ifndef":
        // 32-bit machines, compatibility tables, and an order of arguments that neither architecture has.
        let isForOthers = line.contains("__BITS_PER_LONG == 32") || line.hasPrefix("#ifdef __SYSCALL_COMPAT") || line.contains("SYNC_FILE_RANGE2")
        conditions.append(!isForOthers)
      case "#else":
        if let last = conditions.popLast() { conditions.append(!last) }
      case "#endif": _ = conditions.popLast()
      case "#define" where words.count >= 3 && conditions.allSatisfy { $0 }:
        if words[1].hasPrefix("__NR") { raw[String(words[1])] = words[2] }
      default: break
      }
    }
    var numbers: [String: UInt32] = [:]
    for (name, value) in raw where name.hasPrefix("__NR_") {
      var value = value
      while let other = raw[String(value)] { value = other }
      if let number = UInt32(value) { numbers[String(name.dropFirst("__NR_".count))] = number }
    }
    // The end of the list, and where machines may put their own.
    numbers["syscalls"] = nil
    numbers["arch_specific_syscall"] = nil
    return numbers
  }

  @Test(arguments: Architecture.allCases)
  func everyCallOfTheHeadersStandsInTheTableAndNoOther(architecture: Architecture) throws {
    let places =
      switch architecture {
      case .x86_64: ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"]
      case .arm64: ["/usr/include/asm-generic/unistd.h"]
      }
    guard let header = text(places) else {
      // The machine's own headers are there wherever this was built; the other's need not be.
      #expect(architecture != .native, "no kernel headers")
      print("skipped, no headers for \(architecture.rawValue)")
      return
    }
    var expected = definitions(header)
    #expect(expected.count > 290)
    let newest = try #require(expected.values.max())
    let known = Self.newer.map(\.number).max() ?? 0
    if newest > known { print("these headers are newer than the table: calls from \(known + 1) to \(newest) are refused with ENOSYS") }
    expected = expected.filter { $0.value <= known }
    for call in Self.newer where call.number > newest { expected[call.name] = call.number }
    if architecture == .x86_64 { for call in Self.ofX86 { expected[call.name] = call.number } }
    let table = Dictionary(
      SyscallTable.all.compactMap { call in call.number(on: architecture).map { (call.name, $0) } }, uniquingKeysWith: { first, _ in first })
    for (name, number) in expected { #expect(table[name] == number, "\(name) is \(number)") }
    for (name, number) in table { #expect(expected[name] == number, "\(name) \(number) stands in the table only") }
    for call in Self.newer where call.number <= newest { #expect(expected[call.name] == call.number, "\(call.name)") }
  }
}
