internal import CAgentshSystem

func openSignalDescriptor(_ signals: [Int32]) throws(SyscallError) -> OwnedDescriptor {
  OwnedDescriptor(
    owning: try syscall("signalfd") {
      // SAFETY: the array lives for the call and is passed with its length.
      unsafe signals.withUnsafeBufferPointer { unsafe ash_signalfd($0.baseAddress, $0.count) }
    })
}

func nextSignal(_ descriptor: CInt) -> Int32? {
  let number = ash_signalfd_read(descriptor)
  return number > 0 ? number : nil
}
