import FoundationEssentials

/// One file of `Tests/Fuzz`: its name says whether a parser must take it.
public struct CorpusFile: Sendable, CustomStringConvertible {
  public let name: String
  public let bytes: [UInt8]

  public var mustBeTaken: Bool { name.hasPrefix("accept-") }
  public var description: String { name }

  /// The files of one folder; empty where the folder is missing, which a test of its own finds.
  public static func all(_ folder: String) -> [CorpusFile] {
    let tests = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
    let directory = tests + "/Fuzz/" + folder
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    return names.sorted().compactMap { name in
      FileManager.default.contents(atPath: directory + "/" + name).map { CorpusFile(name: name, bytes: Array($0)) }
    }
  }
}
