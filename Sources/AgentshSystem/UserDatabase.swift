/// What the user database says of a user: passwd(5), by whichever sources nsswitch.conf(5) names.
public struct UserAccount: Sendable, Equatable {
  public let name: [UInt8]
  public let uid: UInt32
  public let gid: UInt32
  public let home: [UInt8]

  init(name: [UInt8], uid: UInt32, gid: UInt32, home: [UInt8]) {
    self.name = name
    self.uid = uid
    self.gid = gid
    self.home = home
  }
}

/// The user and group databases. Answers may come from the network and take their time; nil means that there is no such entry,
/// a thrown error that it could not be found out.
public enum UserDatabase {
  public static func account(uid: UInt32) throws(SyscallError) -> UserAccount? {
    try lookUpAccount(.number(uid))
  }

  public static func account(named name: [UInt8]) throws(SyscallError) -> UserAccount? {
    try lookUpAccount(.name(name))
  }

  /// The number of the group called `name`.
  public static func group(named name: [UInt8]) throws(SyscallError) -> UInt32? {
    try lookUpGroup(name)
  }

  /// All groups a login of `account` is given, its own among them: getgrouplist(3).
  public static func groups(of account: UserAccount) throws(SyscallError) -> [UInt32] {
    try lookUpGroups(account.name, account.gid)
  }
}

enum UserKey {
  case number(UInt32)
  case name([UInt8])
}
