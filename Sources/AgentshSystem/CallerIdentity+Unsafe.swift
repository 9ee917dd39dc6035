import CAgentshLaunch
import Glibc

extension ProcessIDs {
  /// The corresponding C functions are `getresuid` and `getresgid`.
  static func current() throws(IdentityError) -> ProcessIDs {
    var ids = ProcessIDs()
    do throws(SyscallError) {
      // SAFETY: each pointer is to a field of the right type and used during the call only.
      try syscall("getresuid") { unsafe ash_get_user_ids(&ids.realUser, &ids.effectiveUser, &ids.savedUser) }
      try syscall("getresgid") { unsafe ash_get_group_ids(&ids.realGroup, &ids.effectiveGroup, &ids.savedGroup) }
    } catch {
      throw .notDropped(error)
    }
    return ids
  }
}
