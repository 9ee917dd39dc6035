@testable import AgentshFilter
import Testing

/// The table's clauses read one after the other, as they stand: what the compiled program, which is made of disjoint regions and libseccomp's comparisons,
/// must come to as well.
private struct PlainReading {
  let specification: FilterSpecification

  func answer(_ call: SystemCall, _ arguments: [UInt64]) -> BPFInterpreter.Answer {
    for clause in call.treatment.clauses where clause.tests.allSatisfy({ holds($0, arguments[$0.argument]) }) {
      switch clause.outcome {
      case .allow: return .allow
      case .refuse(let errno, let group):
        let isPermitted = specification.permitted.contains(call.name) || (group.map { specification.permitted.contains($0.rawValue) } ?? false)
        if !isPermitted { return .errno(errno) }
      case .refuseWith(let classes, let errno):
        if !specification.traps.isDisjoint(with: classes) { return .errno(errno) }
      case .trap(let classes):
        if !specification.traps.isDisjoint(with: classes) { return .notify }
      }
    }
    return .allow
  }

  private func holds(_ test: ArgumentTest, _ register: UInt64) -> Bool {
    switch test.condition {
    case .bits(let mask, let value): register & mask == value
    case .anyBit(let mask): register & mask != 0
    case .not(let value): register != value
    }
  }
}

@Suite struct ClauseTests {
  /// Values of one argument that lie on either side of everything that any clause compares it with.
  private func boundaries(_ call: SystemCall, argument: Int) -> [UInt64] {
    var values: Set<UInt64> = [0, 1]
    for clause in call.treatment.clauses {
      for test in clause.tests where test.argument == argument {
        switch test.condition {
        case .bits(let mask, let value):
          values.formUnion([value, value &+ 1, value &- 1, value ^ mask, value | ~mask & 0xffff_ffff])
          for bit in 0..<32 where mask >> UInt64(bit) & 1 == 1 { values.insert(value ^ 1 << UInt64(bit)) }
        case .anyBit(let mask):
          values.formUnion([mask, ~mask & 0xffff_ffff])
          for bit in 0..<32 where mask >> UInt64(bit) & 1 == 1 { values.insert(1 << UInt64(bit)) }
        case .not(let value):
          values.formUnion([value, value &+ 1, value &- 1, 1 << 32, 1 << 63])
        }
      }
    }
    return values.sorted()
  }

  /// All combinations where there are few, and for each argument everything beside what the clauses themselves ask for where there are many.
  private func combinations(_ call: SystemCall) -> [[UInt64]] {
    let compared = (0..<6).filter { argument in call.treatment.clauses.contains { $0.tests.contains { $0.argument == argument } } }
    let choices = compared.map { boundaries(call, argument: $0) }
    var starts: [[UInt64]] = [[UInt64](repeating: 0, count: 6)]
    if choices.reduce(1, { $0 * $1.count }) <= 4000 {
      for (argument, values) in zip(compared, choices) {
        starts = starts.flatMap { start in values.map { value in with(start, argument, value) } }
      }
      return starts
    }
    for clause in call.treatment.clauses {
      var start = [UInt64](repeating: 0, count: 6)
      for test in clause.tests {
        switch test.condition {
        case .bits(_, let value): start[test.argument] = value
        case .anyBit(let mask): start[test.argument] = mask
        case .not(let value): start[test.argument] = value &+ 1
        }
      }
      starts.append(start)
    }
    return starts.flatMap { start in zip(compared, choices).flatMap { argument, values in values.map { with(start, argument, $0) } } }
  }

  private func with(_ arguments: [UInt64], _ position: Int, _ value: UInt64) -> [UInt64] {
    var changed = arguments
    changed[position] = value
    return changed
  }

