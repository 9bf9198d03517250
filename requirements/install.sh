#!/usr/bin/env bash
# Installs requirements/NAME.lock into a virtual environment, after saying in one sentence what the machine lacks.
set -euo pipefail
python=$1 venv=$2 name=$3

fail() { echo "setup: $1" >&2; exit 1; }

[ -n "$python" ] || fail "Python 3.11, 3.12 or 3.13 is needed and none was found; install one (Debian, Ubuntu: apt-get install python3 python3-venv) or set PYTHON=/path/to/python3"
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python has no venv module; install it (Debian, Ubuntu: apt-get install python3-venv)"

[[ "$name" != pipeline && "$name" != dev ]] || requirements/system/check-git.sh setup
if command -v flock >/dev/null; then  # two makes at once: the second waits, and then finds all installed
  exec 9>"$venv-lock"
  flock 9
fi

[ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import pip' 2>/dev/null || "$python" -m venv --clear "$venv"
echo "setup: installing requirements/$name.lock into $venv (a few minutes the first time)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep -v '^torch==' "requirements/$name.lock" > "$work/hashed.txt"
grep -oE '^[A-Za-z0-9._-]+==[^ ;\]+' "requirements/$name.lock" > "$work/versions.txt"
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
# first every file by its hash, then what has none: torch, whose builds differ, and what it or a later Python needs besides
{ "${pip[@]}" --require-hashes --no-deps -r "$work/hashed.txt" && "${pip[@]}" -r "$work/versions.txt"; } ||
  fail "pip could not install requirements/$name.lock; its messages stand above; is there a network and free disk space?"
grep -qi '^lightgbm==' "requirements/$name.lock" && ! "$venv/bin/python" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null &&
  fail "the OpenMP runtime libgomp.so.1 is missing and LightGBM needs it; install it (Debian, Ubuntu: apt-get install libgomp1)"
touch "$venv/.${name##*/}"
