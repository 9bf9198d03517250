#!/usr/bin/env bash
# Writes requirements/NAME.lock from requirements/NAME.in: a fresh environment, what pip chose, nothing of this machine, and
# the hashes of all files of each version, for any machine. `lock.sh NAME hashes` keeps the versions that are in the lock.
# torch has no hash: its CPU and CUDA builds come from several indexes, each with files of its own. CUDA packages are left to
# torch's own exact pins, so that all its builds install from the same lock.
set -euo pipefail
name=$1 what=${2:-all}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lock=requirements/$name.lock

versions() {
  "${PYTHON:-python3}" -m venv "$work/venv"
  "$work/venv/bin/python" -m pip install --quiet -r "requirements/$name.in"
  "$work/venv/bin/python" -m pip freeze --exclude-editable |
    grep -viE '^(nvidia-[^m]|cuda-|triton==|pip==|setuptools==)' | sed 's/+cpu$//'
}

with_hashes() {  # of the index that pip is set to by PIP_INDEX_URL, else of uv's own
  "${PYTHON:-python3}" -m venv "$work/tools"
  "$work/tools/bin/python" -m pip install --quiet --disable-pip-version-check uv==0.13.9
  [ -z "${PIP_INDEX_URL:-}" ] || export UV_DEFAULT_INDEX=$PIP_INDEX_URL
  "$work/tools/bin/uv" pip compile --quiet --no-cache --no-config --no-deps --generate-hashes --no-header --no-annotate "$1"
}

if [ "$what" = hashes ]; then grep -oE '^[A-Za-z0-9._-]+==[^ ;\]+' "$lock"; else versions; fi | LC_ALL=C sort -f > "$work/versions"
{
  echo "# Made by 'make lock' from requirements/$name.in. Do not edit."
  grep '^torch==' "$work/versions" || true
  grep -v '^torch==' "$work/versions" > "$work/hashed.in"
  with_hashes "$work/hashed.in"
} > "$work/lock"
mv "$work/lock" "$lock"
echo "lock: $(grep -c == "$lock") packages in $lock"
