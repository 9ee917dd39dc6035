/// What a shell is given to complete agentsh's command lines: the parser's script, which knows agentsh's own words, and what follows `wrap … --` as the
/// command line of another program.
enum CompletionScript {
  /// - Parameter script: as the parser writes it; one that doesn't look as expected, and fish's, stays as it is.
  static func completingCommands(_ script: String) -> String {
    var lines = script.split(separator: "\n", omittingEmptySubsequences: false)
    if let end = lines.lastIndex(of: "complete -o filenames -F _agentsh agentsh") {
      lines[end] = bash[...]
    } else if lines.first == "#compdef agentsh", let start = lines.firstIndex(of: "_agentsh_wrap() {") {
      lines.insert(zsh[...], at: start + 1)
    }
    return lines.joined(separator: "\n")
  }

  /// bash-completion has a function for it, with another name since 2.12; without that package there are programs first and files then.
  private static let bash = """
    __agentsh_with_commands() {
        local -i index
        if [[ "${COMP_WORDS[1]}" = wrap ]]; then
            for ((index = 2; index < COMP_CWORD; index++)); do
                [[ "${COMP_WORDS[index]}" = -- ]] || continue
                local function
                for function in _comp_command_offset _command_offset; do
                    if declare -F "${function}" >/dev/null; then
                        "${function}" "$((index + 1))"
                        return
                    fi
                done
                local action=-f
                ((COMP_CWORD == index + 1)) && action=-c
                COMPREPLY=()
                local completion
                while IFS= read -r completion; do COMPREPLY+=("${completion}"); done < <(compgen "${action}" -- "${COMP_WORDS[COMP_CWORD]}")
                return
            done
        fi
        _agentsh "${@}"
    }

    complete -o filenames -F __agentsh_with_commands agentsh
    """

  private static let zsh = """
        local -ir terminator="${words[(ie)--]}"
        if [[ "${terminator}" -lt "${CURRENT}" ]]; then
            shift "${terminator}" words
            ((CURRENT -= terminator))
            _normal
            return
        fi

    """
}
