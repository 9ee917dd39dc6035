import Glibc

/// What a trapped call gets back.
enum Answer: Sendable {
  /// It was performed for the target and returned this.
  case value(Int64)
  /// It fails with this errno (positive), as the kernel would have said it or because it is refused.
  case failure(CInt)
  /// The kernel performs it: only for calls decided on registers alone, and for exec, which is verified afterwards.
  case proceed
  /// The answer was sent already, together with a descriptor or before a verification.
  case sent
}

/// Why a handler stopped early: the call fails with an errno, or there is no one left to answer.
enum CallFailure: Error, Sendable, Equatable {
  case errno(CInt)
  /// The target died or was interrupted; an answer would go nowhere.
  case gone
  /// The target's open has returned, without its descriptor (`SeccompListener.answer(_:injecting:closeOnExec:)`); or the target died, unless that is certain.
  case lost(isCertain: Bool)
}
