import Glibc
import Testing

@testable import AgentshSystem

private func grant(_ path: String, _ rights: LandlockRights) -> LandlockRules.Grant { .init(path: Array(path.utf8), rights: rights) }

/// Something that takes one right, done in a scratch directory that has `file`, `empty/` and `elsewhere/`.
struct Deed: Sendable, CustomTestStringConvertible {
  let name: String
  let right: LandlockRights
  /// What the kernel says where the right is there; 0 mostly.
  var answer: Int32 = 0
  var refusal: Int32 = EACCES
  var needsRoot = false
  /// Where it has to be granted; nil: the scratch directory.
  var anchor: String?
  let body: @Sendable (Scratch) -> Int32

  var testDescription: String { name }

  static let all: [Deed] = [
    Deed(name: "execute", right: .execute) { Calls.run($0("true")) },
    Deed(name: "write", right: .writeFile) { Calls.open($0("file"), O_WRONLY) },
    Deed(name: "read", right: .readFile) { Calls.open($0("file"), O_RDONLY) },
    Deed(name: "list", right: .readDir) { Calls.open($0("empty"), O_RDONLY | O_DIRECTORY) },
    Deed(name: "rmdir", right: .removeDir) { Calls.rmdir($0("empty")) },
    Deed(name: "unlink", right: .removeFile) { Calls.unlink($0("file")) },
    Deed(name: "character device", right: .makeChar, needsRoot: true) { Calls.mknod($0("new"), S_IFCHR, 0x103) },
    Deed(name: "mkdir", right: .makeDir) { Calls.mkdir($0("new")) },
    Deed(name: "create", right: .makeReg) { Calls.open($0("new"), O_WRONLY | O_CREAT) },
    Deed(name: "socket", right: .makeSock) { Calls.mknod($0("new"), S_IFSOCK) },
    Deed(name: "fifo", right: .makeFifo) { Calls.mknod($0("new"), S_IFIFO) },
    Deed(name: "block device", right: .makeBlock, needsRoot: true) { Calls.mknod($0("new"), S_IFBLK, 0x700) },
    Deed(name: "symlink", right: .makeSym) { Calls.symlink("file", $0("new")) },
    Deed(name: "move", right: .refer, refusal: EXDEV) { Calls.rename($0("file"), $0("elsewhere/file")) },
    Deed(name: "link", right: .refer, refusal: EXDEV) { Calls.link($0("file"), $0("elsewhere/file")) },
    Deed(name: "truncate", right: .truncate) { Calls.truncate($0("file")) },
    Deed(name: "open and truncate", right: .truncate) { Calls.open($0("file"), O_WRONLY | O_TRUNC) },
    Deed(name: "device request", right: .ioctlDev, answer: ENOTTY, anchor: "/dev/null") { _ in Calls.askDevice("/dev/null") },
  ]
}

@Suite struct LandlockTests {
  private func scratch() throws -> Scratch {
    let scratch = try Scratch()
    scratch.make("file")
    scratch.makeDirectory("empty")
    scratch.makeDirectory("elsewhere")
    _ = Calls.run("/bin/cp", "/bin/true", scratch("true"))
    return scratch
  }

  private func mayRun(_ deed: Deed) -> Bool {
    if deed.needsRoot, geteuid() != 0 {
      print("skipped, needs root: \(deed.name)")
      return false
    }
    return true
  }

  @Test(arguments: Deed.all) func aRightThatIsNotGrantedIsRefused(_ deed: Deed) throws {
    guard mayRun(deed) else { return }
    let scratch = try scratch()
    let rules = LandlockRules(grants: [
      grant("/", .all.subtracting(deed.right)), grant("/usr", .all), grant("/lib", .all), grant("/lib64", .all), grant("/bin", .all),
    ])
    #expect(try under(rules) { deed.body(scratch) } == deed.refusal)
    // Nothing but the ruleset stood in the way.
    #expect(try under(LandlockRules(grants: [grant("/", .all)])) { deed.body(scratch) } == deed.answer)
  }

