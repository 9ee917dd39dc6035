# needs: python3
set -eu
/usr/bin/python3 -B "$PROGRAMS/behaviour.py"
