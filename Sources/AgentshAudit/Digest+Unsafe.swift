import AgentshProtocol
import Crypto

/// SHA-256 (FIPS 180-4) over bytes that are already in memory, as hexadecimal digits.
public enum AuditDigest {
  /// 64 lower-case digits.
  public static func sha256(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    append(bytes[...], to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// Writes the 64 digits of the hash of `bytes`.
  static func append(_ bytes: ArraySlice<UInt8>, to text: inout [UInt8]) {
    var hash = SHA256()
    // SAFETY: the pointer is used only while the closure runs, and update() reads it and keeps nothing.
    unsafe bytes.withUnsafeBytes { buffer in unsafe hash.update(bufferPointer: buffer) }
    for byte in hash.finalize() {
      text.append(hexDigit(byte >> 4))
      text.append(hexDigit(byte))
    }
  }
}
