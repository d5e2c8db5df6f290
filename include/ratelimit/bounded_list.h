// SPDX-License-Identifier: MIT
// A list of at most N elements that are kept inside the list itself: nothing is allocated.
//
// Memory behind the last element is not written either. That matters for lists of several kilobytes of which a call
// uses a few entries. Depends on std only.
#ifndef RATELIMIT_BOUNDED_LIST_H
#define RATELIMIT_BOUNDED_LIST_H

#include <cassert>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

namespace ratelimit {

template <class T, std::size_t N>
class BoundedList {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  BoundedList() = default;
  BoundedList(const BoundedList&) = delete;
  BoundedList& operator=(const BoundedList&) = delete;
  ~BoundedList() = default;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] bool full() const { return size_ == N; }

  /// Appends to a list that is not full.
  T& push_back(const T& element) {
    assert(!full());
    return *std::construct_at(data() + size_++, element);
  }

  /// The last element of a list that is not empty.
  [[nodiscard]] T& back() {
    assert(!empty());
    return data()[size_ - 1];
  }

  [[nodiscard]] std::span<const T> span() const { return {std::launder(reinterpret_cast<const T*>(bytes_)), size_}; }

 private:
  [[nodiscard]] T* data() { return std::launder(reinterpret_cast<T*>(bytes_)); }

  std::size_t size_ = 0;
  alignas(T) std::byte bytes_[N * sizeof(T)];
};

}  // namespace ratelimit

#endif  // RATELIMIT_BOUNDED_LIST_H
