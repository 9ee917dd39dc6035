import AgentshProtocol
import FoundationEssentials
import Glibc
import TestSupport
import Testing

/// Another reader of JSON, Python's, with what agentsh refuses beyond the standard refused there too.
private let reference = """
  import base64, json, sys
  def refuse(*ignored): raise ValueError
  def pairs(members):
      if len({name for name, _ in members}) != len(members): raise ValueError
      return dict(members)
  def depth(value):
      if isinstance(value, dict): return 1 + max([depth(inner) for inner in value.values()], default=0)
      if isinstance(value, list): return 1 + max([depth(inner) for inner in value], default=0)
      return 0
  def number(text):
      if len(text) > 64 and not (text.lstrip("-").isdigit() and -2**63 <= int(text) < 2**63): raise ValueError
      return 0
  def texts(value):
      if isinstance(value, str): yield value
      if isinstance(value, dict):
          for name, inner in value.items(): yield name; yield from texts(inner)
      if isinstance(value, list):
          for inner in value: yield from texts(inner)
  out = []
  for line in sys.stdin:
      try:
          value = json.loads(base64.b64decode(line).decode("utf-8"), parse_constant=refuse, object_pairs_hook=pairs, parse_int=number, parse_float=number)
          if depth(value) > 32: raise ValueError
          for text in texts(value): text.encode("utf-8")
          out.append("1")
      except (ValueError, RecursionError): out.append("0")
  print("".join(out))
  """

@Suite struct JSONReferenceTests {
  @Test func anotherParserAgreesOnWhatIsJSON() throws {
    var texts: [[UInt8]] = []
    for folder in ["json", "varlink", "handshake", "plan"] { texts += CorpusFile.all(folder).map(\.bytes) }
    var random = SeededGenerator(seed: 7)
    let originals = texts.filter { $0.count < 2048 }
    for _ in 0..<6000 {
      texts.append(random.changed(originals.randomElement(using: &random) ?? [], with: originals.randomElement(using: &random) ?? []))
    }
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("agentsh-json-\(getpid())-\(random.next())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try Data(reference.utf8).write(to: folder.appendingPathComponent("reference.py"))
    try Data(texts.map { Base64.encode($0) + "\n" }.joined().utf8).write(to: folder.appendingPathComponent("texts"))
    // SAFETY: the text lives for the call, which keeps nothing of it.
    let status = unsafe system("cd '\(folder.path)' && python3 reference.py <texts >answers")
    try #require(status == 0)
    let answers = Array(try Data(contentsOf: folder.appendingPathComponent("answers")))
    try #require(answers.count == texts.count + 1)
    var valid = 0
    for (text, answer) in zip(texts, answers) {
      let isValid = (try? JSONValue.parse(text)) != nil
      if isValid { valid += 1 }
      #expect(isValid == (answer == UInt8(ascii: "1")), "\(String(decoding: text, as: UTF8.self).debugDescription)")
    }
    // Both kinds were asked about.
    #expect(valid > 100 && texts.count - valid > 100)
  }
}