  @Test(arguments: Deed.all) func aRightThatIsGrantedWorksThereAndNowhereElse(_ deed: Deed) throws {
    guard mayRun(deed) else { return }
    let (scratch, other) = (try scratch(), try scratch())
    let rules = LandlockRules(grants: [
      grant("/", .all.subtracting(deed.right)), grant("/usr", .all), grant("/lib", .all), grant("/lib64", .all), grant("/bin", .all),
      grant(deed.anchor ?? scratch.path, deed.right),
    ])
    if deed.anchor == nil { #expect(try under(rules) { deed.body(other) } == deed.refusal) }
    #expect(try under(rules) { deed.body(scratch) } == deed.answer)
  }

  @Test func whatIsGrantedAtTheRootIsNotHandledAtAll() {
    let all = LandlockRules(grants: [grant("/", .all)])
    #expect(all.isEmpty(in: .scopes))
    #expect(all.missing(in: .none).isEmpty)
    let reading = LandlockRules(grants: [grant("/", [.readFile, .readDir, .execute]), grant("/tmp", [.writeFile, .makeReg, .refer])])
    #expect(reading.handledRights(in: .scopes).isDisjoint(with: [.readFile, .readDir, .execute]))
    // Any ruleset about files refuses moves between directories: they have to be handled to be granted.
    #expect(LandlockRules(grants: [grant("/", .all.subtracting(.makeFifo))]).handledRights(in: .scopes) == [.makeFifo, .refer])
  }

  @Test func aMoveStaysPossibleWhereOnlySomethingElseIsHeld() throws {
    let scratch = try scratch()
    let rules = LandlockRules(grants: [grant("/", .all.subtracting(.makeFifo))])
    #expect(try under(rules) { Calls.rename(scratch("file"), scratch("elsewhere/file")) } == 0)
    #expect(try under(rules) { Calls.mknod(scratch("pipe"), S_IFIFO) } == EACCES)
  }

  // MARK: Older kernels

  @Test func anOlderVersionHoldsLessAndSaysWhatItLacks() throws {
    let rules = LandlockRules(
      grants: [grant("/", [.readFile, .readDir, .execute, .refer])], connectPorts: [], bindPorts: [], scopesSignals: true, scopesAbstractSockets: true)
    func missing(_ abi: Int32) -> [String] { rules.missing(in: LandlockABI(rawValue: abi)).map(\.rawValue) }
    #expect(missing(6).isEmpty)
    #expect(missing(5) == ["signals", "abstract sockets"])
    #expect(missing(4) == ["device requests", "signals", "abstract sockets"])
    #expect(missing(3) == ["TCP ports", "device requests", "signals", "abstract sockets"])
    #expect(missing(2) == ["truncation", "TCP ports", "device requests", "signals", "abstract sockets"])
    // The first version refuses all moves between directories, and these are to be granted: it holds nothing of files.
    #expect(missing(1) == LandlockAbility.allCases.map(\.rawValue))
    #expect(missing(0) == LandlockAbility.allCases.map(\.rawValue))
    #expect(rules.isEmpty(in: .none) && rules.isEmpty(in: .files))
    for abi in Int32(0)...7 {
      let (held, missing) = (rules.held(in: LandlockABI(rawValue: abi)), rules.missing(in: LandlockABI(rawValue: abi)))
      #expect(Set(held).isDisjoint(with: missing), "ABI \(abi)")
      #expect(Set(held).union(missing) == Set(LandlockAbility.allCases), "ABI \(abi)")
    }
  }

  @Test func whatAnOlderVersionLacksIsNotHeldAndTheRestIs() throws {
    let scratch = try scratch()
    let rules = LandlockRules(
      grants: [grant("/", [.readFile, .readDir, .execute, .refer, .writeFile])], connectPorts: [], bindPorts: [], scopesSignals: true)
    let sleeper = try Calls.startSleeper()
    defer { Calls.end(sleeper) }
    for (abi, truncation, port, signal) in [
      (LandlockABI.running, EACCES, EACCES, EPERM), (.ports, EACCES, EACCES, 0), (.truncating, EACCES, ECONNREFUSED, 0), (.referring, 0, ECONNREFUSED, 0),
    ] {
      #expect(try under(rules, abi: abi) { Calls.unlink(scratch("file")) } == EACCES, "ABI \(abi.rawValue)")
      #expect(try under(rules, abi: abi) { Calls.truncate(scratch("file")) } == truncation, "ABI \(abi.rawValue)")
      #expect(try under(rules, abi: abi) { Calls.connect(toPort: 1) } == port, "ABI \(abi.rawValue)")
      #expect(try under(rules, abi: abi) { Calls.signal(sleeper) } == signal, "ABI \(abi.rawValue)")
    }
  }

  @Test func aHardRequirementIsRefusedWhereBestEffortGoesOn() throws {
    let rules = LandlockRules(grants: [grant("/", .all)], connectPorts: [443])
    #expect(throws: SyscallError.self) { _ = try LandlockRuleset.required(rules, abi: .truncating) }
    let nothing = try LandlockRuleset.bestEffort(rules, abi: .truncating) == nil
    #expect(nothing)
    let all = try LandlockRuleset.required(rules) != nil
    #expect(all)
  }

  // MARK: Anchors

  @Test func anAnchorThatIsAFileGetsWhatAFileCanHave() throws {
    let scratch = try scratch()
    scratch.make("other")
    let rules = LandlockRules(grants: [grant("/", [.readFile, .readDir, .execute]), grant(scratch("file"), .all)])
    #expect(try under(rules) { Calls.open(scratch("file"), O_WRONLY | O_TRUNC) } == 0)
    #expect(try under(rules) { Calls.open(scratch("other"), O_WRONLY) } == EACCES)
    #expect(try under(rules) { Calls.unlink(scratch("file")) } == EACCES)
  }

  @Test func anAnchorThatIsNotThereOrALinkGrantsNothing() throws {
    let scratch = try scratch()
    _ = Calls.symlink("elsewhere", scratch("link"))
    let rules = LandlockRules(
      grants: [grant("/", .all.subtracting(.makeDir))] + ["missing", "link", "file/below", "link/../empty"].map { grant(scratch($0), .makeDir) })
    for name in ["elsewhere/new", "link/new", "new", "empty/new"] {
      #expect(try under(rules) { Calls.mkdir(scratch(name)) } == EACCES, "\(name)")
    }
  }

  @Test func aPathThatIsNotAbsoluteIsNoAnchor() {
    for path in ["", "tmp", "./tmp", "/tmp\0/x"] {
      #expect(throws: SyscallError.self) { _ = try LandlockRuleset.bestEffort(LandlockRules(grants: [grant(path, .readFile)])) }
    }
  }

  // MARK: Ports and scopes

  @Test func onlyGrantedPortsAreConnectedTo() throws {
    // Nobody listens on either: the kernel answers after Landlock has let the call through.
    let rules = LandlockRules(grants: [grant("/", .all)], connectPorts: [1])
    #expect(try under(rules) { Calls.connect(toPort: 1) } == ECONNREFUSED)
    #expect(try under(rules) { Calls.connect(toPort: 2) } == EACCES)
    #expect(try under(rules) { Calls.bind(toPort: 0) } == 0)
  }

  @Test func onlyGrantedPortsAreBoundTo() throws {
    let rules = LandlockRules(grants: [grant("/", .all)], bindPorts: [0])
    #expect(try under(rules) { Calls.bind(toPort: 0) } == 0)
    #expect(try under(rules) { Calls.bind(toPort: 47_113) } == EACCES)
    #expect(try under(rules) { Calls.connect(toPort: 2) } == ECONNREFUSED)
  }

  @Test func noSignalLeavesTheScope() throws {
    let sleeper = try Calls.startSleeper()
    defer { Calls.end(sleeper) }
    let rules = LandlockRules(grants: [grant("/", .all)], scopesSignals: true)
    #expect(try under(rules) { Calls.signal(sleeper) } == EPERM)
    #expect(try under(LandlockRules(grants: [grant("/", .all)], scopesAbstractSockets: true)) { Calls.signal(sleeper) } == 0)
  }

  @Test func noAbstractSocketFromOutsideTheScopeIsConnectedTo() throws {
    let name = "agentsh-landlock-\(getpid())"
    let listener = try Calls.listen(abstract: name)
    let rules = LandlockRules(grants: [grant("/", .all)], scopesAbstractSockets: true)
    #expect(try under(rules) { Calls.connect(abstract: name) } == EPERM)
    #expect(try under(LandlockRules(grants: [grant("/", .all)], scopesSignals: true)) { Calls.connect(abstract: name) } == 0)
    #expect(try fileStatus(listener).inode > 0)
  }
}
