# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the commands of this folder share. Sourced after scripts/lib.sh.

folder=$build_dir/bench
# shellcheck disable=SC2034 # for the callers
results=$root/bench/results
packages_bench=(libbenchmark-dev libjemalloc-dev libboost-dev libnghttp2-dev libssl-dev)

# build TARGET...: apart from the presets, so that what is measured is always optimised.
build() {
  local log=$folder/build.log
  ensure_packages "${packages_build[@]}" "${packages_bench[@]}"
  ensure_redismodule >&2
  mkdir -p "$folder"
  {
    cmake -S "$root" -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release -DRATELIMIT_BUILD_BENCH=ON \
      -DRATELIMIT_BUILD_MODULE=ON -DRATELIMIT_BUILD_TESTS=OFF \
      -DRATELIMIT_REDISMODULE_DIR="$(redismodule_dir)" &&
      cmake --build "$folder" --target "$@"
  } >"$log" 2>&1 || {
    cat "$log" >&2
    die "the build failed"
  }
}

# The newest Valkey 9 that scripts/servers has obtained, or obtains now.
prefetching_server() {
  "$root/scripts/servers" >&2
  printf '%s\n' "$servers_dir"/valkey-9*/server | sort -V | tail -n 1
}

# Both kinds of server, one a line; or the one that the user names.
usual_servers() {
  if [[ -n ${RATELIMIT_SERVER:-} ]]; then
    say "$RATELIMIT_SERVER"
  else
    command -v redis-server
    prefetching_server
  fi
}

# Installs what a run against a server needs, builds the load generator and, unless the user names one, the module.
prepare_load_generator() {
  local packages
  mapfile -t packages < <(server_packages)
  ensure_packages python3-redis "${packages[@]}"
  build bench_load
  if [[ -z ${RATELIMIT_MODULE:-} ]]; then
    RATELIMIT_MODULE=$build_dir/ratelimit.so
    "$root/scripts/build" >&2 || warn "the module could not be built: measuring what is there"
    [[ -f $RATELIMIT_MODULE ]] || RATELIMIT_MODULE=
  fi
  [[ -z $RATELIMIT_MODULE ]] || RATELIMIT_MODULE=$(realpath -e "$RATELIMIT_MODULE")
}
