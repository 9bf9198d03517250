#!/usr/bin/env bash
# Installs the programs of Debian and Ubuntu that watch the served model, and that tests run: Prometheus, Alertmanager, the exporter of
# the machine's figures, and a browser. Nothing of them is started. What is installed stays as it is.
set -euo pipefail
packages=(prometheus prometheus-alertmanager prometheus-node-exporter chromium)

fail() { echo "services: $1" >&2; exit 1; }

is_installed() { [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
  fail "apt-get is missing: this is for Debian and Ubuntu; elsewhere install ${packages[*]} by your system's own means"
missing=()
for package in "${packages[@]}"; do
  is_installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} = 0 ]; then
  echo "services: all installed: ${packages[*]}"
  exit 0
fi

as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; } ||
    fail "root is needed to install ${missing[*]}; run \`make services\` as root, or with sudo at a terminal"
  as_root=(sudo)
fi

# Debian starts a service when its package is installed, unless policy-rc.d says no. Ours says no while this runs, and one that
# a killed run has left goes with this one; one that was there before stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ] || grep -qs '^# made by make services$' "$policy"; then
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
  printf '#!/bin/sh\n# made by make services\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
fi
log=$(mktemp)
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@" >>"$log" 2>&1; }
failed() {
  tail -n 20 "$log" >&2
  fail "apt-get could not install ${missing[*]}; its messages stand above; is there a network?"
}
echo "services: installing ${missing[*]} (a minute; no service is started)"
apt update || failed
known=()
for package in "${missing[@]}"; do
  if apt-cache policy "$package" | grep -q 'Candidate: [^(]'; then
    known+=("$package")
  else
    echo "services: this system has no package $package; tests that run it are skipped" >&2  # Ubuntu has Chromium as a snap
  fi
done
[ ${#known[@]} = 0 ] || apt install --yes --no-install-recommends "${known[@]}" || failed
rm -f "$log"
echo "services: installed ${known[*]:-nothing}; nothing was started"
