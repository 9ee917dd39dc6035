import AgentshFilter
import AgentshSystem
import Glibc
import Testing

/// Every way to do a thing, every number, and every way to make a process.
@Suite(.serialized) struct CallTests {
  private func directory(_ path: String, of uid: UInt32) -> String {
    makeDirectory(path, owner: uid)
    return path
  }

  /// Natively each way gets there, in the protected place as elsewhere. In a session the permitted ones come to the same, and the others to nothing.
  @Test func everyCallThatCanDoAThingIsDecidedAlike() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let user = server.firstUser
    let twins = try server.compile("twins")
    func natively(_ arguments: String...) throws -> String {
      let outcome = try run(server.asUser(user) + [twins] + arguments, milliseconds: 60_000)
      try #require(outcome.status == 0, "\(arguments): \(outcome.errors)")
      return outcome.output
    }
    let alone = directory("\(server.project(user))/alone", of: user)
    _ = try natively("prepare", alone)
    let before = try natively("show", "\(alone)/protected")
    let possible = try natively("run", alone).split(separator: "\n")
    for line in possible where !line.hasSuffix(" done") { print("this kernel or file system has no: \(line)") }
    #expect(possible.count { $0.hasSuffix(" done") } > 130)
    #expect(try natively("show", "\(alone)/protected") != before)

    // The rule is about `protected` in the directory where the session starts, so that is where it is done.
    let place = server.project(user)
    _ = try natively("prepare", place)
    let untouched = try natively("exact", "\(place)/protected")
    let wrapped = try server.wrap([twins, "run", place], milliseconds: 60_000)
    #expect(wrapped.status == 0, "\(wrapped.errors)")
    let found = wrapped.output.split(separator: "\n")
    try #require(found.count == possible.count)
    for (native, line) in zip(possible, found) {
      if native.contains(" open done") || !native.hasSuffix(" done") {
        #expect(line == native)
      } else {
        #expect(line == native.replacing(" done", with: " EACCES"))
      }
    }
    #expect(try natively("exact", "\(place)/protected") == untouched)
    let (expected, came) = (try natively("show", "\(alone)/open"), try natively("show", "\(place)/open"))
    for (line, other) in zip(expected.split(separator: "\n"), came.split(separator: "\n")) { #expect(line == other) }
    #expect(expected.count == came.count)
    let lines = try server.record(#require(server.records.first))
    for (call, operation) in [
      ("utimensat", "file.chmod"), ("utimensat", "file.write"), ("utime", "file.chmod"), ("futimesat", "file.chmod"), ("setxattr", "file.chmod"),
      ("lsetxattr", "file.chmod"), ("fsetxattr", "file.chmod"), ("setxattrat", "file.chmod"), ("removexattrat", "file.chmod"),
      ("file_setattr", "file.chmod"), ("ioctl", "file.chmod"), ("fchmodat2", "file.chmod"),
    ] where SyscallTable.named(call)?.number(on: .native) != nil {
      for decision in ["allow", "deny"] {
        #expect(
          lines.contains { $0.contains("\"op\":\"\(operation)\",\"syscall\":\"\(call)\"") && $0.contains("\"decision\":\"\(decision)\"") },
          "no \(decision) of \(call) as \(operation) on record")
      }
    }
  }

  @Test func timesAndAttributesAnswerTheSameAsWithoutSupervision() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let user = server.firstUser
    let program = try server.compile("attributes")
    func prepared(_ name: String) throws -> String {
      let place = directory("\(server.project(user))/\(name)", of: user)
      try write("", to: "\(place)/others", mode: 0o644)
      try write("", to: "\(place)/shared", mode: 0o666)
      return place
    }
    let alone = try run(server.asUser(user) + [program, try prepared("alone")], milliseconds: 60_000)
    #expect(alone.status == 0)
    let wrapped = try server.wrap([program, try prepared("wrapped")], milliseconds: 60_000)
    #expect(wrapped.status == 0, "\(wrapped.errors)")
    let (expected, found) = (alone.output.split(separator: "\n"), wrapped.output.split(separator: "\n"))
    #expect(expected.count > 400)
    #expect(expected.count == found.count)
    for (line, other) in zip(expected, found) { #expect(line == other) }
  }

