/// What is told of a command line that is not told whole, by the word of whoever has it.
public struct CommandOmission: Sendable, Equatable {
  /// The most bytes of a command, one for each argument beside its own, that are told together with this: what a record writes without cutting it.
  public static let mostTold = 32 << 10

  /// How many arguments are missing, or cut.
  public let arguments: Int
  /// How many bytes of them, and of the NUL between two arguments.
  public let bytes: Int
  /// Lower-case hexadecimal SHA-256 of the whole: its arguments with a NUL between two.
  public let sha256: String

  public init(arguments: Int, bytes: Int, sha256: String) {
    self.arguments = arguments
    self.bytes = bytes
    self.sha256 = sha256
  }

  init?(_ fields: FieldReader, of command: [[UInt8]]) throws(ProtocolError) {
    guard let arguments = try fields.optionalCount("command_omitted") else {
      guard try fields.optionalCount("command_omitted_bytes") == nil, try fields.optionalString("command_sha256") == nil else {
        throw .invalid(field: "command_omitted", reason: "must stand beside the others")
      }
      return nil
    }
    guard let bytes = try fields.optionalCount("command_omitted_bytes"), let sha256 = try fields.optionalString("command_sha256"),
      let digest = Hexadecimal.decode(sha256), digest.count == 32, arguments > 0
    else { throw .invalid(field: "command_omitted", reason: "must come with the number of bytes and the SHA-256 of the whole") }
    guard command.reduce(0, { $0 + $1.count + 1 }) <= Self.mostTold else {
      throw .invalid(field: "command", reason: "must have at most \(Self.mostTold) bytes where something is left out")
    }
    self.init(arguments: arguments, bytes: bytes, sha256: sha256)
  }

  func add(to object: inout JSONObject) {
    object.add("command_omitted", .integer(Int64(arguments)))
    object.add("command_omitted_bytes", .integer(Int64(bytes)))
    object.add("command_sha256", .string(sha256))
  }
}
