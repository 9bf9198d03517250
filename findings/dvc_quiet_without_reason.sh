#!/usr/bin/env bash
# dvc 3.67.1: `--quiet` is said to keep standard output empty, and takes the reason of a failure off standard error as well. `dvc pull
# --quiet` of files that the remote does not have, and `dvc add --quiet` of a file that is not there, end with a code other than 0 and
# print nothing at all. A program that calls DVC and wants to pass its words on has to do without the option. Works in temporary folders,
# and needs no network once the package is installed. Exits with 1 if anything of this has changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check dvc==3.67.1
export PATH="$work/venv/bin:$PATH" HOME="$work/home" XDG_CONFIG_HOME="$work/home" DVC_SITE_CACHE_DIR="$work/site" DVC_NO_ANALYTICS=1
mkdir "$HOME" "$work/remote" "$work/project"
cd "$work/project"
echo "dvc $(dvc --version) on $(uname -sm)"
dvc init --no-scm --quiet && dvc config core.check_update false
dvc remote add --quiet --default backup "$work/remote"
echo 1 > rows.csv
dvc add --quiet rows.csv
rm -rf rows.csv .dvc/cache

changed=0
look() {  # words on standard error expected (some or none), the command
  local expected=$1 code=0 seen=none
  shift
  "$@" > "$work/out" 2> "$work/err" || code=$?
  [ ! -s "$work/err" ] || seen=some
  printf '%-28s fails: code %-4s words on standard error: expected %s, seen %s\n' "$*" "$code" "$expected" "$seen"
  [ "$code" != 0 ] && [ "$seen" = "$expected" ] || changed=1
}
look some dvc pull rows.csv.dvc
look none dvc pull --quiet rows.csv.dvc
look some dvc add nowhere.csv
look none dvc add --quiet nowhere.csv
[ "$changed" = 0 ] || echo "what was seen is not what was expected: dvc behaves otherwise than when this was written"
exit "$changed"
