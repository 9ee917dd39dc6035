internal import CAgentshLaunch
import Glibc
import SystemPackage

/// Starts `path` with an empty environment and `descriptors` as 0, 1, 2, … (borrowed; every other is closed), in a session of its own,
/// with default signals, no core files, no_new_privs, working directory `/` and umask 077.
///
/// With an identity the child takes it on for good and proves that uid 0 can't be had back; without one it keeps the caller's. It
/// outlives the caller. Returns once the program runs. See clone(2), execve(2), capabilities(7).
public func spawnSupervisor(
  _ path: [UInt8], arguments: [[UInt8]]? = nil, descriptors: [CInt], openFiles: UInt64 = 4096, identity: SpawnIdentity?
) throws(SpawnError) -> SpawnedProcess {
  var result = ash_spawn_result()
  let answer: CInt = unsafe withCStrings(arguments ?? [path]) { arguments in
    unsafe withCPath(path) { path in
      unsafe withCStrings([]) { environment in
        unsafe descriptors.withUnsafeBufferPointer { descriptors in
          let groups = identity?.groups ?? []
          return unsafe groups.withUnsafeBufferPointer { groups in
            var raw = unsafe ash_spawn_identity(
              uid: identity?.uid ?? 0, gid: identity?.gid ?? 0, groups: groups.baseAddress, group_count: groups.count,
              capabilities: identity?.capabilities ?? 0)
            // SAFETY: every pointer of the request is to storage of an enclosing closure, and the C function keeps none of them.
            return unsafe withUnsafePointer(to: &raw) { rawIdentity in
              var request = unsafe ash_spawn_request(
                path: path, arguments: arguments, environment: environment, descriptors: descriptors.baseAddress,
                descriptor_count: descriptors.count, open_files: openFiles, identity: identity == nil ? nil : rawIdentity)
              return unsafe ash_spawn(&request, &result)
            }
          }
        }
      }
    }
  }
  guard answer == 0 else {
    let stage = unsafe String(cString: ash_spawn_stage_name(result.stage))
    throw SpawnError(path: path, stage: stage, errno: Errno(rawValue: result.error), need: need(of: result.stage))
  }
  return SpawnedProcess(pid: result.pid, pidfd: Pidfd(OwnedDescriptor(owning: result.pidfd)))
}

/// What a step between clone and exec takes, where it is something that a server may have been started without.
private func need(of stage: CInt) -> String? {
  switch stage {
  case CInt(ASH_SPAWN_BOUNDING.rawValue): "CAP_SETPCAP"
  case CInt(ASH_SPAWN_GROUPS.rawValue): "CAP_SETGID"
  case CInt(ASH_SPAWN_IDENTITY.rawValue): "CAP_SETUID and CAP_SETGID"
  default: nil
  }
}

/// Runs `body` with a null-terminated array of C strings.
private func withCStrings<Result>(_ strings: [[UInt8]], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result) -> Result {
  var bytes: [CChar] = []
  var offsets: [Int] = []
  for string in strings {
    offsets.append(bytes.count)
    bytes += string.map { CChar(bitPattern: $0) }
    bytes.append(0)
  }
  bytes.append(0)
  return unsafe bytes.withUnsafeMutableBufferPointer { storage in
    // SAFETY: `bytes` has at least one element, so there is a base address; every offset is inside it.
    let base = unsafe storage.baseAddress.unsafelyUnwrapped
    var pointers: [UnsafeMutablePointer<CChar>?] = unsafe offsets.map { unsafe base + $0 }
    unsafe pointers.append(nil)
    // SAFETY: `pointers` has at least its null element.
    return unsafe pointers.withUnsafeBufferPointer { unsafe body($0.baseAddress.unsafelyUnwrapped) }
  }
}
