internal import AgentshProtocol
internal import ArgumentParser

/// An argument as bytes: a path, or anything else that is not to be changed.
struct ArgumentBytes: ExpressibleByArgument, Equatable, Sendable {
  let bytes: [UInt8]

  init(argument: String) { bytes = ArgumentText.decode(argument) }

  init(bytes: [UInt8]) { self.bytes = bytes }

  /// Ready to be shown.
  var displayed: String { displayEscaped(bytes) }

  var defaultValueDescription: String { displayed }

  static var defaultCompletionKind: CompletionKind { .file() }
}
