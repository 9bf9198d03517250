#!/usr/bin/env bash
# Writes requirements/NAME.lock from requirements/NAME.in: a fresh environment, what pip chose, nothing of this machine.
# CUDA packages are left to torch's own exact pins, so that CPU and CUDA builds install from the same lock.
set -euo pipefail
name=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet -r "requirements/$name.in"
{
  echo "# Made by 'make lock' from requirements/$name.in. Do not edit."
  "$work/venv/bin/python" -m pip freeze --exclude-editable |
    grep -viE '^(nvidia-[^m]|cuda-|triton==|pip==|setuptools==)' | sed 's/+cpu$//' | LC_ALL=C sort -f
} > "$work/lock"
mv "$work/lock" "requirements/$name.lock"
echo "lock: $(grep -c == "requirements/$name.lock") packages in requirements/$name.lock"
