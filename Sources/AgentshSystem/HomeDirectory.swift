import Glibc
import SystemPackage

/// A home directory of the user database under the name that the kernel has for it: rules about `${HOME}` are compared with the kernel's paths.
public enum HomeDirectory {
  /// Why a home can't stand for `${HOME}`.
  public struct Problem: Error, Sendable, Equatable, CustomStringConvertible {
    public let home: [UInt8]
    public let reason: String

    public var description: String { "the home directory \(displayedPath(home)) of the user database can't be used: \(reason)" }
  }

  /// Resolves every link on the way: openat(2) with O_PATH, one name at a time, each judged before it is followed.
  ///
  /// What does not exist keeps its name in the place where it would be. With `/` a rule about `${HOME}/**` would be about everything, so that is
  /// no home, and neither is what has `..` in it.
  /// - Parameter owners: whose links are followed; nil: everybody's, for who looks with their own rights only.
  public static func canonical(_ home: [UInt8], followingLinksOf owners: Set<UInt32>?) throws(Problem) -> [UInt8] {
    func problem(_ reason: String) -> Problem { Problem(home: home, reason: reason) }
    guard home.first == slash, !home.contains(0), home.count < Int(PATH_MAX) else { throw problem("it is no absolute path") }
    // The one to come next is the last.
    var names = Array(names(of: home).reversed())
    guard !names.contains(dotDot) else { throw problem("it has .. in it") }
    guard !names.isEmpty else { throw problem("everything lies in it") }
    do {
      var place = try openAt(AT_FDCWD, [slash], flags: O_PATH | O_DIRECTORY)
      var links = 0
      while let name = names.popLast() {
        do throws(SyscallError) {
          place = try openAt(place.rawValue, name, flags: O_PATH | O_DIRECTORY | O_NOFOLLOW)
          continue
        } catch {
          if error.errno == .noSuchFileOrDirectory { return try missing(name, names, in: place, problem) }
          guard error.errno == .notDirectory || error.errno == .tooManySymbolicLinkLevels else { throw error }
        }
        let other = try openAt(place.rawValue, name, flags: O_PATH | O_NOFOLLOW)
        let status = try fileStatus(other)
        // A file, /dev/null say: nothing lies in it.
        guard status.isSymbolicLink else { return try missing(name, names, in: place, problem) }
        if let owners, !owners.contains(status.owner) {
          throw problem("\(displayedPath(try path(of: place) + [slash] + name)) is a link that belongs to uid \(status.owner)")
        }
        links += 1
        guard links <= 40 else { throw problem("it has too many links on its way") }
        // Of the very link that was judged.
        let target = try readLink(at: other.rawValue, [])
        names += Self.names(of: target).reversed()
        if target.first == slash { place = try openAt(AT_FDCWD, [slash], flags: O_PATH | O_DIRECTORY) }
      }
      return try checked(try path(of: place), problem)
    } catch let error as Problem {
      throw error
    } catch {
      throw problem("\(error)")
    }
  }

  private static func missing(
    _ name: [UInt8], _ rest: [[UInt8]], in place: borrowing OwnedDescriptor, _ problem: (String) -> Problem
  ) throws -> [UInt8] {
    guard !rest.contains(dotDot) else { throw problem("a link on its way leads to .. of what isn't there") }
    let parent = try path(of: place)
    return try checked((parent == [slash] ? [] : parent) + [slash] + Array(([name] + rest.reversed()).joined(separator: [slash])), problem)
  }

  private static func checked(_ path: [UInt8], _ problem: (String) -> Problem) throws(Problem) -> [UInt8] {
    guard path.first == slash, path.count < Int(PATH_MAX) else { throw problem("it can't be reached from the root directory") }
    guard path != [slash] else { throw problem("everything lies in it") }
    return path
  }

  private static func names(of path: [UInt8]) -> [[UInt8]] {
    path.split(separator: slash).map { Array($0) }.filter { $0 != [UInt8(ascii: ".")] }
  }

  private static func path(of descriptor: borrowing OwnedDescriptor) throws(SyscallError) -> [UInt8] {
    try readLink(at: AT_FDCWD, Array("/proc/self/fd/\(descriptor.rawValue)".utf8))
  }

  private static let slash = UInt8(ascii: "/")
  private static let dotDot = Array("..".utf8)
}
