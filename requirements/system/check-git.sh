#!/usr/bin/env bash
# Ends with 1 and one sentence, begun by $1, where DVC would end because it finds no git repository and is not told to do without.
set -euo pipefail
grep -qsiE '^[[:space:]]*no_scm[[:space:]]*=[[:space:]]*true' .dvc/config .dvc/config.local && exit 0
command -v git >/dev/null || { echo "$1: git is missing and DVC needs it; install it (Debian, Ubuntu: apt-get install git)" >&2; exit 1; }
git rev-parse --git-dir >/dev/null && exit 0
echo "$1: DVC needs a git repository and git finds none here (its message stands above); clone the project or run \`git init\`, or, to do without (dvc exp then cannot), put no_scm = true below [core] in .dvc/config, as \`dvc config core.no_scm true\` does" >&2
exit 1
