// SPDX-License-Identifier: MIT
// A number of many objects that is kept in a sum as well: each says by how much its own has changed.
#ifndef RATELIMIT_MODULE_STORAGE_TALLY_H
#define RATELIMIT_MODULE_STORAGE_TALLY_H

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ratelimit {

/// The sum. Objects may end in other threads.
struct Tally {
  std::atomic<std::int64_t> number{0};
};

/// The number of one object. It is in no sum before `tally_in`, and in none after the object has ended. A copy is in none.
class Tallied {
 public:
  Tallied() = default;
  Tallied(const Tallied& other) : number_(other.number_) {}
  Tallied& operator=(const Tallied&) = delete;
  ~Tallied() { add_to_sum(-static_cast<std::int64_t>(number_)); }

  void tally_in(Tally& sum) {
    sum_ = &sum;
    add_to_sum(static_cast<std::int64_t>(number_));
  }

  [[nodiscard]] operator std::size_t() const { return number_; }  // NOLINT(google-explicit-constructor): it is one
  Tallied& operator+=(std::size_t more) {
    number_ += more;
    add_to_sum(static_cast<std::int64_t>(more));
    return *this;
  }
  Tallied& operator-=(std::size_t less) {
    number_ -= less;
    add_to_sum(-static_cast<std::int64_t>(less));
    return *this;
  }

 private:
  void add_to_sum(std::int64_t number) {
    if (sum_ != nullptr) sum_->number.fetch_add(number, std::memory_order_relaxed);
  }

  std::size_t number_ = 0;
  Tally* sum_ = nullptr;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_STORAGE_TALLY_H
