import AgentshFilter
import CTestSupport
import Glibc
import Testing

@testable import AgentshSupervision

@Suite struct SupervisorFilterTests {
  private func status(_ body: @convention(c) (UnsafeMutableRawPointer?) -> CInt) throws -> CInt {
    let program = try SupervisorFilter.list.compile()
    return unsafe program.instructions.withUnsafeBytes { bytes in
      unsafe bytes.withMemoryRebound(to: sock_filter.self) {
        unsafe ct_status_under_filter($0.baseAddress, UInt16(program.count), body, nil)
      }
    }
  }

  @Test func theSupervisorCanStartNoProgram() throws { #expect(unsafe try status(ct_try_execve) == EPERM) }
  @Test func theSupervisorCanMakeNoProcess() throws { #expect(unsafe try status(ct_try_fork) == EPERM) }
  @Test func theSupervisorCanOpenNoSocket() throws { #expect(unsafe try status(ct_try_socket) == EPERM) }
  @Test func theSupervisorCanMountNothing() throws { #expect(unsafe try status(ct_try_mount) == EPERM) }
  @Test func theSupervisorCanMapNoCode() throws { #expect(unsafe try status(ct_try_map_code) == EPERM) }
  @Test func theSupervisorCanStartThreads() throws { #expect(unsafe try status(ct_try_thread) == 0) }
  @Test func theSupervisorCanActOnFiles() throws { #expect(unsafe try status(ct_try_open_and_write) == 0) }
}
