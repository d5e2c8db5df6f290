# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the scripts of this folder share: which packages are needed and how they are installed, where
# redismodule.h comes from, how a preset is built. Sourced, never run; the sourcing script has set -euo pipefail.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_dir=$root/build

# Debian's packages, by what needs them. A script asks for the groups that it uses and no more.
# shellcheck disable=SC2034 # used by the scripts that source this
{
  packages_build=(g++ cmake ninja-build libabsl-dev libsodium-dev)
  packages_core=(libgtest-dev libboost-dev libhowardhinnant-date-dev)
  packages_test=(python3-redis python3-pytest python3-pytest-xdist tzdata)
  packages_clients=(php-cli php-redis ruby-redis libredis-perl libhiredis-dev libjansson-dev golang-go
    golang-github-gomodule-redigo-dev)
  packages_cpp=(libhiredis-dev libssl-dev openssl)
  packages_examples=(nginx-light wrk gnuplot-nox golang-go golang-github-gomodule-redigo-dev
    golang-github-mna-redisc-dev python3-uvicorn)
  packages_package=(dpkg-dev fakeroot rpm)
  packages_package_test=(cpio lintian redis-server redis-tools)
  packages_redis_suite=(redis-server redis-tools tcl procps dpkg-dev)
  packages_check=(shellcheck shfmt yamllint clang clang-format clang-tidy python3-venv)
}

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() {
  warn "error: $*"
  exit 1
}

# The comment at the top of a script is its help, so that the two cannot differ.
print_help() {
  awk '/^# SPDX-/ { next } NR > 1 && (!/^#/ || /^# shellcheck/) { exit } NR > 1 { sub(/^# ?/, ""); print }' "$1"
}

# attempt COMMAND...: runs it to its first failure and leaves its exit code in `status`. (After `if` or `||`
# the shell would ignore set -e inside it.)
attempt() {
  set +e
  (
    set -e
    "$@"
  )
  # shellcheck disable=SC2034 # for the caller
  status=$?
  set -e
}

