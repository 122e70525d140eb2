#pragma once

// The host kernel's side of the comparison, by system calls.

#include <cstddef>
#include <cstdint>

#include "harness/fail.hpp"

namespace surefoot::bench {

/// Private anonymous memory of the host, without huge pages.
class HostRegion {
public:
    explicit HostRegion(std::size_t pages);
    ~HostRegion();
    HostRegion(const HostRegion&) = delete;
    HostRegion& operator=(const HostRegion&) = delete;

    std::byte* at(std::size_t page) const { return start_ + page * kPage; }
    /// One store a page: a fault each.
    void touch(std::size_t first, std::size_t pages) const;
    /// The same pages by MADV_POPULATE_WRITE: no exception. @return false where the host lacks it
    bool populate(std::size_t first, std::size_t pages) const;
    void discard(std::size_t first, std::size_t pages) const;
    void protect(std::size_t page, bool write) const;

private:
    std::byte* start_;
    std::size_t pages_;
};

}  // namespace surefoot::bench
