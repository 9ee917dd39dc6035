import AgentshSystem

/// Calls that were received and wait for a thread to answer them: in turn of the processes that made them, so that a process that floods its supervisor
/// with many threads holds up itself and hardly anybody else. Within a process they come in the order in which they were received.
///
/// A process that has no call here yet gets its first turn before those that have: who calls now and then never waits behind a flood. A few such turns
/// in a row are enough; then it is the others' turn.
struct Backlog {
  private struct Queue<Element> {
    private var elements: [Element] = []
    private var next = 0

    var isEmpty: Bool { next == elements.count }

    mutating func add(_ element: Element) { elements.append(element) }

    mutating func take() -> Element? {
      guard elements.indices.contains(next) else { return nil }
      let element = elements[next]
      next += 1
      if next == elements.count || (next >= 64 && next * 2 >= elements.count) {
        elements.removeFirst(next)
        next = 0
      }
      return element
    }
  }

  /// Most turns of newcomers in a row.
  private static let mostInARow = 4

  private var calls: [Int32: Queue<TrappedCall>] = [:]
  /// The processes that have calls here, each in one of the two, in the order of their turns.
  private var newcomers = Queue<Int32>()
  private var others = Queue<Int32>()
  private var inARow = 0
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  mutating func add(_ call: TrappedCall, of process: Int32) {
    if calls[process] == nil { newcomers.add(process) }
    calls[process, default: Queue()].add(call)
    count += 1
  }

  /// The call whose turn it is; nil when there is none.
  mutating func take() -> TrappedCall? {
    guard let process = nextProcess(), let call = calls[process]?.take() else { return nil }
    count -= 1
    if calls[process]?.isEmpty ?? true {
      calls[process] = nil
    } else {
      others.add(process)
    }
    return call
  }

  private mutating func nextProcess() -> Int32? {
    if !newcomers.isEmpty, others.isEmpty || inARow < Self.mostInARow {
      inARow += 1
      return newcomers.take()
    }
    inARow = 0
    return others.take()
  }
}
