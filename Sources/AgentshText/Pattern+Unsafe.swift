import CAgentshRegex
import Synchronization

/// Why a regular expression can't be used.
public struct PatternError: Error, Sendable, Equatable, CustomStringConvertible {
  /// RE2's own words.
  public let description: String
}

/// A regular expression in RE2 syntax, matched on bytes in time linear in the text.
///
/// Any number of threads may match with it at once.
/// The corresponding library is RE2; its syntax is described in `re2/doc/syntax.txt`.
public final class Pattern: Sendable {
  /// The expression as written.
  public let source: String

  private let dotMatchesNewline: Bool
  private let memory: Int
  private let compiled = AtomicLazyReference<CompiledPattern>()

  /// Compiles `source`.
  ///
  /// - Parameters:
  ///   - dotMatchesNewline: whether `.` matches a newline too; wanted where a newline must not carry text past a pattern.
  ///   - memory: most bytes that the compiled form and its caches may take.
  public convenience init(_ source: String, dotMatchesNewline: Bool = false, memory: Int = 1 << 20) throws(PatternError) {
    self.init(checked: source, dotMatchesNewline: dotMatchesNewline, memory: memory)
    if let reason = compiledNow().problem { throw PatternError(description: reason) }
  }

  /// Takes `source`, which somebody has compiled before, and compiles it when it is first matched; when that fails,
  /// nothing that is asked of it can be told.
  public init(checked source: String, dotMatchesNewline: Bool = false, memory: Int = 1 << 20) {
    self.source = source
    self.dotMatchesNewline = dotMatchesNewline
    self.memory = memory
  }

  /// Whether it matches anywhere in `text`; nil when that can't be told, which a caller has to take for the worse.
  public func matches(_ text: [UInt8]) -> Bool? { (compiled.load() ?? compiledNow()).matches(text) }

  /// Of threads that compile it at the same time, one gets to keep what it made.
  private func compiledNow() -> CompiledPattern {
    compiled.storeIfNil(CompiledPattern(source, dotMatchesNewline: dotMatchesNewline, memory: memory))
  }
}

/// What RE2 made of an expression: a program, or a reason why there is none.
@safe private final class CompiledPattern: @unchecked Sendable {
  // SAFETY: set once, freed once in deinit; RE2 allows concurrent matching on a const object.
  private let regex: OpaquePointer?
  /// Nil exactly when there is a program.
  let problem: String?

  init(_ source: String, dotMatchesNewline: Bool, memory: Int) {
    var reason = [CChar](repeating: 0, count: 256)
    let bytes = Array(source.utf8)
    let compiled = unsafe bytes.withUnsafeBufferPointer { pattern in
      unsafe reason.withUnsafeMutableBufferPointer { text in
        // SAFETY: both buffers live for the call, and their sizes are given with them.
        unsafe ash_regex_compile(
          pattern.baseAddress, pattern.count, dotMatchesNewline ? 1 : 0, max(memory, 1 << 12), text.baseAddress, text.count)
      }
    }
    unsafe regex = compiled
    problem =
      unsafe compiled == nil
      ? String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
  }

  deinit { if let regex = unsafe regex { unsafe ash_regex_free(regex) } }

  func matches(_ text: [UInt8]) -> Bool? {
    guard let regex = unsafe regex else { return nil }
    let result = unsafe text.withUnsafeBufferPointer { bytes in
      // SAFETY: the buffer lives for the call.
      unsafe ash_regex_match(regex, bytes.baseAddress, bytes.count)
    }
    return result < 0 ? nil : result == 1
  }
}
