import AgentshSystem
import FoundationEssentials
import Glibc
import Testing

/// Directory of the control groups of a server's sessions.
func hierarchy(of rig: ServerRig) throws -> String? {
  // The server was started from here, so its own group is ours.
  try CgroupHierarchy.find().map { String(decoding: $0.directory, as: UTF8.self) }
}

/// What is left of sessions: directories, sockets, supervisors.
func leftovers(_ rig: ServerRig) throws -> [String] {
  let directories = try FileManager.default.contentsOfDirectory(atPath: "\(rig.scratch.path)/run/sessions")
  return try directories + supervisors(of: rig).map { "process \($0)" }
}

/// Children of the server.
func supervisors(of rig: ServerRig) throws -> [Int32] {
  let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(rig.process.pid)/task")
  return threads.flatMap { thread in
    ((try? String(contentsOfFile: "/proc/\(rig.process.pid)/task/\(thread)/children", encoding: .utf8)) ?? "").split(separator: " ").compactMap {
      Int32($0.filter { $0.isNumber })
    }
  }
}

/// Runs a program to its end; what it printed.
func run(_ words: String..., in scratch: Scratch) throws -> String { try run(words: words, in: scratch) }

func run(words: [String], in scratch: Scratch) throws -> String {
  let null = try openAt(AT_FDCWD, Array("/dev/null".utf8), flags: O_RDWR)
  let output = try openAt(AT_FDCWD, Array("\(scratch.path)/output".utf8), flags: O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
  let process = try spawnSupervisor(
    Array((words.first ?? "").utf8), arguments: words.map { Array($0.utf8) }, descriptors: [null.rawValue, output.rawValue, output.rawValue],
    identity: nil)
  let ended = try waitUntilReady(process.pidfd.descriptor, deadline: .after(milliseconds: 60_000))
  if !ended { try process.pidfd.sendSignal(SIGKILL) }
  reapChild(process.pid)
  try #require(ended)
  return scratch.read("output")
}

extension ServerRig {
  func scratchWrite(_ path: String, _ text: String) throws {
    let file = try openAt(AT_FDCWD, Array(path.utf8), flags: O_WRONLY | O_APPEND)
    if let failure = writeAll(file.rawValue, Array(text.utf8)).error { throw failure }
  }

  /// Control connections that the server has open: sockets with its path, less the listener.
  func connectionsOfServer() throws -> Int {
    // To its end: files of /proc have no size that would tell how much there is to read.
    let table = String(decoding: try readSmallFile(at: AT_FDCWD, Array("/proc/net/unix".utf8), limit: 16 << 20), as: UTF8.self)
    let count = table.split(separator: "\n").filter { $0.hasSuffix(" \(socketPath)") }.count
    try #require(count > 0)
    return count - 1
  }

  func residentKilobytes() throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(process.pid)/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
    return Int(line.filter { $0.isNumber }) ?? .max
  }
}

/// How many descriptors a process has.
func descriptorsOf(_ pid: Int32) throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count }