  /// What is refused by the table gets the table's errno, what it doesn't know ENOSYS, and everything else the kernel's own answer.
  @Test func everyNumberAnswersAsTheTableSays() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let program = try server.compile("numbers")
    // Without new privileges there, too: some calls are for such processes only.
    let alone = try run(server.asUser(server.firstUser) + ["--no-new-privs", program, "0", "600"], milliseconds: 120_000)
    let wrapped = try server.wrap([program, "0", "600"], milliseconds: 120_000)
    let (natively, inside) = (alone.output.split(separator: "\n"), wrapped.output.split(separator: "\n"))
    try #require(natively.count == 601 && inside.count == 601, "\(wrapped.errors)")
    let effects = Dictionary(
      uniqueKeysWithValues: try FilterSpecification(traps: [.nonce]).explain().map { ($0.name, $0.effect) })
    // All flags of clone and unshare make namespaces, a family of -1 is none, and the limits would be those of another process.
    let ofArguments = ["clone": "EPERM", "unshare": "EPERM", "socket": "EAFNOSUPPORT", "socketpair": "EAFNOSUPPORT", "prlimit64": "EPERM"]
    // Of several mistakes in one call the supervisor may find another one first.
    let ofOrder = [
      "sendto": "EBADF", "sendmsg": "EBADF", "sendmmsg": "EBADF", "rt_sigqueueinfo": "EINVAL", "rt_tgsigqueueinfo": "EINVAL", "execveat": "EINVAL",
    ]
    let hidden = ["uselib", "io_uring_setup", "io_uring_enter", "io_uring_register", "clone3"]
    for number in UInt32(0)...600 {
      let (native, line) = (natively[Int(number)], inside[Int(number)])
      let answer = line.split(separator: " ").last.map(String.init)
      guard let call = SyscallTable.call(number) else {
        #expect(answer == "ENOSYS", "\(line)")
        continue
      }
      if let expected = ofArguments[call.name] {
        #expect(answer == expected, "\(call.name): \(line)")
      } else if effects[call.name] == .refused {
        let isGone = hidden.contains(call.name) || call.reason.hasPrefix("removed from the kernel")
        #expect(answer == (isGone ? "ENOSYS" : "EPERM"), "\(call.name): \(line)")
      } else if let expected = ofOrder[call.name] {
        #expect((answer == expected && native.split(separator: " ").last?.hasPrefix("E") == true) || line == native, "\(call.name): \(line)")
      } else if call.name == "sync" {
        // It waits as long as the machine's disks have something to write.
        #expect(["ok", "ALRM"].contains(answer), "\(line)")
      } else {
        #expect(line == native, "\(call.name)")
      }
    }
    // What the kernel has and the table hasn't would be a call that nobody has looked at.
    let unseen = natively.enumerated().filter { SyscallTable.call(UInt32($0.offset)) == nil && !$0.element.hasSuffix(" ENOSYS") }
    if !unseen.isEmpty { print("this kernel is newer than the table, which refuses: \(unseen.map(\.element))") }
  }

  @Test func aNumberWithoutACallIsOnRecordOncePerSession() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    // A call in a loop, some others, and more different ones than are recorded.
    let script = """
      for (1..2000) { syscall(5001) } syscall(5002); syscall(5001); print $!{ENOSYS} ? "none" : "other", "\\n";
      if (!fork) { syscall(5001); exit } wait; for (6000..6099) { syscall($_) }
      """
    let outcome = try server.wrap(["/usr/bin/perl", "-MErrno", "-e", script])
    #expect(outcome.output == "none\n", "\(outcome.errors)")
    let lines = try server.record(#require(server.records.first)).filter { $0.contains("\"op\":\"syscall\"") }
    #expect(lines.count { $0.contains("\"syscall\":\"5001\"") } == 1)
    #expect(lines.count { $0.contains("\"syscall\":\"5002\"") } == 1)
    #expect(lines.count == 64)
    let line = try #require(lines.first)
    #expect(line.contains("\"decision\":\"deny\",\"rule\":\"builtin:unknown-call\"") && line.contains("\"errno\":38"))
    #expect(line.contains("\"exe\":\"/usr/bin/perl\""))
    #expect(lines.last?.contains("no more such numbers") == true)
    // The next session starts anew.
    _ = try server.wrap(["/usr/bin/perl", "-e", "syscall(5001)"])
    for session in server.records { #expect(try server.record(session).count { $0.contains("\"syscall\":\"5001\"") } == 1) }
  }

  #if arch(x86_64)
    @Test func aCallByAnotherConventionIsOnRecordWithIt() throws {
      guard isPrivileged("a server") else { return }
      let server = try TestServer()
      let outcome = try server.wrap([try server.compile("numbers"), "other"])
      #expect(outcome.output == "x32 ENOSYS\ni386 ENOSYS\n", "\(outcome.errors)")
      let lines = try server.record(#require(server.records.first))
      for call in ["x32:39", "i386:20"] { #expect(lines.count { $0.contains("\"op\":\"syscall\",\"syscall\":\"\(call)\"") } == 1, "\(call)") }
    }
  #endif

  @Test func howeverAProcessIsMadeItIsHeldAndOnRecordAsItself() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let user = server.firstUser
    let project = server.project(user)
    _ = directory("\(project)/protected", of: user)
    let program = try server.compile("children")
    let other = try server.compile("children", as: "other-program")
    let outcome = try server.wrap([program, other])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let found = outcome.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    #expect(found.count == 16, "\(outcome.output)")
    #expect(names(in: "\(project)/protected").isEmpty)
    let lines = try server.record(#require(server.records.first))
    let own = found.first { $0.first == "self" }?[1]
    for way in found where way.count == 4 {
      if way[0] == "clone3" {
        #expect(way[2] == "ENOSYS")
        continue
      }
      if way[0] == "stays" { continue }
      #expect(way[2...] == ["allowed", "EACCES"], "\(way)")
      #expect((way[1] == own) == ["self", "thread"].contains(way[0]), "\(way)")
      let runs = ["posix_spawn", "vfork-exec"].contains(way[0]) ? other : program
      for (path, decision) in [("made-\(way[0])", "allow"), ("protected/made-\(way[0])", "deny")] {
        let line = lines.first { $0.contains("\"op\":\"file.create\"") && $0.contains("\"path\":\"\(project)/\(path)\"") }
        #expect(
          line?.contains("\"pid\":\(way[1]),\"exe\":\"\(runs)\"") == true && line?.contains("\"decision\":\"\(decision)\"") == true,
          "\(way): \(line ?? "not on record")")
      }
    }
    // One of them was handed to the launcher and would wait for ever.
    #expect(processes(of: user).isEmpty)
  }
}
