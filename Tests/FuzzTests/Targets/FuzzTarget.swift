/// A reader of bytes from outside, and what must be true of it whatever the bytes are.
///
/// The same functions run under `make test` (every file of the corpus, and seeded changes of it) and under `make fuzz` (libFuzzer, for as long as wanted).
struct FuzzTarget: Sendable {
  enum Outcome: Equatable, Sendable {
    /// The bytes were read as what they are to be.
    case taken
    /// They were refused, with an error that says why.
    case refused
    /// Something that must always be true was not.
    case wrong(String)
  }

  /// Also the name of the corpus: a folder of Tests/Fuzz.
  let name: String
  /// Byte strings that the reader looks for.
  let dictionary: [String]
  let check: @Sendable ([UInt8]) -> Outcome

  init(_ name: String, dictionary: [String] = [], _ check: @escaping @Sendable ([UInt8]) -> Outcome) {
    self.name = name
    self.dictionary = dictionary
    self.check = check
  }

  static let all: [FuzzTarget] = [
    .policy, .configuration, .glob, .address, .json, .varlink, .handshake, .plan, .record, .recordWriting, .socketAddress, .message, .arguments,
    .executable, .openHow, .nameMessage, .nameFiles,
  ]
}

extension FuzzTarget.Outcome {
  static func of(_ taken: Bool) -> Self { taken ? .taken : .refused }
}

/// Equality of what two readings gave, also where both gave an error.
func same<Value: Equatable>(_ first: Value?, _ second: Value?) -> Bool { first == second }
