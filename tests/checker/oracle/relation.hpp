#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace surefoot::oracle {

/// A relation over up to 64 events, with the operators of the literature's axioms.
class Relation {
  public:
    void add(std::size_t from, std::size_t to) { rows_[from] |= std::uint64_t{1} << to; }
    bool has(std::size_t from, std::size_t to) const { return (rows_[from] >> to & 1) != 0; }

    bool irreflexive() const {
        for (std::size_t i = 0; i < rows_.size(); ++i)
            if (has(i, i)) return false;
        return true;
    }
    bool acyclic() const { return closure().irreflexive(); }

    /// One or more of it in sequence.
    Relation closure() const {
        Relation result = *this;
        for (std::size_t via = 0; via < rows_.size(); ++via)
            for (auto& row : result.rows_)
                if ((row >> via & 1) != 0) row |= result.rows_[via];
        return result;
    }
    /// It, or nothing.
    Relation optional() const {
        Relation result = *this;
        for (std::size_t i = 0; i < rows_.size(); ++i)
            result.add(i, i);
        return result;
    }
    /// The pairs for which `keep(from, to)` holds.
    template <class Keep>
    Relation where(const Keep& keep) const {
        Relation result;
        for (std::size_t i = 0; i < rows_.size(); ++i)
            for (std::uint64_t row = rows_[i]; row != 0; row &= row - 1)
                if (const auto to = static_cast<std::size_t>(std::countr_zero(row)); keep(i, to))
                    result.add(i, to);
        return result;
    }
    Relation operator|(const Relation& other) const {
        Relation result = *this;
        for (std::size_t i = 0; i < rows_.size(); ++i)
            result.rows_[i] |= other.rows_[i];
        return result;
    }
    /// Sequence: first this one, then the other.
    Relation operator*(const Relation& other) const {
        Relation result;
        for (std::size_t i = 0; i < rows_.size(); ++i)
            for (std::uint64_t row = rows_[i]; row != 0; row &= row - 1)
                result.rows_[i] |= other.rows_[static_cast<std::size_t>(std::countr_zero(row))];
        return result;
    }

  private:
    std::array<std::uint64_t, 64> rows_{};
};

}  // namespace surefoot::oracle
