#!/usr/bin/env bash
# Builds the C parts of serving into the serving environment: serving/native, the backend, to triton-backends/adclick, and
# serving/preload, which Triton is started with, to triton-preload.
set -euo pipefail
venv=$1
mkdir -p "$venv"
work=$(mktemp -d "$PWD/$venv/build.XXXXXX")  # the compiler takes 400 MB, more than some machines have in /tmp
trap 'rm -rf "$work"' EXIT

# A fault in these libraries is one in Triton itself: what the compiler can do against its being used.
# tests/serving/native/test_hardening.py looks for each in what was built. (-fcf-protection: the instructions are there, but
# zig's linker does not write the note by which a loader would turn the check on.)
hardened=(-D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -Wl,-z,relro,-z,now,-z,noexecstack)

fail() { echo "setup: $1" >&2; exit 1; }

compile() {  # library, sources
  local library=$venv/$1
  shift
  PYTHONPATH=$work/zig "$venv/bin/python" -m ziglang cc -target x86_64-linux-gnu.2.28 -std=c11 -D_GNU_SOURCE -O3 -g0 \
    "${hardened[@]}" -Wall -Wextra -Wno-unused-parameter -Werror -fPIC -shared -fvisibility=hidden -o "$work/library.so" "$@" -lpthread ||
    fail "$* could not be compiled; the compiler's messages stand above"
  mkdir -p "$(dirname "$library")"
  mv "$work/library.so" "$library.partial"
  mv "$library.partial" "$library"
}

echo "setup: building Triton's backend from serving/native and serving/preload"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target "$work/zig" -r requirements/zig.lock ||
  fail "pip could not install requirements/zig.lock; its messages stand above; is there a network and free disk space?"
export ZIG_GLOBAL_CACHE_DIR=$work/cache ZIG_LOCAL_CACHE_DIR=$work/cache
compile triton-backends/adclick/libtriton_adclick.so serving/native/*.c serving/native/*/*.c
compile triton-preload/libpatient_send.so serving/preload/*.c
