import AgentshSystem
import CAgentshSystem
import CLibSeccomp
import Glibc

/// A libseccomp filter context for the architecture that this was built for, freed with its owner: seccomp_init(3).
@safe struct FilterBuilder: ~Copyable {
  private let context: scmp_filter_ctx

  /// A context whose answer is `otherwise` where no rule matches.
  static func make(otherwise: FilterAction) throws(FilterError) -> FilterBuilder {
    // The library's idea of what this kernel can do (seccomp_api_get(3)) must not change what is compiled: level 5 has notifications.
    guard isAtNotificationLevel else { throw .library(call: "seccomp_api_set", errno: ENOSYS) }
    // SAFETY: the result is checked, owned by the builder alone and released once, in deinit.
    guard let context = unsafe seccomp_init(otherwise.rawValue) else { throw .library(call: "seccomp_init", errno: ENOMEM) }
    let builder = unsafe FilterBuilder(owning: context)
    // A call by another convention (i386, x32) is one that doesn't exist. The process lives on: this is no attack by itself.
    try builder.check("seccomp_attr_set", unsafe seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, FilterAction.errno(ENOSYS).rawValue))
    // 1: a list of comparisons in the order of priority. The binary tree (2) takes libseccomp tens of milliseconds to make, and gains nothing: since
    // 5.11 the kernel doesn't run the filter for numbers whose answer is always "allow".
    try builder.check("seccomp_attr_set", unsafe seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 1))
    return builder
  }

  private init(owning context: scmp_filter_ctx) {
    unsafe self.context = unsafe context
  }

  deinit {
    // SAFETY: the context was made by init and nothing else holds it.
    unsafe seccomp_release(context)
  }

  /// `number` is one of the architecture's own: libseccomp would translate numbers for another by name, and so lose those it doesn't know.
  func add(_ rule: FilterRule, number: UInt32) throws(FilterError) {
    var comparisons: [scmp_arg_cmp] = []
    for argument in rule.region.conditions.indices {
      guard let condition = rule.region[argument] else { continue }
      comparisons.append(comparison(UInt32(argument), condition))
    }
    // SAFETY: the array outlives the call, which copies it; the count is its own.
    let result = unsafe comparisons.withUnsafeBufferPointer { buffer in
      unsafe seccomp_rule_add_exact_array(context, rule.action.rawValue, Int32(number), UInt32(buffer.count), buffer.baseAddress)
    }
    try check("seccomp_rule_add", result)
  }

  /// Numbers of higher priority are compared first. No priority changes what the filter answers.
  func prioritize(number: UInt32, _ priority: UInt8) throws(FilterError) {
    try check("seccomp_syscall_priority", unsafe seccomp_syscall_priority(context, Int32(number), priority))
  }

  /// The program as bytes.
  func export() throws(FilterError) -> [UInt8] {
    // SAFETY: a literal, which the call doesn't keep.
    let raw = unsafe ash_memfd_create("filter")
    guard raw >= 0 else { throw .library(call: "memfd_create", errno: errno) }
    let file = OwnedDescriptor(owning: raw)
    try check("seccomp_export_bpf", unsafe seccomp_export_bpf(context, file.rawValue))
    var bytes = [UInt8](repeating: 0, count: 4097 * FilterProgram.instructionSize)
    // SAFETY: the buffer is as long as said.
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file.rawValue, $0.baseAddress, $0.count, 0) }
    guard count > 0, count % FilterProgram.instructionSize == 0 else { throw .library(call: "pread", errno: count < 0 ? errno : EIO) }
    bytes.removeLast(bytes.count - count)
    return bytes
  }

  private func comparison(_ argument: UInt32, _ condition: Region.Condition) -> scmp_arg_cmp {
    switch condition {
    case .bits(let mask, let value): scmp_arg_cmp(arg: argument, op: SCMP_CMP_MASKED_EQ, datum_a: mask, datum_b: value)
    case .not(let value): scmp_arg_cmp(arg: argument, op: SCMP_CMP_NE, datum_a: value, datum_b: 0)
    // Regions hold no such condition: it was taken apart when they were made. A rule that never matches is refused by default.
    case .anyBit: scmp_arg_cmp(arg: argument, op: SCMP_CMP_MASKED_EQ, datum_a: 0, datum_b: 1)
    }
  }

  private func check(_ call: String, _ result: Int32) throws(FilterError) {
    guard result == 0 else { throw .library(call: call, errno: -result) }
  }

  private static let isAtNotificationLevel: Bool = seccomp_api_set(5) == 0
}
