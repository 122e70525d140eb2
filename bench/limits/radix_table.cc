#include "limits/radix_table.hpp"

#include <iterator>

namespace surefoot::bench {
namespace {

unsigned index(std::uint64_t va, unsigned level) { return (va >> (12 + 9 * level)) & 511; }

}  // namespace

RadixTable::RadixTable(std::size_t frames) : pages_(frames) {
    for (std::size_t i = frames; i-- > 0;) free_.push_back(pages_.page(i));
}

RadixTable::~RadixTable() { free_below(root_, 3); }

void RadixTable::free_below(Node& node, unsigned level) {
    if (level == 0) return;
    for (void* child : node.child) {
        if (child == nullptr) continue;
        auto* below = static_cast<Node*>(child);
        free_below(*below, level - 1);
        delete below;
    }
}

void RadixTable::map(std::uint64_t start, std::uint64_t end, unsigned rights) {
    const std::lock_guard lock(mutex_);
    regions_[start] = {end, rights};
}

void RadixTable::unmap(std::uint64_t start) {
    const std::lock_guard lock(mutex_);
    regions_.erase(start);
}

void RadixTable::split(std::uint64_t at) {
    const auto after = regions_.upper_bound(at);
    if (after == regions_.begin()) return;
    const auto region = std::prev(after);
    if (region->first == at || region->second.end <= at) return;
    regions_[at] = region->second;
    region->second.end = at;
}

void RadixTable::merge_at(std::uint64_t at) {
    const auto region = regions_.find(at);
    if (region == regions_.end() || region == regions_.begin()) return;
    const auto before = std::prev(region);
    if (before->second.end != at || before->second.rights != region->second.rights) return;
    before->second.end = region->second.end;
    regions_.erase(region);
}

void RadixTable::protect(std::uint64_t start, std::uint64_t end, unsigned rights) {
    const std::lock_guard lock(mutex_);
    split(start);
    split(end);
    regions_[start].rights = rights;
    merge_at(end);
    merge_at(start);
}

void** RadixTable::slot(std::uint64_t va) {
    Node* node = &root_;
    for (unsigned level = 3; level > 0; --level) {
        void*& child = node->child[index(va, level)];
        if (child == nullptr) child = new Node;
        node = static_cast<Node*>(child);
    }
    return &node->child[index(va, 0)];
}

bool RadixTable::fault(std::uint64_t va) {
    const std::lock_guard lock(mutex_);
    const auto after = regions_.upper_bound(va);
    if (after == regions_.begin() || std::prev(after)->second.end <= va) return false;
    void** entry = slot(va);
    if (*entry != nullptr) return true;
    std::byte* frame = free_.back();
    free_.pop_back();
    zero_page(frame, Zeroing::cached);
    *entry = frame;
    return true;
}

void RadixTable::discard(std::uint64_t start, std::uint64_t end) {
    const std::lock_guard lock(mutex_);
    for (std::uint64_t va = start; va < end; va += 4096) {
        void** entry = slot(va);
        if (*entry == nullptr) continue;
        free_.push_back(static_cast<std::byte*>(*entry));
        *entry = nullptr;
    }
}

std::byte* RadixTable::walk(std::uint64_t va) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::byte*>(*slot(va));
}

}  // namespace surefoot::bench
