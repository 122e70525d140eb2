#include "limits/host_memory.hpp"

#include <sys/mman.h>

namespace surefoot::bench {

HostRegion::HostRegion(std::size_t pages) : pages_(pages) {
    void* at = mmap(nullptr, pages * kPage, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    must(at != MAP_FAILED, "host memory");
    start_ = static_cast<std::byte*>(at);
    // Refused where the host has no huge pages: then there is nothing to turn off.
    static_cast<void>(madvise(start_, pages * kPage, MADV_NOHUGEPAGE));
}

HostRegion::~HostRegion() { munmap(start_, pages_ * kPage); }

void HostRegion::touch(std::size_t first, std::size_t pages) const {
    for (std::size_t i = first; i < first + pages; ++i) {
        __atomic_store_n(reinterpret_cast<char*>(at(i)), 1, __ATOMIC_RELAXED);
    }
}

bool HostRegion::populate(std::size_t first, std::size_t pages) const {
    return madvise(at(first), pages * kPage, MADV_POPULATE_WRITE) == 0;
}

void HostRegion::discard(std::size_t first, std::size_t pages) const {
    must(madvise(at(first), pages * kPage, MADV_DONTNEED) == 0, "host madvise");
}

void HostRegion::protect(std::size_t page, bool write) const {
    const int rights = write ? PROT_READ | PROT_WRITE : PROT_READ;
    must(mprotect(at(page), kPage, rights) == 0, "host mprotect");
}

}  // namespace surefoot::bench
