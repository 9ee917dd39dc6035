# needs: tmux script=bsdutils
set -eu
unset TMUX
# A socket of this directory: an agent doesn't get at the user's own server.
tmux() { command tmux -S "$PWD/socket" -f /dev/null "$@"; }
shown() { # TEXT: waits until the pane shows it
  for _ in $(seq 500); do tmux capture-pane -p | grep -qF -- "$1" && { echo "shown: $1"; return; }; sleep 0.02; done
  echo "never shown: $1"; tmux capture-pane -p; exit 1
}
runs() { until [ "$(tmux display-message -p '#{pane_current_command}')" = "$1" ]; do sleep 0.01; done; }
tmux new-session -d -x 80 -y 24 'env -i PATH=$PATH PS1="ready> " TERM=screen LC_ALL=C.UTF-8 bash --norc --noprofile'
trap 'tmux kill-server 2>/dev/null || true' EXIT
shown 'ready>'
tmux send-keys 'tty | sed "s/[0-9]*$/N/"; stty size; test -t 0 && echo term''inal; echo op''en >/dev/tty' Enter; shown '/dev/pts/N'; shown '24 80'; shown terminal; shown open
tmux send-keys 'sleep 100' Enter; runs sleep
tmux send-keys C-c; runs bash
tmux send-keys 'echo interrupted $?' Enter; shown 'interrupted 130'
tmux send-keys 'sleep 101' Enter; runs sleep
tmux send-keys C-z; shown 'Stopped                 sleep 101'
tmux send-keys 'fg' Enter; runs sleep
tmux send-keys C-c; runs bash; tmux send-keys 'echo ended $?; jobs' Enter; shown 'ended 130'
tmux send-keys 'sleep 102 &' Enter 'kill %1; wait %1; echo background $?' Enter; shown 'background 143'
tmux send-keys 'tr a-z A-Z' Enter; runs tr; tmux send-keys 'typed text' Enter; tmux send-keys C-d; runs bash; shown 'TYPED TEXT'
tmux send-keys 'read -rs -p "secret: "'' x </dev/tty; echo; echo got ${#x}' Enter; shown 'secret: '; tmux send-keys 'hidden' Enter; shown 'got 6'
tmux send-keys 'trap "echo size changed" WINCH' Enter; tmux resize-window -x 60 -y 20; tmux send-keys 'stty size' Enter; shown '20 60'; shown 'size changed'
tmux split-window -d -h 'exec sleep 103'
tmux list-panes -F '#{pane_width}x#{pane_height} #{pane_dead}'
tmux kill-pane -t 1; tmux new-window -d -n other 'sleep 104'; tmux list-windows -F '#{window_index} #{window_name}' | tail -1
tmux send-keys 'exit 3' Enter
until [ "$(tmux list-windows | wc -l)" = 1 ]; do sleep 0.02; done
tmux list-windows -F '#{window_name}'
tmux kill-server
while tmux ls >/dev/null 2>&1; do sleep 0.02; done
rm -f socket
script -qec 'test -t 1 && echo in a terminal; exit 4' typescript.1 </dev/null | tr -d '\r'; echo "script ${PIPESTATUS[0]}"; rm -f typescript.1
