import AgentshPolicy

/// A file system in memory, in which things keep their identity when they get other names: what Landlock's rules hang on.
struct ModelTree {
  struct Node {
    var parent: Int
    var name: String
    let isDirectory: Bool
    var children: [String: Int] = [:]
  }

  static let root = 0
  private(set) var nodes: [Int: Node] = [0: Node(parent: 0, name: "", isDirectory: true)]
  private var next = 1

  subscript(_ id: Int) -> Node { nodes[id] ?? Node(parent: 0, name: "?", isDirectory: false) }

  func path(_ id: Int) -> String {
    var path = ""
    var current = id
    while current != Self.root {
      path = "/" + self[current].name + path
      current = self[current].parent
    }
    return path.isEmpty ? "/" : path
  }

  func find(_ path: String) -> Int? {
    var current = Self.root
    for name in path.split(separator: "/") {
      guard let child = self[current].children[String(name)] else { return nil }
      current = child
    }
    return current
  }

  /// The node itself and all above it.
  func upwards(_ id: Int) -> [Int] {
    var result = [id]
    while let last = result.last, last != Self.root { result.append(self[last].parent) }
    return result
  }

  @discardableResult
  mutating func make(_ parent: Int, _ name: String, isDirectory: Bool) -> Int {
    nodes[next] = Node(parent: parent, name: name, isDirectory: isDirectory)
    nodes[parent]?.children[name] = next
    next += 1
    return next - 1
  }

  mutating func remove(_ id: Int) {
    detach(id)
    nodes[id] = nil
  }

  private mutating func detach(_ id: Int) {
    let node = self[id]
    nodes[node.parent]?.children[node.name] = nil
  }

  mutating func move(_ id: Int, to parent: Int, _ name: String) {
    if let there = self[parent].children[name] { remove(there) }
    detach(id)
    nodes[id]?.parent = parent
    nodes[id]?.name = name
    nodes[parent]?.children[name] = id
  }

  /// Makes a path with all directories above it.
  mutating func add(_ path: String, isDirectory: Bool) {
    var current = Self.root
    let names = path.split(separator: "/").map { String($0) }
    for (index, name) in names.enumerated() {
      current = self[current].children[name] ?? make(current, name, isDirectory: isDirectory || index + 1 < names.count)
    }
  }
}

/// What a kernel with Landlock does under a floor: a ruleset made of its grants when the session starts, by landlock(7) and security/landlock/fs.c.
struct ModelKernel {
  var tree: ModelTree
  private let handled: FloorRights
  private let rules: [Int: FloorRights]

  init(_ tree: ModelTree, _ floor: PolicyFloor) {
    self.tree = tree
    handled = floor.handledRights
    var rules: [Int: FloorRights] = [:]
    for grant in floor.grants {
      if let node = tree.find(String(decoding: grant.path, as: UTF8.self)) { rules[node, default: []].formUnion(grant.rights) }
    }
    self.rules = rules
  }

  private func rights(_ node: Int) -> FloorRights { tree.upwards(node).reduce(FloorRights()) { $0.union(rules[$1] ?? []) } }

  func permits(_ wanted: FloorRights, at node: Int) -> Bool { rights(node).isSuperset(of: wanted.intersection(handled)) }

  /// A name in `directory` for something that has one elsewhere: renameat2(2), linkat(2).
  func permitsMoving(_ node: Int, to directory: Int, removes: Bool, replacing: Int?) -> Bool {
    let moved = tree[node]
    let old = moved.parent
    if removes, !permits(moved.isDirectory ? .removeDir : .removeFile, at: old) { return false }
    if !permits(moved.isDirectory ? .makeDir : .makeReg, at: directory) { return false }
    if let replacing, !permits(tree[replacing].isDirectory ? .removeDir : .removeFile, at: directory) { return false }
    if old == directory { return true }
    guard permits(.refer, at: old), permits(.refer, at: directory) else { return false }
    // Nothing may gain a right by its new place.
    let concerned = moved.isDirectory ? handled : handled.intersection([.execute, .writeFile, .readFile, .truncate, .ioctlDev])
    return rights(old).union(rules[node] ?? []).isSuperset(of: rights(directory).intersection(concerned))
  }
}
