/// Why a number or text names no user.
public struct UserIDError: Error, Sendable, Equatable {
  /// Goes on after the field's name: "must be …".
  public let reason: String
}

/// User ids as messages and the environment write them.
public enum UserID {
  /// The highest user id there is: 2^32-1 means "no change" to setuid(2) and its like, and is nobody (CVE-2019-14287).
  public static let highest: UInt32 = 4_294_967_294

  /// A user id from an integer of a message.
  public static func checked(_ value: Int64) throws(UserIDError) -> UInt32 {
    guard let uid = UInt32(exactly: value), uid <= highest else {
      throw UserIDError(reason: "must be from 0 to \(highest), not \(value)")
    }
    return uid
  }

  /// A user id from text, as an environment variable holds it: decimal digits only, no sign, no space, no leading zero.
  public static func parse(_ text: String) throws(UserIDError) -> UInt32 {
    let digits = Array(text.utf8)
    guard !digits.isEmpty, digits.count <= 10, digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
      digits.count == 1 || digits.first != UInt8(ascii: "0"), let value = Int64(text), let uid = UInt32(exactly: value), uid <= highest
    else {
      // Whoever says this has the text at hand.
      throw UserIDError(reason: "must be a number from 0 to \(highest)")
    }
    return uid
  }
}
