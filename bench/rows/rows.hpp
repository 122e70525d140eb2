#pragma once

// The families of rows; one file each.

#include <vector>

#include "harness/row.hpp"

namespace surefoot::bench {

void add_walk_rows(std::vector<Row>& rows);
void add_fault_rows(std::vector<Row>& rows);
void add_mapping_rows(std::vector<Row>& rows);
void add_zap_rows(std::vector<Row>& rows);
void add_many_vma_rows(std::vector<Row>& rows);
void add_layout_rows(std::vector<Row>& rows);
void add_runner_rows(std::vector<Row>& rows);
void add_checker_rows(std::vector<Row>& rows);

inline std::vector<Row> all_rows() {
    std::vector<Row> rows;
    add_walk_rows(rows);
    add_fault_rows(rows);
    add_mapping_rows(rows);
    add_zap_rows(rows);
    add_many_vma_rows(rows);
    add_layout_rows(rows);
    add_runner_rows(rows);
    add_checker_rows(rows);
    return rows;
}

}  // namespace surefoot::bench
