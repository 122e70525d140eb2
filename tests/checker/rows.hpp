#pragma once

// The tables of known answers: each row is a test by its name, or says why it is none.

#include <gtest/gtest.h>

#include <iostream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace surefoot::checker {

struct LeftOut {
    const char* rows;
    const char* why;
};

/// "V2" of "V2_load_dsb".
inline std::string row_of(const std::string& name) { return name.substr(0, name.find('_')); }

/// Rows 1 to `last` of the table are among `tested` or left out; the latter are printed.
template <class Tests>
void expect_every_row(char table, int last, const Tests& tested,
                      const std::vector<LeftOut>& left_out = {}) {
    std::set<std::string> rows;
    for (const auto& test : tested)
        rows.insert(row_of(test.name));
    for (const LeftOut& left : left_out) {
        std::cout << left.rows << ": " << left.why << '\n';
        std::istringstream words(left.rows);
        for (std::string row; words >> row;)
            rows.insert(row_of(row));
    }
    for (int number = 1; number <= last; ++number)
        EXPECT_TRUE(rows.contains(table + std::to_string(number))) << table << number;
}

constexpr const char* kNoSuchRow = "the table has no such row";

}  // namespace surefoot::checker
