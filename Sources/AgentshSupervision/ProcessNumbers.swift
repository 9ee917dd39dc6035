import AgentshSystem
import Glibc

/// The numbers that one task has, in the supervisor's pid namespace first and in its own last (pid_namespaces(7), NSpid of proc_pid_status(5)).
struct TaskNumbers {
  let tasks: [Int32]
  let groups: [Int32]
  let process: Int32

  init?(_ path: [UInt8]) {
    guard let status = try? readSmallFile(at: AT_FDCWD, path + Array("status".utf8), limit: 8192) else { return nil }
    func numbers(_ name: StaticString) -> [Int32] {
      (statusField(name, in: status) ?? "").split(whereSeparator: { $0 == "\t" || $0 == " " }).compactMap { Int32($0) }
    }
    tasks = numbers("NSpid:")
    groups = numbers("NSpgid:")
    guard let process = numbers("Tgid:").first, !tasks.isEmpty else { return nil }
    self.process = process
  }

  init?(of task: Int32) { self.init(procPath(task, "")) }
}

extension Worker {
  /// What a number that a target gave means here: the number of the same task (or, if negative, group) in the supervisor's own pid namespace.
  ///
  /// Only processes of policies that permit namespaces can live in another one. A number that means nothing there is ESRCH, as it is to the kernel;
  /// what can't be told is refused.
  func ownNumber(_ call: TrappedCall, _ number: Int32) throws(CallFailure) -> Int32 {
    guard supervision.rootsMayDiffer, number != 0, number != -1, number != Int32.min else { return number }
    guard let caller = TaskNumbers(of: call.thread) else { throw .gone }
    guard caller.tasks.count > 1 else { return number }
    let level = caller.tasks.count - 1
    let wanted = number.magnitude
    func has(_ numbers: [Int32]) -> Bool { numbers.indices.contains(level) && numbers[level].magnitude == wanted }
    if number > 0 {
      if has(caller.tasks) { return call.thread }
      // Its other threads, which no listing of processes shows.
      for thread in directoryNumbers(procPath(caller.process, "task")) {
        if let numbers = TaskNumbers(procPath(caller.process, "task", thread) + [UInt8(ascii: "/")]), has(numbers.tasks) { return thread }
      }
    } else if has(caller.groups) {
      return caller.groups.first.map { -$0 } ?? number
    }
    for process in directoryNumbers(Array("/proc".utf8)) {
      guard let numbers = TaskNumbers(of: process), numbers.tasks.count > level else { continue }
      if number > 0, has(numbers.tasks) {
        if try isVisible(process, from: call.thread, level) { return process }
      } else if number < 0, has(numbers.groups) {
        if try isVisible(process, from: call.thread, level), let group = numbers.groups.first { return -group }
      } else if number > 0 {
        for thread in directoryNumbers(procPath(process, "task")) where thread != process {
          guard let numbers = TaskNumbers(procPath(process, "task", thread) + [UInt8(ascii: "/")]), has(numbers.tasks) else { continue }
          if try isVisible(process, from: call.thread, level) { return thread }
        }
      }
    }
    throw .errno(ESRCH)
  }

  /// Whether a process can be seen from the pid namespace of `caller`: it lives there, or in a namespace below, whose first process was made there.
  func isVisible(_ process: Int32, from caller: Int32, _ level: Int) throws(CallFailure) -> Bool {
    guard let space = pidNamespace(of: caller) else { throw .errno(EPERM) }
    var current = process
    for _ in 0..<4096 {
      guard let numbers = TaskNumbers(of: current), let facts = ProcessFacts(of: current) else { return false }
      if numbers.tasks.count <= level { return false }
      if numbers.tasks.count == level + 1 {
        guard let other = pidNamespace(of: current) else { throw .errno(EPERM) }
        return other == space
      }
      current = facts.parent
    }
    return false
  }

  /// Whether a process of its own pid namespace makes the call.
  func livesApart(_ call: TrappedCall) -> Bool {
    supervision.rootsMayDiffer && (TaskNumbers(of: call.thread)?.tasks.count ?? 2) > 1
  }

  private func pidNamespace(of task: Int32) -> [UInt8]? { link("ns/pid", of: task) }

  /// What a link of a task's directory in /proc says: with CAP_SYS_PTRACE in effect where the task isn't dumpable.
  func link(_ name: StaticString, of task: Int32) -> [UInt8]? {
    let path = procPath(task, name)
    do throws(SyscallError) { return try readLink(at: AT_FDCWD, path) } catch {
      guard error.errno == .permissionDenied || error.errno == .notPermitted else { return nil }
    }
    var text: [UInt8]?
    withPtraceCapability { text = try? readLink(at: AT_FDCWD, path) }
    return text
  }

  /// The number that a caller has in a procfs of another pid namespace, which `directory` is the root of; nil when it isn't shown there.
  func numberInside(_ directory: borrowing OwnedDescriptor, _ task: Int32) -> Int32? {
    guard let here = TaskNumbers(of: task), let started = ProcessFacts(of: task)?.started else { return nil }
    for level in here.tasks.indices.dropFirst() {
      let number = here.tasks[level]
      guard let status = try? readSmallFile(at: directory.rawValue, Array("\(number)/status".utf8), limit: 8192),
        let numbers = statusField("NSpid:", in: status), let stat = try? readSmallFile(at: directory.rawValue, Array("\(number)/stat".utf8), limit: 4096)
      else { continue }
      let shown = numbers.split(whereSeparator: { $0 == "\t" || $0 == " " }).compactMap { Int32($0) }
      if shown == Array(here.tasks[level...]), ProcessFacts(number, stat)?.started == started { return number }
    }
    return nil
  }
}
