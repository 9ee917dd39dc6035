import AgentshResolver
import AgentshSystem
import Glibc
import SystemPackage

/// A client's connection to the resolver.
final class ClientStream {
  let socket: InternetSocket
  let client: SessionNames.Client
  var incoming: [UInt8] = []
  var outgoing: [UInt8] = []
  /// Questions that are not answered yet.
  var open = 0
  var isEnded = false
  var deadline: Deadline

  /// How long a connection may be quiet (RFC 7766, 6.2.3).
  static let patience: Int64 = 10_000

  init(_ socket: consuming InternetSocket, _ client: SessionNames.Client) {
    self.socket = socket
    self.client = client
    deadline = .after(milliseconds: Self.patience)
  }
}

extension NameResolver {
  private static let mostStreams = 64
  /// Questions of one connection that are asked at a time, and answers that it has not read.
  private static let mostOpen = 16
  private static let mostOutgoing = 4 * (Message.longest + 2)

  func add(_ socket: consuming InternetSocket, _ client: SessionNames.Client) {
    // The one that has been quiet the longest makes room.
    if streams.count >= Self.mostStreams, let oldest = streams.min(by: { $0.value.deadline < $1.value.deadline })?.key { closeStream(oldest) }
    let token = newToken()
    guard (try? epoll.add(socket.rawValue, .readable, token: token)) != nil else { return }
    streams[token] = ClientStream(socket, client)
  }

  func closeStream(_ token: UInt64) {
    guard let stream = streams.removeValue(forKey: token) else { return }
    epoll.remove(stream.socket.rawValue)
  }

  func closeIdleStreams(_ now: UInt64) {
    for (token, stream) in streams where stream.deadline.nanoseconds <= now { closeStream(token) }
  }

  func serve(stream token: UInt64, _ events: EpollEvents) {
    guard let stream = streams[token] else { return }
    if events.contains(.error) { return closeStream(token) }
    do throws(SyscallError) {
      // Who doesn't read its answers is read from all the same, as far as there is room: what is readable and left there wakes this thread again at once.
      if !stream.outgoing.isEmpty, let sent = try stream.socket.send(stream.outgoing[...]) {
        stream.outgoing.removeFirst(sent)
        stream.deadline = .after(milliseconds: ClientStream.patience)
      }
      if isReading(stream), let received = try stream.socket.receive(atMost: 16_384) {
        if received.bytes.isEmpty { stream.isEnded = true }
        stream.incoming += received.bytes
        stream.deadline = .after(milliseconds: ClientStream.patience)
      }
    } catch {
      return closeStream(token)
    }
    takeMessages(token, stream)
  }

  private func isReading(_ stream: ClientStream) -> Bool {
    !stream.isEnded && stream.open < Self.mostOpen && stream.outgoing.count < Self.mostOutgoing && stream.incoming.count < Message.longest + 2
  }

  private func takeMessages(_ token: UInt64, _ stream: ClientStream) {
    while stream.open < Self.mostOpen, stream.outgoing.count < Self.mostOutgoing, let message = unframed(&stream.incoming) {
      stream.open += 1
      if !take(message, from: .stream(token), stream.client) { return closeStream(token) }
      guard streams[token] != nil else { return }
    }
    watch(token, stream)
  }

  private func watch(_ token: UInt64, _ stream: ClientStream) {
    if stream.isEnded, stream.open <= 0, stream.outgoing.isEmpty { return closeStream(token) }
    var wanted: EpollEvents = []
    if isReading(stream) { wanted.insert(.readable) }
    if !stream.outgoing.isEmpty { wanted.insert(.writable) }
    do throws(SyscallError) { try epoll.change(stream.socket.rawValue, wanted, token: token) } catch { closeStream(token) }
  }

  /// An answer to a question of a connection.
  func send(_ answer: [UInt8], to token: UInt64) {
    guard let stream = streams[token] else { return }
    stream.open -= 1
    stream.outgoing += framed(answer)
    stream.deadline = .after(milliseconds: ClientStream.patience)
    do throws(SyscallError) {
      if let sent = try stream.socket.send(stream.outgoing[...]) { stream.outgoing.removeFirst(sent) }
    } catch {
      return closeStream(token)
    }
    // What was left unread while there were too many questions. Later: this may be where one of them is answered.
    if stream.open == Self.mostOpen - 1 { resumed.insert(token) }
    watch(token, stream)
  }

  /// Goes on with connections that had too many questions.
  func resumeStreams() {
    while let token = resumed.popFirst() { if let stream = streams[token] { takeMessages(token, stream) } }
  }
}
