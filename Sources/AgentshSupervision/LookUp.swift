import AgentshPolicy
import AgentshResolver
import AgentshSystem
import Synchronization

/// A question that the supervisor itself asks the host's name servers, for the address of a host that the policy names (`connect_redirects`).
final class LookUp: Sendable {
  let name: DomainName
  let type: RecordType
  private let result = Gate<[IPAddress]?>(nil)

  init(_ name: DomainName, _ type: RecordType) {
    self.name = name
    self.type = type
  }

  /// The answer, or nothing of use.
  func give(_ answer: [UInt8]) {
    let found = (try? Message(answer))?.addresses(of: name).map(\.address) ?? []
    result.withLock { $0 = found }
    result.wakeAll()
  }

  func wait(deadline: Deadline) -> [IPAddress] { result.wait(until: deadline.nanoseconds) { $0 } ?? [] }
}

/// Such questions on their way from the threads that have them to the resolver's.
final class LookUpQueue: Sendable {
  private let waiting = Mutex<[LookUp]>([])
  /// Readable when there are some.
  let bell: EventDescriptor

  init() throws(SyscallError) { bell = try EventDescriptor() }

  /// Where a name leads, addresses of both kinds; empty where nobody knows by then. Waits, so not on a thread that others wait for.
  func addresses(of name: [UInt8], deadline: Deadline) -> [IPAddress] {
    guard let asked = DomainName(text: name) else { return [] }
    let lookUps = [LookUp(asked, .a), LookUp(asked, .aaaa)]
    waiting.withLock { $0 += lookUps }
    bell.signal()
    return lookUps.flatMap { $0.wait(deadline: deadline) }
  }

  /// What has been asked since the last call; for the resolver's thread.
  func take() -> [LookUp] {
    bell.clear()
    return waiting.withLock { list in
      defer { list = [] }
      return list
    }
  }
}
