import CLibYAML

extension YAMLDocument {
  /// Reads one YAML document. Duplicate keys, keys that aren't scalars, merge keys, tags, a second document, undefined or
  /// recursive aliases, and anything beyond `limits` are problems.
  public init(parsing file: [UInt8], limits: YAMLLimits = YAMLLimits()) {
    // Some editors write a byte order mark: it is no part of the text, and a parser that is told the encoding does not look for one.
    let source = file.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(file.dropFirst(3)) : file
    guard source.count <= limits.bytes else {
      self.init(
        root: nil,
        problems: [
          YAMLProblem(
            position: TextPosition(line: 1, column: 1),
            message: "\(source.count) bytes are too many: at most \(limits.bytes) are read")
        ])
      return
    }
    var builder = YAMLBuilder(limits: limits)
    unsafe source.withUnsafeBufferPointer { bytes in
      var parser = unsafe yaml_parser_t()
      guard unsafe yaml_parser_initialize(&parser) == 1 else {
        builder.fail(at: TextPosition(line: 1, column: 1), "out of memory")
        return
      }
      defer { unsafe yaml_parser_delete(&parser) }
      // SAFETY: the buffer outlives the parser, which is deleted in this scope.
      unsafe yaml_parser_set_input_string(&parser, bytes.baseAddress, bytes.count)
      unsafe yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING)
      while !builder.isFinished {
        var event = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(&parser, &event) == 1 else {
          builder.fail(at: unsafe Self.position(of: parser, in: bytes), unsafe Self.problem(of: parser))
          return
        }
        defer { unsafe yaml_event_delete(&event) }
        unsafe builder.take(event)
      }
    }
    self.init(root: builder.root, problems: builder.problems)
  }

  private static func position(of parser: yaml_parser_t, in bytes: UnsafeBufferPointer<UInt8>) -> TextPosition {
    // A reader error (no UTF-8, a control character) has an offset and no mark.
    if unsafe parser.error == YAML_READER_ERROR {
      let before = unsafe bytes.prefix(Int(clamping: parser.problem_offset))
      let line = unsafe before.reduce(1) { $0 + ($1 == 10 ? 1 : 0) }
      let column = unsafe before.reversed().prefix { $0 != 10 }.count + 1
      return TextPosition(line: line, column: column)
    }
    return unsafe TextPosition(parser.problem_mark)
  }

  private static func problem(of parser: yaml_parser_t) -> String {
    // SAFETY: libyaml's problem and context are string literals of its own, or null.
    let problem = unsafe parser.problem.map { unsafe String(cString: $0) } ?? "not YAML"
    guard let context = unsafe parser.context.map({ unsafe String(cString: $0) }) else { return problem }
    return "\(problem) (\(context))"
  }
}

extension TextPosition {
  fileprivate init(_ mark: yaml_mark_t) {
    self.init(line: Int(clamping: mark.line).addingReportingOverflow(1).partialValue, column: Int(clamping: mark.column) + 1)
  }
}

/// Makes a tree of libyaml's events, with its own stack: the depth of a text never becomes the depth of ours.
private struct YAMLBuilder {
  private struct Frame {
    let position: TextPosition
    let anchor: String?
    var isMapping: Bool
    var items: [YAMLNode] = []
    var entries: [YAMLNode.Entry] = []
    /// The keys, once there are so many that looking through the entries would take long.
    var keys: Set<String>?
    var pendingKey: (text: String, position: TextPosition)?
    /// A key that can't be used: its value is read and dropped.
    var dropsNext = false
    var weight = 1

    /// Whether the key hasn't been there before; notes it.
    mutating func isNew(_ key: String) -> Bool {
      if keys != nil { return keys?.insert(key).inserted ?? false }
      if entries.count < 24 { return !entries.contains { $0.key == key } }
      var all = Set(entries.map(\.key))
      let isNew = all.insert(key).inserted
      keys = all
      return isNew
    }
  }

  let limits: YAMLLimits
  private(set) var root: YAMLNode?
  private(set) var problems: [YAMLProblem] = []
  private(set) var isFinished = false
  private var stack: [Frame] = []
  private var anchors: [String: YAMLNode] = [:]
  private var nodes = 0

  init(limits: YAMLLimits) { self.limits = limits }

  /// Ends the reading.
  mutating func fail(at position: TextPosition, _ message: String) {
    note(at: position, message)
    isFinished = true
    root = nil
  }

