import AgentshProtocol
import AgentshSystem
import Synchronization
import SystemPackage

/// What other threads tell the thread of the event loop.
final class Mailbox: Sendable {
  enum Letter: Sendable {
    /// The first call of the session: it has to carry the nonce.
    case firstCall(TrappedCall)
    /// Nothing lives under the filter any more.
    case abandoned
    /// Receiving fails.
    case receptionFailed(Errno)
    /// A worker ends the session.
    case end(reason: String)
    /// A process of the session asks for a connection to the server.
    case knock(TrappedCall, process: Int32)
    /// To the loop of a session inside: what the server says to it.
    case order(ServerOrder)
    /// From it: it is over.
    case nestedEnded(session: String)
  }

  private let letters = Mutex<[Letter]>([])
  private let bell: EventDescriptor

  init() throws(SyscallError) {
    bell = try EventDescriptor()
  }

  /// Readable when there are letters.
  var rawValue: CInt { bell.descriptor.rawValue }

  /// Safe from any thread.
  func put(_ letter: Letter) {
    letters.withLock { $0.append(letter) }
    bell.signal()
  }

  func takeAll() -> [Letter] {
    bell.clear()
    return letters.withLock { letters in
      defer { letters = [] }
      return letters
    }
  }
}
