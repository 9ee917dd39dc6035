import AgentshFilter
import Testing

/// A compiled filter that answers for calls by name.
struct Compiled {
  let program: FilterProgram
  let machine: BPFInterpreter

  init(_ traps: TrapClasses, permitting permitted: Set<String> = []) throws {
    program = try FilterCompiler.compile(FilterSpecification(traps: traps, permitted: permitted))
    machine = try BPFInterpreter(program)
  }

  func answer(number: UInt32, _ arguments: [UInt64] = [], audit: UInt32? = nil) throws -> BPFInterpreter.Answer {
    let padded = arguments + [UInt64](repeating: 0, count: 6 - arguments.count)
    return try machine.run(.init(architecture: audit ?? Architecture.native.auditValue, number: number, arguments: padded)).answer
  }

  func answer(_ name: String, _ arguments: UInt64...) throws -> BPFInterpreter.Answer {
    let number = try #require(SyscallTable.named(name)?.number(on: .native), "\(name)")
    return try answer(number: number, arguments)
  }
}

let everything: TrapClasses = [
  .readOpens, .writeOpens, .fileChanges, .metadata, .exec, .network, .unixSockets, .listening, .signals, .nonce,
]
/// Rubbish for the high half of an argument that the kernel reads as an int.
let highHalves: [UInt64] = [0, 1 << 32, 0xffff_ffff_0000_0000, 0x8000_0000_0000_0000]
