/// A message that travels as one JSON object.
public protocol WireMessage: Sendable {
  var object: JSONObject { get }
  init(object: JSONObject) throws(ProtocolError)
}

extension WireMessage {
  /// Decodes one message: a frame without its NUL, or one packet of the server's channel.
  public static func decode(_ bytes: [UInt8]) throws(ProtocolError) -> Self {
    try Self(object: try JSONObject.parse(bytes))
  }

  /// The bytes of one packet (the channel between server and supervisor keeps packets apart).
  public var packet: [UInt8] { object.encoded() }

  /// The bytes on a stream: the object and the NUL that ends it.
  public var frame: [UInt8] {
    var bytes = object.encoded()
    bytes.append(0)
    return bytes
  }
}
