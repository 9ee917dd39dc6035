# needs: python3 python3-config=python3-venv
# varies: env/*
set -eu
/usr/bin/python3 -m venv --without-pip env
. env/bin/activate
mkdir -p package && echo 'value = 42' >package/__init__.py
python -c 'import sys, package, os; print(package.value, sys.prefix != sys.base_prefix, os.path.relpath(sys.prefix))'
python -m compileall -q package; ls package/__pycache__
rm -r package/__pycache__
python -m timeit -n 1 -r 1 pass >/dev/null && python -m json.tool <<<'{"a": [1, 2]}'
python - <<'P'
import venv, sysconfig, site, ctypes.util, locale, pwd, os
print(sysconfig.get_platform().split('-')[0], ctypes.CDLL(None).getpid() == os.getpid(), pwd.getpwuid(0).pw_name)
P
