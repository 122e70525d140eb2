#pragma once

// Places along the present execution that it can go back to without running the steps up to there
// again. The program's memory and its stacks are copied whole, the machine's tables keep what
// changed since the place before.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/machine/state.hpp"
#include "engine/machine/tables.hpp"
#include "engine/memory/memory.hpp"
#include "engine/memory/shadow.hpp"

namespace surefoot::checker::engine {

/// Bytes that lie in many places, copied away.
class Image {
  public:
    void clear();
    void add(std::span<std::byte> piece);
    void put_back() const;
    std::size_t size() const { return bytes_.size(); }

  private:
    std::vector<std::span<std::byte>> pieces_;
    std::vector<std::byte> bytes_;
};

struct Snapshot {
    ExecutionState state;
    Tables::Mark tables;
    Shadow::Mark shadow;
    Memory::Mark memory;
    std::string outcome;
    Image image;

    std::size_t size() const { return sizeof *this + image.size(); }
};

/// Those of the present execution, the first at its beginning. To go back takes one copy, and on
/// average half of the way between two; to go on takes a copy for each.
class Snapshots {
  public:
    static constexpr std::uint32_t kNever = ~std::uint32_t{0};
    /// All together take no more, unless the first alone does.
    static constexpr std::size_t kMostBytes = std::size_t{64} << 20;

    enum class Where : std::uint8_t { nowhere, beginning, along_the_way };

    explicit Snapshots(Where where) : where_(where) {}

    /// From which depth on there is to be another one.
    std::uint32_t due() const;
    /// It, to be filled in.
    Snapshot& add();
    /// It is filled in.
    void added();
    /// The last one that is not beyond that depth; those beyond are dropped. Null if there is none.
    const Snapshot* latest(std::uint32_t depth);
    void forget() { count_ = 0, bytes_ = 0; }

  private:
    std::uint32_t spacing() const;
    void thin_out();

    Where where_;
    std::vector<std::unique_ptr<Snapshot>> all_;
    std::size_t count_ = 0;  // of these; the others keep their memory for the next ones
    std::size_t bytes_ = 0;
    unsigned thinned_ = 0;
};

}  // namespace surefoot::checker::engine
