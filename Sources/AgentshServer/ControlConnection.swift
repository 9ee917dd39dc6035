internal import AgentshProtocol
internal import AgentshSystem

/// One connection to the control socket; belongs to the loop's thread.
final class ControlConnection {
  let id: UInt64
  let socket: UnixSocket
  let peer: ControlPeer
  /// Who that is, once it has asked for something.
  var caller: ControlCaller?
  var framer = MessageFramer(limit: MessageFramer.controlLimit)
  /// Complete messages that wait for the one before to be answered, and their bytes.
  private var queued: ArraySlice<[UInt8]> = []
  private var queuedBytes = 0
  var output: [UInt8] = []
  var sent = 0
  /// Goes with the next byte of `output`.
  private var attached: NestedDescriptors?
  /// A call is being worked on; nothing is read meanwhile.
  var isBusy = false
  /// The call that is being worked on wants no reply.
  var isOneway = false
  var stream: RecordStream?
  /// A part of the record is being read by a worker.
  var isReadingPart = false
  /// Something has happened meanwhile that the part may not have in it.
  var hasNews = false
  /// It will have its turn without anything more happening on it.
  var hasTurn = false
  /// Whether its process belongs to a session, once that has been looked at.
  var isInside: Bool?
  /// The sessions had ended when their records were last found to be at their end.
  var hasSeenEnd = false
  var closesWhenSent = false
  /// The peer has closed; only what runs already keeps this.
  var isHungUp = false
  var interest: EpollEvents = []
  /// When the peer has to have got on with what it is at.
  var deadline: Deadline
  /// For eviction: the one that has been still for longest goes first.
  var lastActivity: UInt64
  /// Bytes of unfinished and waiting messages, as counted for the user.
  var countedBytes = 0

  init(id: UInt64, socket: consuming UnixSocket, peer: ControlPeer, deadline: Deadline) {
    self.id = id
    self.socket = socket
    self.peer = peer
    self.deadline = deadline
    lastActivity = monotonicNanoseconds()
  }

  var uid: UInt32 { peer.uid }
  var hasOutput: Bool { sent < output.count }
  var heldBytes: Int { framer.pendingCount + queuedBytes }
  var hasQueued: Bool { !queued.isEmpty }
  /// Another call may be begun. Not before the reply to the last one has been taken: what a peer doesn't read is not to pile up here.
  var isFree: Bool { !isBusy && !hasOutput && stream == nil && !closesWhenSent }
  /// More may be read.
  var wantsInput: Bool { isFree && !hasQueued }
  /// Nothing is under way: it can be closed without anybody missing an answer.
  var isIdle: Bool { !isBusy && !hasOutput && stream == nil && !hasQueued }

  func enqueue(_ messages: [[UInt8]]) {
    queued += messages
    queuedBytes += messages.reduce(0) { $0 + $1.count }
  }

  func takeQueued() -> [UInt8]? {
    guard let message = queued.popFirst() else { return nil }
    queuedBytes -= message.count
    // A slice keeps what was taken from it.
    if queued.isEmpty { queued = [] }
    return message
  }

  func forgetInput() {
    (queued, queuedBytes) = ([], 0)
    framer = MessageFramer(limit: MessageFramer.controlLimit)
  }

  func queueOutput(_ bytes: [UInt8]) {
    if sent == output.count {
      output = bytes
      sent = 0
    } else {
      output += bytes
    }
  }

  /// What is queued next brings the launcher's end of the connection along.
  func attach(_ nested: NestedDescriptors) { attached = nested }

  /// Sends what the socket takes; false when the peer is gone.
  func flush() -> Bool {
    while hasOutput {
      do {
        let count = try socket.send(output[sent...], descriptors: attached.map { [$0.launcherLink.rawValue] } ?? [])
        if count == 0 { return true }
        attached = nil
        sent += count
        lastActivity = monotonicNanoseconds()
      } catch {
        return false
      }
    }
    output = []
    sent = 0
    return true
  }
}