  private mutating func note(at position: TextPosition, _ message: String) {
    problems.append(YAMLProblem(position: position, message: message))
  }

  mutating func take(_ event: yaml_event_t) {
    let position = TextPosition(unsafe event.start_mark)
    switch unsafe event.type {
    case YAML_STREAM_END_EVENT:
      isFinished = true
    case YAML_DOCUMENT_START_EVENT:
      if root != nil { fail(at: position, "a second document: one file holds one") }
    case YAML_ALIAS_EVENT:
      let name = unsafe Self.text(event.data.alias.anchor) ?? ""
      guard let node = anchors[name] else {
        fail(at: position, "unknown anchor *\(name) (an anchor can't be used inside itself)")
        return
      }
      add(node, anchor: nil)
    case YAML_SCALAR_EVENT:
      let scalar = unsafe event.data.scalar
      // SAFETY: libyaml gives `length` bytes that live as long as the event; they are copied here.
      let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: Int(clamping: scalar.length))
      let text = unsafe String(decoding: bytes, as: UTF8.self)
      let tag = unsafe Self.text(scalar.tag)
      if let tag, tag != "!", tag != "tag:yaml.org,2002:str" {
        note(at: position, "tag \(tag) isn't supported")
      }
      let plain = unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE
      add(
        YAMLNode(content: .scalar(text, quoted: !plain || tag != nil), position: position, weight: 1),
        anchor: unsafe Self.text(scalar.anchor))
    case YAML_SEQUENCE_START_EVENT:
      let start = unsafe event.data.sequence_start
      if let tag = unsafe Self.text(start.tag), tag != "!" { note(at: position, "tag \(tag) isn't supported") }
      open(Frame(position: position, anchor: unsafe Self.text(start.anchor), isMapping: false))
    case YAML_MAPPING_START_EVENT:
      let start = unsafe event.data.mapping_start
      if let tag = unsafe Self.text(start.tag), tag != "!" { note(at: position, "tag \(tag) isn't supported") }
      open(Frame(position: position, anchor: unsafe Self.text(start.anchor), isMapping: true))
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
      close()
    default:
      break
    }
  }

  private mutating func open(_ frame: Frame) {
    guard stack.count < limits.depth else {
      fail(at: frame.position, "nested too deeply: at most \(limits.depth) levels are read")
      return
    }
    stack.append(frame)
  }

  private mutating func close() {
    guard let frame = stack.popLast() else { return }
    let content: YAMLNode.Content = frame.isMapping ? .mapping(frame.entries) : .sequence(frame.items)
    add(YAMLNode(content: content, position: frame.position, weight: frame.weight), anchor: frame.anchor, isNew: false)
  }

  private mutating func add(_ node: YAMLNode, anchor: String?, isNew: Bool = true) {
    // Aliases are shared, not copied, but whoever walks the tree walks them each time: so they are counted each time.
    nodes = nodes.addingReportingOverflow(isNew ? node.weight : 1).partialValue
    guard nodes >= 0, nodes <= limits.nodes else {
      fail(at: node.position, "too much: at most \(limits.nodes) values are read, aliases counted each time")
      return
    }
    if let anchor { anchors[anchor] = node }
    guard !stack.isEmpty else {
      root = node
      return
    }
    let top = stack.count - 1
    stack[top].weight += node.weight
    guard stack[top].isMapping else {
      stack[top].items.append(node)
      return
    }
    if stack[top].dropsNext {
      stack[top].dropsNext = false
    } else if let key = stack[top].pendingKey {
      stack[top].pendingKey = nil
      stack[top].entries.append(YAMLNode.Entry(key: key.text, keyPosition: key.position, value: node))
    } else if case .scalar(let text, let quoted) = node.content {
      if text == "<<" && !quoted {
        note(at: node.position, "merge keys (<<) aren't supported: write the keys out")
        stack[top].dropsNext = true
      } else if !stack[top].isNew(text) {
        note(at: node.position, "key \"\(text)\" stands twice in this mapping")
        stack[top].dropsNext = true
      } else {
        stack[top].pendingKey = (text, node.position)
      }
    } else {
      note(at: node.position, "a key can't be a list or a mapping")
      stack[top].dropsNext = true
    }
  }

  private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
    // SAFETY: libyaml's anchors and tags are NUL-terminated and live as long as the event.
    unsafe pointer.map { unsafe String(cString: $0) }
  }
}
