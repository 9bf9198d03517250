#!/usr/bin/env bash
# Installs perf_analyzer out of the wheel of requirements/perf-analyzer.lock into VENV-load/perf_analyzer. The two libraries
# that it lacks come along with the Triton server, under longer names.
set -euo pipefail
python=$1 load=$2 serving=$3
folder="$load/perf_analyzer" libraries="$serving/triton/nvidia_pytriton.libs"

fail() { echo "setup: $1" >&2; exit 1; }

[ "$(uname -m)" = x86_64 ] || fail "perf_analyzer of PyPI runs on x86-64 only, this machine is $(uname -m); \`make load\` works without it"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "setup: installing requirements/perf-analyzer.lock into $folder"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --platform manylinux1_x86_64 \
  --require-hashes --dest "$work" -r requirements/perf-analyzer.lock ||
  fail "pip could not download requirements/perf-analyzer.lock; its messages stand above; is there a network and free disk space?"
rm -rf "$folder"
mkdir -p "$folder/lib"
"$python" - "$work" "$folder" <<'UNPACK' || fail "the wheel of requirements/perf-analyzer.lock holds no perf_analyzer; its version has changed"
import sys, zipfile
from pathlib import Path
(wheel,) = Path(sys.argv[1]).glob("*.whl")
with zipfile.ZipFile(wheel) as file:
    (name,) = [name for name in file.namelist() if name.endswith("/bin/perf_analyzer")]
    program = Path(sys.argv[2], "perf_analyzer")
    program.write_bytes(file.read(name))
program.chmod(0o755)
UNPACK
for library in libcudart.so.12 libb64.so.0d; do
  found=$(find "$libraries" -name "${library%%.*}-*.${library#*.}*" 2>/dev/null | head -n 1)
  [ -n "$found" ] || fail "$libraries has no $library, which perf_analyzer needs; run \`make serve\` once, which installs the Triton server"
  ln -s "$(realpath "$found")" "$folder/lib/$library"
done
missing=$(LD_LIBRARY_PATH="$folder/lib" ldd "$folder/perf_analyzer" | awk '/not found/ {print $1}' | paste -sd ' ')
[ -z "$missing" ] || fail "perf_analyzer needs $missing; install it (Debian, Ubuntu: apt-get install libssl3 zlib1g libstdc++6)"
said=$(LD_LIBRARY_PATH="$folder/lib" "$folder/perf_analyzer" --version 2>&1) || fail "$folder/perf_analyzer does not run on this machine: $said"
touch "$load/.perf-analyzer"