  @Test(arguments: [
    FilterSpecification(traps: []), FilterSpecification(traps: everything), FilterSpecification(traps: [.writeOpens, .signals]),
    FilterSpecification(traps: [.metadata, .network]), FilterSpecification(traps: [.fileChanges, .readOpens]),
    FilterSpecification(traps: everything, permitted: Set(RestrictedGroup.allCases.map(\.rawValue))),
    FilterSpecification(traps: [.fileChanges], permitted: ["namespaces", "netlink", "tty_injection", "prctl"]),
    FilterSpecification(traps: [.network], permitted: ["raw_sockets"]).withoutInternet,
  ])
  func theProgramAnswersAsTheClausesReadAtEveryBoundary(specification: FilterSpecification) throws {
    let machine = try BPFInterpreter(FilterCompiler.compile(specification))
    let reading = PlainReading(specification: specification)
    var asked = 0
    for call in SyscallTable.all {
      guard let number = call.number(on: .native) else { continue }
      for arguments in combinations(call) {
        for high in highHalves {
          // The kernel reads the numbers as ints and pointers whole; so does the table, and with rubbish above both must say the same.
          let registers = arguments.map { $0 | high }
          let expected = reading.answer(call, registers)
          let answer = try machine.run(.init(architecture: Architecture.native.auditValue, number: number, arguments: registers)).answer
          if answer != expected { Issue.record("\(call.name) \(registers.map { String($0, radix: 16) }): \(answer), not \(expected)") }
          asked += 1
        }
      }
    }
    #expect(asked > 8000)
  }

  /// A filter without a listener on top of one that traps everything: what the policy refuses is refused, what it wants decided goes to the listener below, and the
  /// one on top never asks for a listener, since a call would fail with ENOSYS then.
  @Test(arguments: [
    FilterSpecification(traps: [], hasListener: false), FilterSpecification(traps: everything, tellsRefusals: true, hasListener: false),
    FilterSpecification(traps: [.writeOpens, .signals], hasListener: false), FilterSpecification(traps: [.metadata, .network], hasListener: false),
    FilterSpecification(traps: everything, permitted: Set(RestrictedGroup.allCases.map(\.rawValue)), hasListener: false),
    FilterSpecification(traps: [.fileChanges], permitted: ["namespaces", "netlink", "tty_injection", "prctl"], hasListener: false),
  ])
  func aFilterWithoutAListenerRefusesTheSameAndAsksTheOneBelow(specification: FilterSpecification) throws {
    let machine = try BPFInterpreter(FilterCompiler.compile(specification))
    let notify = FilterAction.notify.rawValue
    #expect(!machine.instructions.contains { $0.code == 0x06 && $0.operand == notify })
    #expect(machine.instructions.allSatisfy { [0x06, 0x20, 0x00, 0x02, 0x60, 0x01, 0x07, 0x87, 0x54, 0x05, 0x15, 0x25, 0x35, 0x45].contains($0.code) })
    let below = try BPFInterpreter(FilterCompiler.compile(FilterSpecification(traps: .all, permitted: Set(RestrictedGroup.allCases.map(\.rawValue)))))
    let reading = PlainReading(specification: specification)
    for call in SyscallTable.all {
      guard let number = call.number(on: .native) else { continue }
      for arguments in combinations(call) {
        let question = BPFInterpreter.Call(architecture: Architecture.native.auditValue, number: number, arguments: arguments)
        let answers = try (top: machine.run(question).answer, below: below.run(question).answer)
        switch reading.answer(call, arguments) {
        case .errno(let errno): if answers.top != .errno(errno) { Issue.record("\(call.name) \(arguments): \(answers)") }
        case .notify: if answers.top != .allow || answers.below != .notify { Issue.record("\(call.name) \(arguments): \(answers)") }
        case let expected: if answers.top != expected { Issue.record("\(call.name) \(arguments): \(answers)") }
        }
      }
    }
    for number in [UInt32(470), 1000, 0x4000_0000, 0xffff_ffff] {
      let question = BPFInterpreter.Call(architecture: Architecture.native.auditValue, number: number, arguments: [0, 0, 0, 0, 0, 0])
      #expect(try machine.run(question).answer == .allow && below.run(question).answer == .notify)
    }
  }
}
