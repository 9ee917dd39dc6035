import AgentshPolicy
import AgentshSystem
import FoundationEssentials
import Glibc
import Testing

@testable import AgentshSupervision

/// What the model of a floor says a call does, and the change that it makes.
private struct Step {
  let call: KernelCall
  let isPermitted: Bool
}

/// Whether `ModelKernel`, by which the tiers are tested, is the kernel's own way.
@Suite(.serialized) struct TierKernelTests {
  private static let rights: [FloorRights] = [
    [.readFile, .readDir], [.readFile], [.readDir], [.writeFile, .truncate], [.writeFile], [.truncate], [.makeReg, .writeFile], [.makeDir, .removeDir], [.removeFile],
    [.makeSym, .makeFifo], [.refer], [.refer, .makeReg, .removeFile], [.refer, .makeReg, .makeDir, .removeFile, .removeDir],
    [.refer, .makeReg, .makeDir, .removeFile, .removeDir, .readFile, .readDir, .writeFile, .truncate], [.execute],
  ]
  private static let directories = ["a", "a/b", "a/b/c", "d", "d/e"]

  private func prepare(_ top: String) -> ModelTree {
    var tree = ModelTree()
    for directory in Self.directories { tree.add("\(top)/\(directory)", isDirectory: true) }
    for directory in [""] + Self.directories.map({ "/" + $0 }) { tree.add("\(top)\(directory)/f", isDirectory: false) }
    for directory in Self.directories { _ = KernelCall.makeDirectory("\(top)/\(directory)").run() }
    for directory in [""] + Self.directories.map({ "/" + $0 }) { _ = KernelCall.create("\(top)\(directory)/f").run() }
    return tree
  }

  /// A call somewhere below `top`, and what the model makes of it.
  private func step(_ kernel: inout ModelKernel, _ top: String, _ number: Int, _ random: inout Seeded) -> Step? {
    let nodes = kernel.tree.nodes.keys.sorted().filter { kernel.tree.path($0).hasPrefix(top + "/") }
    guard let node = nodes.randomElement(using: &random) else { return nil }
    let folders = nodes.filter { kernel.tree[$0].isDirectory } + [kernel.tree.find(top) ?? 0]
    guard let folder = folders.randomElement(using: &random) else { return nil }
    let path = kernel.tree.path(node)
    let isDirectory = kernel.tree[node].isDirectory
    let parent = kernel.tree[node].parent
    let name = ["f", "g", "b", "n\(number)"].randomElement(using: &random) ?? "g"
    let target = kernel.tree.path(folder) + "/" + name
    let existing = kernel.tree[folder].children[name]
    switch Int.random(in: 0..<10, using: &random) {
    case 0, 1: return Step(call: .read(path), isPermitted: kernel.permits(isDirectory ? .readDir : .readFile, at: node))
    case 2: return isDirectory ? nil : Step(call: .write(path), isPermitted: kernel.permits(.writeFile, at: node))
    case 3: return isDirectory ? nil : Step(call: .truncate(path), isPermitted: kernel.permits(.truncate, at: node))
    case 4:
      if existing != nil { return nil }
      // Makes the file even where opening it is refused afterwards.
      let isMade = kernel.permits(.makeReg, at: folder)
      if isMade { kernel.tree.make(folder, name, isDirectory: false) }
      return Step(call: .create(target), isPermitted: isMade && kernel.permits(.writeFile, at: folder))
    case 5:
      if existing != nil { return nil }
      let isPermitted = kernel.permits(.makeDir, at: folder)
      if isPermitted { kernel.tree.make(folder, name, isDirectory: true) }
      return Step(call: .makeDirectory(target), isPermitted: isPermitted)
    case 6:
      guard kernel.tree[node].children.isEmpty else { return nil }
      let isPermitted = kernel.permits(isDirectory ? .removeDir : .removeFile, at: parent)
      if isPermitted { kernel.tree.remove(node) }
      return Step(call: isDirectory ? .removeDirectory(path) : .remove(path), isPermitted: isPermitted)
    case 7:
      // Names that nothing else uses: the model knows neither links nor FIFOs.
      let place = kernel.tree.path(folder) + "/other\(number)"
      return number % 2 == 0
        ? Step(call: .makeLink(place), isPermitted: kernel.permits(.makeSym, at: folder)) : Step(call: .makeFIFO(place), isPermitted: kernel.permits(.makeFifo, at: folder))
    case 8:
      guard existing == nil, !isDirectory else { return nil }
      let isPermitted = kernel.permitsMoving(node, to: folder, removes: false, replacing: nil)
      // In the model the second name is another file, which nobody can tell: no rule stands on it.
      if isPermitted { kernel.tree.make(folder, name, isDirectory: false) }
      return Step(call: .link(path, target), isPermitted: isPermitted)
    default:
      guard existing != node, !kernel.tree.upwards(folder).contains(node) else { return nil }
      if let existing, kernel.tree[existing].isDirectory != isDirectory || !kernel.tree[existing].children.isEmpty { return nil }
      // Two names of one file: rename(2) does nothing then, and the model doesn't know.
      if existing != nil, !isDirectory { return nil }
      let isPermitted = kernel.permitsMoving(node, to: folder, removes: true, replacing: existing)
      if isPermitted { kernel.tree.move(node, to: folder, name) }
      return Step(call: .rename(path, target), isPermitted: isPermitted)
    }
  }

  @Test func theModelDoesWhatTheKernelDoes() throws {
    guard LandlockABI.running >= .truncating else {
      print("skipped: theModelDoesWhatTheKernelDoes: this kernel's Landlock is older than version 3")
      return
    }
    var (permitted, refused, moves) = (0, 0, 0)
    for seed: UInt64 in 0..<60 {
      var random = Seeded(seed)
      let top = try temporaryDirectory()
      defer { try? FileManager.default.removeItem(atPath: top) }
      let tree = prepare(top)
      let places = [top] + Self.directories.map { "\(top)/\($0)" }
      let grants = (0..<Int.random(in: 1...5, using: &random)).map { _ in
        PolicyFloor.Grant(
          path: Array((places.randomElement(using: &random) ?? top).utf8), rights: Self.rights.randomElement(using: &random) ?? .all)
      }
      let floor = PolicyFloor(grants: grants)
      var kernel = ModelKernel(tree, floor)
      let steps = (0..<60).compactMap { step(&kernel, top, $0, &random) }
      let found = try answers(of: steps.map(\.call), under: SessionFloor(floor, allowedCalls: []).rules)
      try #require(found.count == steps.count)
      for (number, step) in steps.enumerated() {
        let isPermitted = found[number] == 0
        #expect(isPermitted == step.isPermitted, "seed \(seed), \(step.call): errno \(found[number]) under \(grants.map { (String(decoding: $0.path, as: UTF8.self), $0.rights) })")
        if isPermitted != step.isPermitted { break }
        if isPermitted { permitted += 1 } else { refused += 1 }
        if case .rename = step.call, isPermitted { moves += 1 }
        if !isPermitted { #expect(found[number] == EACCES || found[number] == EXDEV, "\(step.call): errno \(found[number])") }
      }
    }
    #expect(permitted > 300 && refused > 300 && moves > 20, "\(permitted) permitted, \(refused) refused, \(moves) moves")
  }
}
