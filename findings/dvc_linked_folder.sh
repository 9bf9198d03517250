#!/usr/bin/env bash
# dvc 3.67.1 leaves a folder that is linked inside a dependency out of the dependency's hash: what lies behind the link may come,
# change or go, and `dvc repro` runs nothing. A file that is linked, and a dependency that is a link itself, are followed. Works in
# temporary folders, and needs no network once the package is installed. Exits with 1 if anything of this has changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check dvc==3.67.1
export PATH="$work/venv/bin:$PATH" HOME="$work/home" XDG_CONFIG_HOME="$work/home" DVC_SITE_CACHE_DIR="$work/site" DVC_NO_ANALYTICS=1
mkdir "$HOME"
echo "dvc $(dvc --version) on $(uname -sm)"

changed=0
look() {  # what is tried, link inside the project, what it leads to, file behind it that changes, does the stage run again (yes or no)
  local folder="$work/project" outside="$work/outside" seen=no before
  rm -rf "$folder" "$outside" && mkdir -p "$folder" "$outside/month"
  cd "$folder"
  dvc init --no-scm --quiet && dvc config core.check_update false
  echo 1 > "$outside/month/rows.csv"
  [ "$2" = data ] || { mkdir data && echo 1 > data/own.csv; }
  ln -s "$3" "$2"
  printf 'stages:\n  count:\n    cmd: echo ran >> runs.txt\n    deps: [data]\n' > dvc.yaml
  dvc repro --quiet
  before=$(wc -l < runs.txt)
  sleep 1.1  # another second on every clock of a file system
  echo 2 >> "$outside/$4"
  dvc repro --quiet
  [ "$(wc -l < runs.txt)" = "$before" ] || seen=yes
  printf '%-44s runs again: expected %-3s seen %s\n' "$1" "$5" "$seen"
  [ "$seen" = "$5" ] || changed=1
  cd "$work"
}
look "a file behind a linked folder changes" data/linked "$work/outside/month" month/rows.csv no
look "a file comes behind a linked folder" data/linked "$work/outside/month" month/more.csv no
look "a linked file changes" data/linked.csv "$work/outside/month/rows.csv" month/rows.csv yes
look "a file changes, the dependency is the link" data "$work/outside/month" month/rows.csv yes
[ "$changed" = 0 ] || echo "what was seen is not what was expected: dvc behaves otherwise than when this was written"
exit "$changed"
