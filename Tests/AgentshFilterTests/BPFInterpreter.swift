import AgentshFilter

/// The seccomp machine of the kernel in a few lines: classic BPF over struct seccomp_data, little endian; see bpf(2) and seccomp(2).
/// It knows the instructions that filters may have, and nothing is guessed: anything else is an error.
struct BPFInterpreter {
  struct Instruction: Equatable {
    let code: UInt16
    let ifTrue: UInt8
    let ifFalse: UInt8
    let operand: UInt32
  }
  struct InvalidProgram: Error, CustomStringConvertible {
    let description: String
  }
  struct Call {
    var architecture: UInt32
    var number: UInt32
    var arguments: [UInt64]
  }
  enum Answer: Equatable {
    case allow
    case notify
    case errno(Int32)
    case other(UInt32)
  }

  let instructions: [Instruction]

  init(_ program: FilterProgram) throws {
    let bytes = program.instructions
    guard !bytes.isEmpty, bytes.count % 8 == 0 else { throw InvalidProgram(description: "\(bytes.count) bytes") }
    var instructions: [Instruction] = []
    for at in stride(from: 0, to: bytes.count, by: 8) {
      let code = UInt16(bytes[at]) | (UInt16(bytes[at + 1]) << 8)
      var operand: UInt32 = 0
      for byte in bytes[(at + 4)..<(at + 8)].reversed() { operand = (operand << 8) | UInt32(byte) }
      instructions.append(Instruction(code: code, ifTrue: bytes[at + 2], ifFalse: bytes[at + 3], operand: operand))
    }
    self.instructions = instructions
  }

  /// What the program answers, and how many instructions that took.
  func run(_ call: Call) throws -> (answer: Answer, steps: Int) {
    var accumulator: UInt32 = 0
    var index: UInt32 = 0
    var scratch = [UInt32](repeating: 0, count: 16)
    var at = 0
    var steps = 0
    while at < instructions.count {
      let instruction = instructions[at]
      at += 1
      steps += 1
      let operand = instruction.operand
      func jump(_ condition: Bool) { at += Int(condition ? instruction.ifTrue : instruction.ifFalse) }
      switch instruction.code {
      case 0x20: accumulator = try word(call, operand)  // ld [k]
      case 0x00: accumulator = operand  // ld #k
      case 0x02: scratch[Int(operand)] = accumulator  // st
      case 0x60: accumulator = scratch[Int(operand)]  // ld M[k]
      case 0x01: index = operand  // ldx #k
      case 0x07: index = accumulator  // tax
      case 0x87: accumulator = index  // txa
      case 0x54: accumulator &= operand  // and #k
      case 0x05: at += Int(operand)  // ja
      case 0x15: jump(accumulator == operand)  // jeq
      case 0x25: jump(accumulator > operand)  // jgt
      case 0x35: jump(accumulator >= operand)  // jge
      case 0x45: jump(accumulator & operand != 0)  // jset
      case 0x06: return (answer(operand), steps)  // ret #k
      default: throw InvalidProgram(description: "instruction \(String(instruction.code, radix: 16)) at \(at - 1)")
      }
    }
    throw InvalidProgram(description: "ran off the end")
  }

  private func answer(_ value: UInt32) -> Answer {
    switch value & 0xffff_0000 {
    case 0x7fff_0000: .allow
    case 0x7fc0_0000: .notify
    case 0x0005_0000: .errno(Int32(value & 0xffff))
    default: .other(value)
    }
  }

  /// struct seccomp_data: nr, arch, instruction_pointer, args[6].
  private func word(_ call: Call, _ offset: UInt32) throws -> UInt32 {
    switch offset {
    case 0: return call.number
    case 4: return call.architecture
    case 8, 12: return 0
    case 16..<64 where offset % 4 == 0:
      let argument = call.arguments[Int(offset - 16) / 8]
      return UInt32(truncatingIfNeeded: offset % 8 == 0 ? argument : argument >> 32)
    default: throw InvalidProgram(description: "load at \(offset)")
    }
  }
}
