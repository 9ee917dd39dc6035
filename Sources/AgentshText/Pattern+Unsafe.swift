import CAgentshRegex

/// Why a regular expression can't be used.
public struct PatternError: Error, Sendable, Equatable, CustomStringConvertible {
  /// RE2's own words.
  public let description: String
}

/// A compiled regular expression in RE2 syntax, matched on bytes in time linear in the text.
///
/// Immutable, so any number of threads may match with it at once.
/// The corresponding library is RE2; its syntax is described in `re2/doc/syntax.txt`.
@safe public final class Pattern: @unchecked Sendable {
  // SAFETY: set once, freed once in deinit; RE2 allows concurrent matching on a const object.
  private let regex: OpaquePointer

  /// The expression as written.
  public let source: String

  /// Compiles `source`.
  ///
  /// - Parameters:
  ///   - dotMatchesNewline: whether `.` matches a newline too; wanted where a newline must not carry text past a pattern.
  ///   - memory: most bytes that the compiled form and its caches may take.
  public init(_ source: String, dotMatchesNewline: Bool = false, memory: Int = 1 << 20) throws(PatternError) {
    self.source = source
    var reason = [CChar](repeating: 0, count: 256)
    let bytes = Array(source.utf8)
    let compiled = unsafe bytes.withUnsafeBufferPointer { pattern in
      unsafe reason.withUnsafeMutableBufferPointer { text in
        // SAFETY: both buffers live for the call, and their sizes are given with them.
        unsafe ash_regex_compile(
          pattern.baseAddress, pattern.count, dotMatchesNewline ? 1 : 0, max(memory, 1 << 12), text.baseAddress, text.count)
      }
    }
    guard let compiled = unsafe compiled else {
      let text = reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      throw PatternError(description: String(decoding: text, as: UTF8.self))
    }
    unsafe regex = compiled
  }

  deinit { unsafe ash_regex_free(regex) }

  /// Whether it matches anywhere in `text`; nil when that can't be told, which a caller has to take for the worse.
  public func matches(_ text: [UInt8]) -> Bool? {
    let result = unsafe text.withUnsafeBufferPointer { bytes in
      // SAFETY: the buffer lives for the call.
      unsafe ash_regex_match(regex, bytes.baseAddress, bytes.count)
    }
    return result < 0 ? nil : result == 1
  }
}
