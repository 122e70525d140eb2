#pragma once

#include <cstddef>
#include <new>
#include <span>
#include <type_traits>

#include "base/macros.hpp"

namespace surefoot::inline SF_BUILD {

/// Up to N values in place. Room that is not used is not touched: clearing an array whenever an
/// operation puts one on its stack can cost more than the operation.
template <class T, std::size_t N>
class FixedVector {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    FixedVector() {}

    static constexpr std::size_t capacity() { return N; }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    bool full() const { return size_ == N; }

    T* begin() { return items_; }
    T* end() { return items_ + size_; }
    const T* begin() const { return items_; }
    const T* end() const { return items_ + size_; }
    T& operator[](std::size_t i) {
        SF_DEBUG_ASSERT(i < size_);
        return items_[i];
    }
    const T& operator[](std::size_t i) const {
        SF_DEBUG_ASSERT(i < size_);
        return items_[i];
    }
    T& back() { return (*this)[size_ - 1]; }
    operator std::span<const T>() const { return {items_, size_}; }

    void push_back(const T& value) { add() = value; }
    /// The new last one, to be filled in.
    T& add() {
        SF_ASSERT(size_ < N);
        return *new (&items_[size_++]) T;
    }
    void clear() { size_ = 0; }

private:
    std::size_t size_ = 0;
    union {
        T items_[N];
    };
};

}  // namespace surefoot::inline SF_BUILD
