import AgentshSystem
import Testing

/// Programs that sandbox themselves get what they asked for, although others act for them.
@Suite(.serialized) struct OwnDomainTests {
  @Test func whatAProgramForbidsItselfIsNotPerformedForIt() throws {
    guard isPrivileged("a server") else { return }
    guard LandlockABI.running >= .ports else { return print("skipped: this kernel's Landlock has no ports") }
    let server = try TestServer()
    let user = server.firstUser
    let program = try server.compile("own-landlock")
    func directory(_ name: String) -> String {
      let path = "\(server.project(user))/\(name)"
      makeDirectory(path, mode: 0o755, owner: user)
      return path
    }
    let alone = try run(server.asUser(user) + [program, directory("alone")], milliseconds: 60_000)
    #expect(alone.status == 0, "\(alone.errors)")
    let wrapped = try server.start([program, directory("wrapped")]).finish(milliseconds: 60_000)
    #expect(wrapped.status == 0, "\(wrapped.errors)")
    let (expected, found) = (alone.output.split(separator: "\n"), wrapped.output.split(separator: "\n"))
    #expect(expected.count == 120)
    #expect(expected.count == found.count)
    for (line, other) in zip(expected, found) { #expect(line == other) }
  }
}
