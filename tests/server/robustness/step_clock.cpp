// SPDX-License-Identifier: MIT
// Preloaded into a server under test: its wall clock is off by as many seconds as the file STEP_CLOCK_FILE says, which
// the test may change at any time. Clocks that nobody can set are left alone. (libfaketime and jemalloc, which asks
// for the time before anything is initialised, do not get along.)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

std::int64_t offset() {
  static std::atomic<const volatile std::int64_t*> shared{nullptr};
  const volatile std::int64_t* seconds = shared.load();
  if (seconds == nullptr) {
    const char* name = getenv("STEP_CLOCK_FILE");
    const int file = name == nullptr ? -1 : open(name, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    void* memory = mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) return 0;
    seconds = static_cast<const volatile std::int64_t*>(memory);
    shared.store(seconds);
  }
  return *seconds;
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) {
  const long result = syscall(SYS_clock_gettime, clock, time);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += offset();
  return static_cast<int>(result);
}

extern "C" int gettimeofday(timeval* __restrict time, void* __restrict) {
  timespec precise{};
  const int result = clock_gettime(CLOCK_REALTIME, &precise);
  *time = {precise.tv_sec, precise.tv_nsec / 1000};
  return result;
}

extern "C" time_t time(time_t* where) {
  timespec precise{};
  clock_gettime(CLOCK_REALTIME, &precise);
  if (where != nullptr) *where = precise.tv_sec;
  return precise.tv_sec;
}
