#!/usr/bin/env bash
# Installs requirements/serving.lock and the Triton server of requirements/triton.lock into the serving environment, and
# builds our own backend for that server.
set -euo pipefail
python=$1 venv=$2

fail() { echo "setup: $1" >&2; exit 1; }

[ -n "$python" ] || fail "serving needs Python 3.11 or 3.12 (numpy 1, which Triton's strings need, has no later one) and none was found; install one (Debian 12: apt-get install python3 python3-venv; Ubuntu 24.04: python3.12) or set SERVING_PYTHON=/path/to/python3.12"
[ "$(uname -m)" = x86_64 ] || fail "the Triton server of PyPI runs on x86-64 only, this machine is $(uname -m); use \`make serve SERVING=gpu\`, NVIDIA's container"
"$python" - <<'CHECK' || fail "$python has no shared libpython, which Triton's Python backend needs; install it (Debian, Ubuntu: apt-get install libpython3.11, or libpython3.12) or take a Python that was built with --enable-shared"
import sys, sysconfig
from pathlib import Path
name = sysconfig.get_config_var("INSTSONAME") or ""
folders = [sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("LIBPL"), "/usr/lib/x86_64-linux-gnu", "/usr/lib"]
sys.exit(not (".so" in name and any(folder and (Path(folder) / name).exists() for folder in folders)))
CHECK
requirements/install.sh "$python" "$venv" serving
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade --target "$venv/triton" -r requirements/triton.lock ||
  fail "pip could not install requirements/triton.lock; its messages stand above; is there a network and free disk space?"
requirements/build-backend.sh "$venv"
touch "$venv/.installed"
