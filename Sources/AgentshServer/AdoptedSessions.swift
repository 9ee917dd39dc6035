internal import AgentshAudit
internal import AgentshProtocol
internal import AgentshSystem
import Glibc
import Logging
import SystemPackage

/// A session of a server before this one, whose supervisor goes on.
final class AdoptedSession {
  let id: String
  /// The supervisor; nil where there is none any more.
  let supervisor: SharedPidfd?
  /// What is left of it is being killed.
  var isEnding = false
  /// Its launcher, for as long as that lives.
  var launcher: SharedPidfd?
  /// When it, and those inside it, are to be over, by their ids; and when those whose supervisor was told to go on are ended by this server.
  var terms: [String: Term] = [:]
  var overdue: [String: Term] = [:]
  /// Why this server has ended it.
  var failure: String?

  init(_ id: String, _ supervisor: SharedPidfd?) {
    self.id = id
    self.supervisor = supervisor
  }
}

extension ServerContext {
  private static var name: [UInt8] { Array("agentsh-supervi".utf8) }

  /// The supervisors of sessions, told by the record that each has open: nobody but a session's supervisor is ever given that.
  func supervisors(of sessions: Set<String>) -> [String: SharedPidfd] {
    struct File: Hashable {
      let device: UInt64
      let inode: UInt64
      init(_ status: FileStatus) { (device, inode) = (status.device, status.inode) }
    }
    var wanted: [File: String] = [:]
    for id in sessions {
      if let status = try? linkStatus(at: records.rawValue, Array("\(id).jsonl".utf8)), status.isRegular { wanted[File(status)] = id }
    }
    guard !wanted.isEmpty, let processes = try? openAt(AT_FDCWD, Array("/proc".utf8), flags: O_RDONLY | O_DIRECTORY),
      let names = try? directoryNames(in: processes)
    else { return [:] }
    var found: [String: SharedPidfd] = [:]
    for name in names {
      guard let number = Int32(String(decoding: name, as: UTF8.self)), let comm = try? readSmallFile(at: processes.rawValue, name + Array("/comm".utf8), limit: 64),
        comm.starts(with: Self.name), let pidfd = try? Pidfd.open(number),
        let table = try? openAt(processes.rawValue, name + Array("/fd".utf8), flags: O_RDONLY | O_DIRECTORY), let descriptors = try? directoryNames(in: table)
      else { continue }
      // Those of sessions inside its own, too.
      let held = descriptors.compactMap { (try? fileStatus(at: table.rawValue, $0)).flatMap { wanted[File($0)] } }
      // By its number so far: it was this process's, if that lives.
      if !held.isEmpty, !pidfd.hasExited(), let supervisor = try? SharedPidfd(pidfd.descriptor.duplicate()) {
        for id in held { found[id] = supervisor }
      }
    }
    return found
  }

  /// What a session's supervisor has left, on a worker's thread: kills it, and says how it went.
  /// - Parameter failure: why this server has killed the supervisor, where it has.
  func finishAdopted(_ id: String, _ failure: String?) {
    let ending = PastRecords.ending(of: id, in: self)
    do throws(ControlError) { try killProcesses(of: id, in: nil) } catch {
      log.logger.warning("session \(id): what is left of it can't be killed: \(error)")
    }
    settleUnwatched()
    let session = sessions.session(id)
    var fields: [AuditField] = []
    if let status = ending?.status { fields.append(AuditField("status", .integer(Int64(status)))) }
    if let session { fields.append(AuditField("refused", .integer(Int64(session.current.refused)))) }
    if let last = lastHash(of: id) { fields.append(AuditField("last_hash", .text(last))) }
    // What it was stopped for: its supervisor has only seen that its processes were killed.
    var message = session?.current.closing?.message
    if ending == nil {
      let told = failure ?? message ?? "the supervisor, which a server before this one had started, died; everything in the session was killed"
      log.logger.error("session \(id): \(told)")
      message = told
    }
    noteClosing(AuditRecord(operation: .sessionClosed, session: id, uid: session?.facts.uid, fields: fields, message: message), of: session)
  }
}

/// Sessions of a server before this one: their supervisors decide on, and nothing of them runs on without.
extension ControlLoop {
  func adopt(_ sessions: Set<String>) {
    guard !sessions.isEmpty else { return }
    let supervisors = context.supervisors(of: sessions)
    for id in sessions.sorted() {
      let number = nextNumber
      nextNumber += 1
      let session = AdoptedSession(id, supervisors[id])
      adopted[number] = session
      guard let supervisor = session.supervisor else {
        adoptedEnded(number)
        continue
      }
      context.log.logger.warning("session \(id) of a server before this one is still running, under its own supervisor")
      do throws(SyscallError) {
        try epoll.add(supervisor.pidfd.descriptor.rawValue, .readable, token: Self.token(.adopted, number))
      } catch {
        context.log.logger.error("session \(id): its supervisor can't be watched, so it is ended: \(error)")
        adoptedEnded(number)
        continue
      }
      watchTerm(of: session, number)
    }
  }

  /// The supervisor has ended, with its session or before it.
  func adoptedEnded(_ number: UInt64) {
    guard let session = adopted[number], !session.isEnding else { return }
    session.isEnding = true
    if let supervisor = session.supervisor { epoll.remove(supervisor.pidfd.descriptor.rawValue) }
    unwatchLauncher(of: session)
    let (context, mailbox, id, failure) = (context, mailbox, session.id, session.failure)
    workers.submit(for: 0) {
      context.finishAdopted(id, failure)
      mailbox.post(.adoptedEnded(number))
    }
  }

  /// Kills what runs in them: their supervisors close the records then, and end.
  func stopAdopted() {
    for session in adopted.values where !session.isEnding {
      // One that its user has stopped wouldn't notice.
      try? session.supervisor?.pidfd.sendSignal(SIGCONT)
      let (context, id) = (context, session.id)
      workers.submit(for: 0) { try? context.killProcesses(of: id, in: nil) }
    }
  }

  /// The time to stop is over.
  func abandonAdopted() {
    for session in adopted.values {
      try? session.supervisor?.pidfd.sendSignal(SIGKILL)
      try? context.host.cgroups?.open(Array(session.id.utf8)).kill()
    }
  }
}
