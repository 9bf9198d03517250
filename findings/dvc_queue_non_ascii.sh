#!/usr/bin/env bash
# dvc 3.67.1 fails every experiment of a queue (and of `dvc exp run --temp`) where the repository's .git/config or the project's
# path has a character beyond ASCII: setting up the experiment's copy writes both with the codec ascii (configobj's default, without
# an encoding). `dvc exp run --queue` and `dvc queue start` end with 0, `dvc queue status` says Failed, and why stands in
# .dvc/tmp/exps/celery/*.out alone. A name in the user's own Git configuration does no harm, and neither does `dvc exp run` in the
# workspace (not looked at here). Works in temporary folders, and needs no network once the package is installed. Exits with 1 if
# anything of this has changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check dvc==3.67.1
export PATH="$work/venv/bin:$PATH" HOME="$work/home" XDG_CONFIG_HOME="$work/home" DVC_SITE_CACHE_DIR="$work/site" DVC_NO_ANALYTICS=1
export GIT_CONFIG_NOSYSTEM=1 LC_ALL=C.UTF-8
mkdir "$HOME"
echo "dvc $(dvc --version) on $(uname -sm)"

changed=0
look() {  # what is tried, folder, the user's name, whose configuration has it (--local or --global), expected status of the experiment
  local folder="$work/$2" seen=""
  rm -rf "$HOME/.gitconfig" "$folder" && mkdir -p "$folder"
  git config --global user.email somebody@example.org
  cd "$folder" && git init --quiet && git config "$4" user.name "$3"
  dvc init --quiet && dvc config core.check_update false
  echo 'x: 1' > params.yaml
  printf 'stages:\n  copy:\n    cmd: cp params.yaml copied.yaml\n    params: [x]\n    outs: [copied.yaml]\n' > dvc.yaml
  dvc repro --quiet && git add -A && git commit --quiet -m first
  dvc exp run --queue -S x=2 >/dev/null 2>&1
  dvc queue start >/dev/null 2>&1  # both end with 0: set -e stands
  for _ in $(seq 60); do
    seen=$(dvc queue status 2>/dev/null | grep -oE 'Success|Failed' || true)
    [ -z "$seen" ] || break
    sleep 1
  done
  printf '%-52s expected %-8s seen %s\n' "$1" "$5" "${seen:-nothing}"
  [ "$seen" = "$5" ] || changed=1
  if [ "$5" = Failed ] && ! grep -q "UnicodeEncodeError: 'ascii' codec" .dvc/tmp/exps/celery/*.out; then changed=1; fi
  dvc queue stop --kill >/dev/null 2>&1 || true
  cd "$work"
}
look "ASCII alone" plain Jorg --local Success
look "a name beyond ASCII in the repository" named Jörg --local Failed
look "a name beyond ASCII in the user's configuration" own Jörg --global Success
look "a folder beyond ASCII" Größe Jorg --local Failed
[ "$changed" = 0 ] || echo "what was seen is not what was expected: dvc behaves otherwise than when this was written"
exit "$changed"
