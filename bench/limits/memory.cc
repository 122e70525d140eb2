#include "limits/memory.hpp"

#include <immintrin.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

#include "harness/clock.hpp"
#include "harness/fail.hpp"

namespace surefoot::bench {

PointerRing::PointerRing(std::size_t bytes) : lines_(bytes / sizeof(Line)) {
    std::vector<std::size_t> order(lines_.size());
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
    for (std::size_t i = 0; i < order.size(); ++i) {
        lines_[order[i]].next = &lines_[order[(i + 1) % order.size()]];
    }
    at_ = &lines_[order[0]];
}

Pages::Pages(std::size_t pages) : pages_(pages) {
    const int fd = memfd_create("bench", MFD_CLOEXEC);
    must(fd >= 0 && ftruncate(fd, static_cast<off_t>(pages * 4096)) == 0, "memory");
    void* at = mmap(nullptr, pages * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    must(at != MAP_FAILED, "memory");
    close(fd);
    start_ = static_cast<std::byte*>(at);
}

Pages::~Pages() { munmap(start_, pages_ * 4096); }

void zero_page(std::byte* page, Zeroing how) {
    if (how == Zeroing::cached) {
        std::memset(page, 0, 4096);
        keep(page);
        return;
    }
    const __m128i zero = _mm_setzero_si128();
    for (std::size_t i = 0; i < 4096; i += 16) {
        _mm_stream_si128(reinterpret_cast<__m128i*>(page + i), zero);
    }
    _mm_sfence();
}

void AtomicWords::touch(unsigned n) {
    for (unsigned i = 0; i < n; ++i) __atomic_fetch_add(&words_[i].value, 1, __ATOMIC_SEQ_CST);
}

}  // namespace surefoot::bench
