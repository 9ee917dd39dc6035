import AgentshProtocol
import AgentshSystem
import SystemPackage

/// The packet socket between the supervisor and the server (the launcher, in embedded mode). Belongs to the thread of the event loop.
final class ServerChannel {
  private let socket: UnixSocket
  /// False once the server has gone: the session goes on without it.
  private(set) var isOpen = true

  init(_ socket: consuming UnixSocket) throws(SyscallError) {
    try setNonBlocking(socket.rawValue)
    self.socket = socket
  }

  var rawValue: CInt { socket.rawValue }

  /// Sends what the server has to know, waiting for room a little while; false when it could not be sent.
  @discardableResult func tell(_ report: SupervisorReport, descriptors: [CInt] = [], milliseconds: Int64 = 2000) -> Bool {
    guard isOpen else { return false }
    do throws(SyscallError) {
      try socket.sendAll(report.packet, descriptors: descriptors, deadline: .after(milliseconds: milliseconds))
      return true
    } catch {
      if error.errno != .timedOut { isOpen = false }
      return false
    }
  }

  /// Sends something only if there is room now.
  func tellIfRoom(_ report: SupervisorReport) -> Bool {
    guard isOpen else { return true }
    do throws(SyscallError) {
      return try socket.send(report.packet[...]) > 0
    } catch {
      isOpen = false
      return true
    }
  }

  /// Another descriptor of it, for another thread to send through.
  func duplicate() throws(SyscallError) -> OwnedDescriptor { try socket.descriptor.duplicate() }

  /// An order, and the descriptors that came with it.
  final class Received {
    let order: ServerOrder
    private var descriptors: DescriptorList

    init(_ order: ServerOrder, _ descriptors: consuming DescriptorList) {
      self.order = order
      self.descriptors = descriptors
    }

    var count: Int { descriptors.count }
    func takeFirst() -> OwnedDescriptor? { descriptors.takeFirst() }
  }

  /// What the server has said; packets that are none of its orders are dropped.
  func orders() -> [Received] {
    var orders: [Received] = []
    while isOpen {
      do throws(SyscallError) {
        guard let packet = try socket.receive(atMost: MessageFramer.sessionLimit + 1) else { break }
        if packet.isEnd {
          isOpen = false
          break
        }
        if let order = try? ServerOrder.decode(packet.bytes) { orders.append(Received(order, packet.descriptors)) }
      } catch {
        isOpen = false
      }
    }
    return orders
  }
}
