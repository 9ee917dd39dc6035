import AgentshSystem
import Glibc
import Testing

/// Files, as programs see them in a session: the same where they are permitted, out of reach by every way where they aren't.
@Suite(.serialized) struct FileTests {
  /// The program of Programs/, readable for every user.
  private func program(_ name: String, for server: TestServer) throws -> String {
    let source = String(#filePath.dropLast("FileTests.swift".count)) + "Programs/" + name
    let place = "\(server.directory)/\(name)"
    try write(content(source), to: place, mode: 0o755)
    return place
  }

  /// An empty directory of the first user, whose mode doesn't depend on where it is.
  private func emptyDirectory(_ path: String, of uid: UInt32) -> String {
    makeDirectory(path, mode: 0o755, owner: uid)
    return path
  }

  @Test func fileCallsAnswerTheSameAsWithoutSupervision() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let user = server.firstUser
    let suite = try program("file-parity.py", for: server)
    let alone = try run(
      server.asUser(user) + ["/usr/bin/python3", suite, emptyDirectory("\(server.project(user))/alone", of: user)], milliseconds: 120_000)
    #expect(alone.status == 0)
    let wrapped = try server.start(["/usr/bin/python3", suite, emptyDirectory("\(server.project(user))/wrapped", of: user)])
      .finish(milliseconds: 120_000)
    #expect(wrapped.status == 0)
    let (expected, found) = (alone.output.split(separator: "\n"), wrapped.output.split(separator: "\n"))
    #expect(expected.count > 120)
    #expect(expected.count == found.count)
    for (line, other) in zip(expected, found) { #expect(line == other) }
  }

  @Test func aNameThatIsProtectedIsOutOfReachByEveryWay() throws {
    guard isPrivileged("a server") else { return }
    let server = try TestServer()
    let user = server.firstUser
    let attacks = try program("file-attacks.py", for: server)
    func prepared(_ name: String) throws -> String {
      let directory = emptyDirectory("\(server.project(user))/\(name)", of: user)
      makeDirectory("\(directory)/sub", mode: 0o755, owner: user)
      try write("SECRET=1\n", to: "\(directory)/sub/.env", owner: user)
      return directory
    }
    // Without supervision every one of them gets there: the attacks are real.
    let alone = try run(server.asUser(user) + ["/usr/bin/python3", attacks, try prepared("alone")], milliseconds: 120_000)
    let won = alone.output.split(separator: "\n")
    #expect(won.count > 25)
    for line in won { #expect(line.hasSuffix(": won")) }

    let directory = try prepared("wrapped")
    let wrapped = try server.start(["/usr/bin/python3", attacks, directory]).finish(milliseconds: 120_000)
    let lost = wrapped.output.split(separator: "\n")
    #expect(lost.count == won.count, "\(wrapped.errors)")
    for line in lost { #expect(line.contains(": lost") && !line.contains("no read")) }
    #expect(try content("\(directory)/sub/.env") == "SECRET=1\n")
  }
}
