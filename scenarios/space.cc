#include "space.hpp"

#include <set>
#include <string>
#include <vector>

#include "impl/engine.hpp"

namespace surefoot::scenarios {
namespace {

/// Frames in a row. Each is a block of its own, and free, so that the checker watches it.
std::span<std::byte> free_frames(std::uint64_t count) {
    std::byte* first = nullptr;
    for (std::uint64_t i = 0; i < count; ++i) {
        void* const frame = sfc_alloc(arch::kPageSize, arch::kPageSize, nullptr);
        if (i == 0) first = static_cast<std::byte*>(frame);
        SF_ASSERT(frame == first + i * arch::kPageSize);
        sync::mark_free(frame);
    }
    return {first, count * arch::kPageSize};
}

std::vector<std::string> numbered(const std::string& word, std::uint64_t count) {
    std::vector<std::string> names;
    for (std::uint64_t i = 0; i < count; ++i)
        names.push_back(word + ' ' + std::to_string(i));
    return names;
}

std::span<std::byte> zeroes(std::size_t bytes) {
    return {static_cast<std::byte*>(sfc_alloc(bytes, alignof(phys::Frame), nullptr)), bytes};
}

}  // namespace

Space::Space(arch::Format format, std::uint64_t mapped_pages, unsigned cpus)
    : arena_(free_frames(kFrames),
             zeroes(phys::Arena::descriptor_bytes(kFrames * arch::kPageSize))),
      frames_(arena_),
      system_(frames_, nullptr) {
    SF_ASSERT(system_.init());
    auto made =
        mm::Mm::create(system_, {.format = format, .task_size = format.end(), .mmap_min_addr = 0});
    SF_ASSERT(made);
    mm_ = std::move(*made);
    const auto mapped = mm::mmap(
        *mm_, {.addr = page(0),
               .length = mapped_pages * arch::kPageSize,
               .prot = mm::uapi::PROT_READ | mm::uapi::PROT_WRITE,
               .flags = mm::uapi::MAP_PRIVATE | mm::uapi::MAP_ANONYMOUS | mm::uapi::MAP_FIXED});
    SF_ASSERT(mapped);
    fill_caches(cpus);
    name_parts();
}

void Space::fill_caches(unsigned cpus) {
    for (unsigned cpu = 0; cpu < cpus; ++cpu) {
        sync::engine::act_as(cpu);
        frames_.put(frames_.alloc(phys::Fill::none));
    }
    sync::engine::act_as(0);
}

void Space::name_parts() {
    // Names outlive the search.
    static const auto frame_names = numbered("frame", kFrames);
    static const auto descriptor_names = numbered("descriptor", kFrames);
    for (std::uint32_t i = 0; i < kFrames; ++i) {
        sfc_name(arena_.address(Pfn(i)), arch::kPageSize, frame_names[i].c_str());
        sfc_name(&arena_.frame(Pfn(i)), sizeof(phys::Frame), descriptor_names[i].c_str());
    }
    sfc_name(&frames_, sizeof frames_, "frame allocator");
    sfc_name(&system_, sizeof system_, "system");
    sfc_name(mm_.get(), sizeof *mm_, "mm");
    sfc_name(&mm_->vmas, sizeof mm_->vmas, "mm.vmas");
    sfc_name(&mm_->tables, sizeof mm_->tables, "mm.tables");
    sfc_name(&mm_->rss, sizeof mm_->rss, "mm.rss");
    const vma::MmapReadGuard mmap(mm_->vmas);
    if (const vma::Vma* const vma = mmap.lookup(page(0))) sfc_name(vma, sizeof *vma, "vma");
}

void Space::fault(VirtAddr va, mm::Access access, mm::FaultResult expected) {
    const mm::FaultResult result = mm::handle_fault(*mm_, va, access);
    SF_ASSERT(result == expected);
}

void Space::write_protect(VirtAddr start, std::uint64_t pages) {
    SF_ASSERT(mm::mprotect(*mm_, start, pages * arch::kPageSize, mm::uapi::PROT_READ));
}

void Space::munmap(VirtAddr start, std::uint64_t pages) {
    SF_ASSERT(mm::munmap(*mm_, start, pages * arch::kPageSize));
}

void Space::dontneed(VirtAddr start, std::uint64_t pages) {
    SF_ASSERT(mm::madvise(*mm_, start, pages * arch::kPageSize, mm::uapi::MADV_DONTNEED));
}

std::int64_t Space::nr_anon_vmas() {
    const vma::MmapReadGuard mmap(mm_->vmas);
    std::set<const vma::AnonVma*> found;
    mmap.for_each({page(0), mm_->options.task_size}, [&](const vma::Vma& vma) {
        if (vma.anon_vma() != nullptr) found.insert(vma.anon_vma());
    });
    return static_cast<std::int64_t>(found.size());
}

void Space::require_sound(std::int64_t resident_pages) {
    const std::string wrong = mm::check_mm(*mm_);
    checker::require(wrong.empty(), wrong.c_str());
    checker::require(resident() == resident_pages, "another number of pages is resident");
    const char* const lost = frames_.check();
    checker::require(*lost == '\0', lost);
    checker::require(nr_anon_vmas() == system_.vma_caches.anon_vmas.in_use(),
                     "an anon_vma is lost");
}

}  // namespace surefoot::scenarios
