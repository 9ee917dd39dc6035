/// The interface that every Varlink service has (https://varlink.org/Service).
public enum VarlinkServiceInterface {
  public static let name = "org.varlink.service"

  public static let description = """
    # The Varlink Service Interface is provided by every varlink service. It
    # describes the service and the interfaces it implements.
    interface org.varlink.service

    # Get a list of all the interfaces a service provides and information
    # about the implementation.
    method GetInfo() -> (
      vendor: string,
      product: string,
      version: string,
      url: string,
      interfaces: []string
    )

    # Get the description of an interface that is implemented by this service.
    method GetInterfaceDescription(interface: string) -> (description: string)

    # The requested interface was not found.
    error InterfaceNotFound (interface: string)

    # The requested method was not found
    error MethodNotFound (method: string)

    # The interface defines the requested method, but the service does not
    # implement it.
    error MethodNotImplemented (method: string)

    # One of the passed parameters is invalid.
    error InvalidParameter (parameter: string)

    """
}

/// The interface of agentshd.
public enum ControlInterface {
  public static let name = "org.agentsh.Control"

  public static let description = """
    # Sessions of agentsh: commands that run under a policy of this host.
    # Who calls is known from the kernel; nothing in a message makes a caller somebody else.
    interface org.agentsh.Control

    # status: the command's, as a shell shows it. reason: where it was not the command's own end. These and the three others
    # behind parent are told by GetSession, of a session that has ended; where its record has no last line, ended and reason alone.
    type Session (
      session: string,
      name: ?string,
      uid: int,
      user: string,
      policy: string,
      pid: ?int,
      command: []string,
      cwd: string,
      started: string,
      state: string,
      refused: int,
      record: string,
      parent: ?string,
      ended: ?string,
      status: ?int,
      reason: ?string,
      duration_ms: ?int,
      decisions: ?[string]int
    )

    # What of the caller's environment the command is given.
    type Environment (
      allow: []string,
      deny: []string,
      inject: [string]string,
      max_bytes: ?int,
      max_keys: ?int,
      block_iteration: bool
    )

    # Rights (LANDLOCK_ACCESS_FS_*) on what an absolute path, as base 64, stands for, and on all below it.
    type Grant (path: string, rights: int)

    # What Landlock is to hold under the command. No list of ports: any port. separate: a domain even
    # where nothing is held. required: no floor, no session.
    type Floor (
      grants: []Grant,
      connect_ports: ?[]int,
      bind_ports: ?[]int,
      scope_signals: bool,
      scope_abstract_sockets: bool,
      separate: ?bool,
      required: bool
    )

    # Open a session for the calling process. caller_uid: only uid 0 may name another than its own.
    # command_b64 and cwd_b64 win over command and cwd where bytes are not UTF-8.
    # command_omitted, command_omitted_bytes and command_sha256, all or none: how many arguments of a long command are left out or cut, how many bytes
    # of it, and the SHA-256 of the whole with a NUL between two arguments; command has at most 32 KiB then. The record tells both.
    # network: none, restricted or full; it makes the session reach less far than its policy says, never farther.
    # nested: the session lies inside another; it has no sockets, and a connection to its supervisor comes with the reply.
    # handshake_ms: how long the caller may take from the reply until its command runs.
    method Wrap(
      caller_uid: ?int,
      command: []string,
      command_b64: ?[]string,
      command_omitted: ?int,
      command_omitted_bytes: ?int,
      command_sha256: ?string,
      cwd: string,
      cwd_b64: ?string,
      policy: ?string,
      name: ?string,
      timeout_ms: ?int,
      sudo_uid: ?int,
      network: ?string
    ) -> (
      session: string,
      policy: string,
      nested: ?bool,
      notify_socket: ?string,
      signal_socket: ?string,
      ptrace_socket: ?string,
      token: string,
      filter: string,
      environment: Environment,
      floor: Floor,
      warnings: []string,
      record: string,
      handshake_ms: ?int
    )

    # The sessions that the caller may see: its own, or everybody's for an admin. all: ended ones too.
    # In the order of opening; of more than fit into a message, those opened last.
    method ListSessions(all: ?bool) -> (sessions: []Session)

    # One session, by its id, a unique beginning of it, or its name.
    method GetSession(session: string) -> (session: Session)

    # End a session and everything that runs in it. UnknownSession, with the time, where it has ended before.
    method StopSession(session: string) -> ()

    # Lines of the record; with follow, also those that are still to come. To be called with "more". The last reply has no line.
    # decision, op: a word that lines have, or the beginning of some with * behind it.
    method Events(
      session: ?string,
      follow: ?bool,
      decision: ?string,
      op: ?string
    ) -> (line: ?string)

    # Is anybody there?
    method Ping() -> ()

    # The caller may not do this.
    error NotPermitted (reason: string)

    # A limit on sessions is reached.
    error LimitReached (reason: string)

    # There is no such session that the caller may see.
    error UnknownSession (reason: string)

    # A parameter is missing or wrong.
    error InvalidParameter (reason: string)

    # This host lacks something that the policy needs to be enforced; of_server: the server itself lacks it, or fails.
    error HostCannotEnforce (reason: string, of_server: ?bool)

    """
}