# The scripts change folders, so what the user named from his must be absolute.
[[ ${RATELIMIT_SERVER:-} != */* ]] || RATELIMIT_SERVER=$(realpath "$RATELIMIT_SERVER")
[[ -z ${RATELIMIT_REDISMODULE_DIR:-} ]] || RATELIMIT_REDISMODULE_DIR=$(realpath "$RATELIMIT_REDISMODULE_DIR")

# --- packages ---------------------------------------------------------------------------------------

is_installed() { [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null) == ii* ]]; }

# Asked once, here: later on, standard input is often redirected. Without a terminal nobody can type a password.
if ((EUID == 0)); then sudo=(); elif [[ -t 0 ]]; then sudo=(sudo); else sudo=(sudo -n); fi

apt_as_root() {
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@" </dev/null
}

# ensure_packages NAME...: installs what is missing. When nothing is, apt is not called at all.
ensure_packages() {
  local missing=() name
  command -v dpkg-query >/dev/null || return 0 # not a Debian: the build will say what it misses
  for name in "$@"; do
    is_installed "$name" || missing+=("$name")
  done
  ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
}

# What is still needed of programs that may also come from elsewhere than a package; and the time zones, which the
# module takes from the system.
server_packages() {
  say tzdata
  [[ -n ${RATELIMIT_SERVER:-} ]] || command -v redis-server >/dev/null || say redis-server
  command -v redis-cli >/dev/null || say redis-tools
}
node_packages() { command -v npm >/dev/null || say npm; }

install_packages() {
  local by_hand="apt-get update && apt-get install --no-install-recommends $*"
  say "installing: $*"
  if ((EUID != 0)); then
    { command -v sudo >/dev/null && "${sudo[@]}" true; } || die "packages are missing, and installing them needs root. As root: $by_hand"
  fi
  mkdir -p "$build_dir"
  if ! { apt_as_root update && install_with_services_off "$@"; } >"$build_dir/apt.log" 2>&1; then
    tail -n 20 "$build_dir/apt.log" >&2
    die "apt failed (the whole of it: build/apt.log). By hand, as root: $by_hand"
  fi
}

# Debian starts a server when its package is installed and at every boot. Only the program is wanted here,
# and port 6379 stays free. policy-rc.d is the one switch that systemd and sysvinit both obey; where there
# is one, it is the administrator's and decides. A subshell, so that its end takes ours away, come what may.
install_with_services_off() (
  policy=/usr/sbin/policy-rc.d
  [[ " $* " == *" redis-server "* ]] || policy=
  if [[ -n $policy && ! -e $policy ]]; then
    trap '"${sudo[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" install -m 755 /dev/stdin "$policy"
  fi
  apt_as_root install -y --no-install-recommends "$@" || return
  [[ -z $policy ]] || "${sudo[@]}" update-rc.d redis-server disable || true
)

# The libraries for Node.js that tests and examples use, as tests/client_libraries locks them, installed outside the tree.
ensure_node_libraries() {
  local from=$root/tests/client_libraries to=$build_dir/node
  ! cmp -s "$from/package-lock.json" "$to/installed.json" || return 0
  rm -rf "$to"
  mkdir -p "$to"
  cp "$from"/package*.json "$to"
  (cd "$to" && timeout --kill-after=20 300 npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null) >&2
  cp "$to/package-lock.json" "$to/installed.json"
}

# --- redismodule.h ----------------------------------------------------------------------------------
# No binary package ships it. It comes from the source package of the distribution's own server, through
# an apt with its own lists and cache in build/apt: this needs no root and leaves the system's apt alone.

# The folder that holds redismodule.h: the user's, else ours.
redismodule_dir() { say "${RATELIMIT_REDISMODULE_DIR:-$build_dir/redismodule}"; }

ensure_redismodule() {
  local log=$build_dir/redismodule.log
  [[ ! -f $(redismodule_dir)/redismodule.h ]] || return 0
  [[ -z ${RATELIMIT_REDISMODULE_DIR:-} ]] || die "there is no redismodule.h in $RATELIMIT_REDISMODULE_DIR"
  say "fetching redismodule.h from the source package of redis"
  mkdir -p "$build_dir"
  if ! { fetch_redis_source && check_redis_source && extract_redismodule; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "could not get redismodule.h (the whole of it: build/redismodule.log)." \
      "If you have the sources of Redis: scripts/build --redismodule path/to/redis/src"
  fi
}

# apt_in FOLDER ARGUMENT...: apt-get with its lists, cache and sources in that folder.
apt_in() {
  local apt=$1 keyring
  shift
  for keyring in /usr/share/keyrings/{debian,ubuntu}-archive-keyring.gpg; do [[ ! -f $keyring ]] || break; done
  # The keyring is named since not every release has it among the trusted ones by itself. Run by root,
  # apt would fetch as the user _apt, who often may not enter the folder of the checkout.
  apt-get -q \
    -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts="$apt/sources.list.d" \
    -o Dir::Etc::Trusted="$keyring" \
    -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" \
    -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3 "$@" </dev/null
}

make_apt_folders() { mkdir -p "$1/sources.list.d" "$1/lists/partial" "$1/cache/archives/partial"; }

private_apt() { apt_in "$build_dir/apt" "$@"; }

# deb-src lines for the archives that this machine takes its packages from. Only those of Debian or Ubuntu: others often
# have no sources. Where apt has no lists yet, it knows no origin: then all of them.
source_lines() {
  # shellcheck disable=SC2016 # the dollars are apt's
  local format='deb-src $(SITE) $(RELEASE) $(COMPONENT)' origin lines=
  for origin in 'Origin: Debian' 'Origin: Ubuntu' ''; do
    [[ -n $lines ]] || lines=$(apt-get indextargets --format "$format" 'Created-By: Packages' ${origin:+"$origin"})
  done
  sort -u <<<"$lines"
}

# The tarball stays in build/redis-source: it also holds the server's own tests.
fetch_redis_source() {
  local apt=$build_dir/apt sources=$build_dir/redis-source
  make_apt_folders "$apt" && mkdir -p "$sources" &&
    source_lines >"$apt/sources.list" &&
    private_apt update &&
    (cd "$sources" && private_apt source --download-only redis)
}

# "sha256  name" of each file that the newest .dsc lists.
redis_source_sums() {
  local dsc
  dsc=$(printf '%s\n' "$build_dir"/redis-source/redis_*.dsc | sort -V | tail -n 1)
  awk '/^Checksums-Sha256:/ { on = 1; next } /^[^ ]/ { on = 0 } on { print $1 "  " $3 }' "$dsc"
}

# apt has checked the .dsc against the archive's signature; its sums vouch for the rest.
check_redis_source() { (cd "$build_dir/redis-source" && redis_source_sums | sha256sum --check --strict); }

extract_redismodule() {
  local dir=$build_dir/redismodule tarball
  tarball=$(redis_source_sums | awk '$2 ~ /\.orig\.tar\.[a-z0-9]+$/ { print $2 }')
  mkdir -p "$dir" &&
    tar -xOf "$build_dir/redis-source/$tarball" --wildcards '*/src/redismodule.h' >"$dir/redismodule.h.new" &&
    mv "$dir/redismodule.h.new" "$dir/redismodule.h"
}

# --- other servers ----------------------------------------------------------------------------------

# shellcheck disable=SC2034 # for the callers
servers_dir=$build_dir/servers

# "8.0.2", from "Redis server v=8.0.2 sha=..." or "Valkey server v=...".
version_of() { "$1" --version | sed -nE 's/.* v=([^ ]+).*/\1/p' | grep .; }

# What scripts/servers has obtained, one folder a line.
server_folders() {
  local file
  for file in "$servers_dir"/*/server; do [[ ! -x $file ]] || dirname "$file"; done
}

# --- building ---------------------------------------------------------------------------------------

# build_preset PRESET [TARGET...]: everything a fresh machine needs, then cmake and ninja. Quiet when there is
# nothing to do. One build at a time: two ninjas in one folder spoil it.
build_preset() {
  ensure_packages "${packages_build[@]}"
  mkdir -p "$build_dir"
  (
    flock 9
    ensure_redismodule
    configure "$1"
    compile "$@"
    [[ $1 != release ]] || publish "$build_dir/release/ratelimit.so" "$build_dir/ratelimit.so"
  ) 9>"$build_dir/.lock"
}

# The libraries that cmake uses where they are: of the tests in C++, and of the C++ client. It looks for them once, when it
# configures.
optional_headers() {
  local file
  for file in {/usr,/usr/local}/include/{gtest/gtest.h,boost/version.hpp,date/date.h,hiredis/hiredis.h}; do
    [[ ! -f $file ]] || printf '%s ' "$file"
  done
}

# Ninja itself notices a changed CMakeLists.txt; what it cannot see is in the stamp. Warnings are errors: we want to hear
# of them. For those who use cmake themselves they are not.
configure() {
  local preset=$1 dir=$build_dir/$1 stamp
  stamp="$(cksum <"$root/CMakePresets.json") ${CXX:-} $(redismodule_dir) $(optional_headers)"
  [[ ! -f $dir/build.ninja || $(cat "$dir/.configured" 2>/dev/null) != "$stamp" ]] || return 0
  mkdir -p "$dir"
  say "configuring $preset"
  if ! (cd "$root" && cmake --preset "$preset" -DRATELIMIT_WERROR=ON -DRATELIMIT_REDISMODULE_DIR="$(redismodule_dir)") \
    >"$dir/configure.log" 2>&1; then
    cat "$dir/configure.log" >&2
    die "cmake could not configure the preset $preset"
  fi
  say "$stamp" >"$dir/.configured"
}

compile() {
  local preset=$1 dir=$build_dir/$1 log=$build_dir/$1/build.log
  shift
  [[ $(ninja -C "$dir" -n "$@" 2>&1) != *"no work to do"* ]] || return 0
  say "building $preset"
  if [[ -t 1 ]]; then
    ninja -C "$dir" "$@" || die "the build failed"
  elif ! ninja -C "$dir" "$@" >"$log" 2>&1; then
    sed -n '/^FAILED/,$ { /^\[[0-9]*\/[0-9]*\]/! p }' "$log" >&2
    die "the build failed (the whole of it: build/$preset/build.log)"
  fi
}

# A new file in the old one's place: a server that has the old one loaded keeps it unharmed.
publish() {
  cmp -s "$1" "$2" || { cp "$1" "$2.new" && mv -f "$2.new" "$2"; }
}
