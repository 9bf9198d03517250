#!/usr/bin/env bash
# Builds serving/native into the serving environment: triton-backends/adclick/libtriton_adclick.so.
set -euo pipefail
venv=$1
target=$venv/triton-backends/adclick
mkdir -p "$venv"
work=$(mktemp -d "$PWD/$venv/build.XXXXXX")  # the compiler takes 400 MB, more than some machines have in /tmp
trap 'rm -rf "$work"' EXIT

fail() { echo "setup: $1" >&2; exit 1; }

echo "setup: building Triton's backend from serving/native"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$work/zig" -r requirements/zig.lock ||
  fail "pip could not install requirements/zig.lock; its messages stand above; is there a network and free disk space?"
export ZIG_GLOBAL_CACHE_DIR=$work/cache ZIG_LOCAL_CACHE_DIR=$work/cache
PYTHONPATH=$work/zig "$venv/bin/python" -m ziglang cc -target x86_64-linux-gnu.2.28 -std=c11 -D_GNU_SOURCE -O3 -g0 \
  -Wall -Wextra -Wno-unused-parameter -Werror -fPIC -shared -fvisibility=hidden -o "$work/libtriton_adclick.so" serving/native/*.c ||
  fail "serving/native could not be compiled; the compiler's messages stand above"
mkdir -p "$target"
mv "$work/libtriton_adclick.so" "$target/.partial"
mv "$target/.partial" "$target/libtriton_adclick.so"
