import Glibc
import SystemPackage

/// Entries are tiny; beyond this something is wrong with the database.
private let largestEntry = 1 << 20

func lookUpAccount(_ key: UserKey) throws(SyscallError) -> UserAccount? {
  var size = 4096
  while true {
    var entry = unsafe passwd()
    var room = [CChar](repeating: 0, count: size)
    var found: UnsafeMutablePointer<passwd>? = nil
    var account: UserAccount?
    // SAFETY: the entry's strings lie in `room` and are copied before it goes away; `room` is passed with its length.
    let failure: CInt = unsafe room.withUnsafeMutableBufferPointer { buffer -> CInt in
      guard let base = buffer.baseAddress else { return EINVAL }
      let answer: CInt
      switch key {
      case .number(let uid): answer = unsafe getpwuid_r(uid, &entry, base, buffer.count, &found)
      case .name(let name):
        answer = unsafe withCPath(name) { unsafe getpwnam_r($0, &entry, base, buffer.count, &found) }
      }
      if answer == 0, unsafe found != nil {
        account = unsafe UserAccount(
          name: bytes(of: entry.pw_name), uid: entry.pw_uid, gid: entry.pw_gid, home: bytes(of: entry.pw_dir))
      }
      return answer
    }
    switch failure {
    case 0, ENOENT, ESRCH: return account
    case ERANGE where size < largestEntry: size *= 4
    case EINTR: continue
    default: throw SyscallError("getpwent", Errno(rawValue: failure))
    }
  }
}

func lookUpGroup(_ name: [UInt8]) throws(SyscallError) -> UInt32? {
  var size = 4096
  while true {
    var entry = unsafe group()
    var room = [CChar](repeating: 0, count: size)
    var found: UnsafeMutablePointer<group>? = nil
    // SAFETY: `room` is passed with its length; nothing of the entry but its number is used.
    let failure: CInt = unsafe room.withUnsafeMutableBufferPointer { buffer -> CInt in
      guard let base = buffer.baseAddress else { return EINVAL }
      return unsafe withCPath(name) { unsafe getgrnam_r($0, &entry, base, buffer.count, &found) }
    }
    switch failure {
    case 0, ENOENT, ESRCH: return unsafe found == nil ? nil : entry.gr_gid
    case ERANGE where size < largestEntry: size *= 4
    case EINTR: continue
    default: throw SyscallError("getgrnam_r", Errno(rawValue: failure), displayedPath(name))
    }
  }
}

func lookUpGroups(_ name: [UInt8], _ gid: UInt32) throws(SyscallError) -> [UInt32] {
  var count: CInt = 64
  for _ in 0..<8 {
    var groups = [gid_t](repeating: 0, count: Int(count))
    // SAFETY: `count` is the room in `groups`; the function says how many there are when that is too little.
    let answer = unsafe withCPath(name) { name in
      unsafe groups.withUnsafeMutableBufferPointer { unsafe getgrouplist(name, gid, $0.baseAddress, &count) }
    }
    if answer >= 0 { return Array(groups.prefix(Int(count))) }
    count = max(count, CInt(clamping: groups.count * 2))
  }
  throw SyscallError("getgrouplist", .outOfRange, displayedPath(name))
}

private func bytes(of string: UnsafeMutablePointer<CChar>?) -> [UInt8] {
  guard let string = unsafe string else { return [] }
  // SAFETY: a C string of the user database, ended by NUL.
  return unsafe Array(UnsafeBufferPointer(start: string, count: strlen(string))).map { UInt8(bitPattern: $0) }
}
