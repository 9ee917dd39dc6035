import CAgentshLaunch
import Glibc
import SystemPackage

/// The launcher's child between clone and exec, with the pipes to it.
///
/// It shares the launcher's descriptor table until it reports `unshared`, so the launcher can hand over the listener that the
/// child's filter made. The child dies with the launcher until it is supervised.
public struct LauncherChild: ~Copyable {
  private var launch: ash_launch
  public let pidfd: Pidfd
  public var pid: Int32 { launch.pid }

  /// Clones the child, which installs the filter and reports `listening`.
  ///
  /// All signals must be blocked; `restoring` is the mask that the command gets.
  public static func start(_ request: LaunchRequest, restoring mask: SignalMask) throws(SyscallError) -> LauncherChild {
    guard request.filter.count.isMultiple(of: 8), let length = UInt16(exactly: request.filter.count / 8), length > 0,
      let program = request.arguments.first
    else { throw SyscallError("clone", .invalidArgument, "launch request") }
    let candidates = CStringArray(request.candidates)
    let arguments = CStringArray(request.arguments)
    // The second place is filled in by the child with the candidate that has no format.
    let script = CStringArray([Array("/bin/sh".utf8), program] + request.arguments.dropFirst())
    let environment = CStringArray(request.environment)
    var launch = ash_launch()
    var plan = unsafe ash_launch_plan()
    unsafe plan.filter_length = length
    unsafe plan.candidates = candidates.constants
    unsafe plan.arguments = UnsafePointer(arguments.pointers)
    unsafe plan.script_arguments = script.pointers
    unsafe plan.environment = UnsafePointer(environment.pointers)
    unsafe plan.kept_count = request.keptDescriptors.count
    unsafe plan.closed_standard = request.closedStandardDescriptors
    unsafe plan.signal_mask = mask.bits
    unsafe plan.ignores_child_signal = mask.ignoredChildSignal ? 1 : 0
    unsafe plan.landlock_ruleset = request.landlockRuleset ?? -1
    unsafe plan.without_listener = request.hasListener ? 0 : 1
    unsafe plan.without_core_file = request.leavesNoCoreFile ? 1 : 0
    unsafe plan.tracer = request.tracer ?? 0
    // SAFETY: the child gets a copy of this memory at the clone, so everything that `plan` points to has to live until
    // ash_launch_start returns and no longer. An array's storage is aligned to 16 bytes; sock_filter needs 4.
    try syscall("clone") {
      withExtendedLifetime((candidates, arguments, script, environment)) {
        unsafe request.filter.withUnsafeBytes { filter in
          unsafe request.keptDescriptors.withUnsafeBufferPointer { kept in
            unsafe plan.filter = filter.baseAddress?.assumingMemoryBound(to: sock_filter.self)
            unsafe plan.kept = kept.baseAddress
            return unsafe ash_launch_start(&plan, &launch)
          }
        }
      }
    }
    return LauncherChild(launch: launch, pidfd: Pidfd(OwnedDescriptor(owning: launch.pidfd)))
  }

  private init(launch: ash_launch, pidfd: consuming Pidfd) {
    self.launch = launch
    self.pidfd = pidfd
  }

  /// A connection to the server of the session that this process runs in, by its supervisor's hand. Throws EINVAL where there is no such session,
  /// or one whose policy permits no other inside.
  public static func door() throws(SyscallError) -> OwnedDescriptor {
    OwnedDescriptor(owning: try syscall("prctl", subject: "ASH1") { ash_launch_door() })
  }

  /// Where reports arrive, for poll(2); -1 after the pipes are closed.
  public var reportDescriptor: CInt { launch.report_read }

  /// The next report; nil when the child has exec'ed (or died after it had left the shared table).
  ///
  /// Throws ETIMEDOUT after the deadline, ESRCH when the child died without a report.
  public mutating func nextReport(deadline: Deadline = .never) throws(SyscallError) -> LaunchReport? {
    var report = ash_launch_report()
    // SAFETY: two structures that live for the call.
    let result = unsafe ash_launch_next(&launch, &report, deadline.pollTimeout)
    guard result != -1 else { throw SyscallError("read", currentErrno, "report of the launcher's child") }
    guard result == 1 else { return nil }
    guard let stage = LaunchStage(rawValue: report.stage) else { throw SyscallError("read", .badMessage, "report of the launcher's child") }
    return LaunchReport(stage: stage, error: report.error, value: report.value)
  }

  /// Lets the child make its trapped call with `nonce`, and go on to the command.
  public mutating func go(nonce: UInt64) throws(SyscallError) {
    // SAFETY: the structure lives for the call.
    guard unsafe ash_launch_go(&launch, nonce) == 0 else { throw SyscallError("write", currentErrno, "go") }
  }

  /// Closes the pipes; reports are over.
  public mutating func closePipes() {
    // SAFETY: the structure lives for the call.
    unsafe ash_launch_close_pipes(&launch)
  }

  /// Ends the child whatever it is doing.
  public func kill() {
    try? pidfd.sendSignal(SIGKILL)
  }

  deinit {
    var ends = launch
    // SAFETY: the structure lives for the call; what is closed already is -1 in it.
    unsafe ash_launch_close_pipes(&ends)
  }
}

/// A NULL-terminated array of C strings, for C functions that keep it no longer than this object lives.
@safe final class CStringArray {
  /// Terminated by NULL.
  let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  private let count: Int

  /// Each string up to its first NUL, if it has one.
  init(_ strings: [[UInt8]]) {
    count = strings.count
    unsafe pointers = .allocate(capacity: strings.count + 1)
    var index = 0
    for string in strings {
      let text = UnsafeMutablePointer<CChar>.allocate(capacity: string.count + 1)
      var length = 0
      for byte in string.prefix(while: { $0 != 0 }) {
        unsafe text[length] = CChar(bitPattern: byte)
        length += 1
      }
      unsafe text[length] = 0
      // SAFETY: `index` stays below the capacity, and the memory was never initialised before.
      unsafe (pointers + index).initialize(to: text)
      index += 1
    }
    unsafe (pointers + index).initialize(to: nil)
  }

  /// The same array where C wants pointers to constants.
  var constants: UnsafePointer<UnsafePointer<CChar>?> {
    // SAFETY: a pointer to char and a pointer to constant char have the same representation.
    unsafe UnsafeRawPointer(pointers).assumingMemoryBound(to: UnsafePointer<CChar>?.self)
  }

  deinit {
    // SAFETY: each string was allocated in init; an entry that C has overwritten belongs to somebody else only in the child's copy.
    for index in 0..<count { unsafe pointers[index]?.deallocate() }
    unsafe pointers.deallocate()
  }
}
