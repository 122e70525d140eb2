#include "harness/report.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace surefoot::bench {
namespace {

constexpr std::array<const char*, kColumns> kNames{"surefoot",  "limit",       "host",
                                                   "host-bare", "global-lock", "radix",
                                                   "published"};

std::string number(double value) {
    if (value >= 10'000) return fmt::format("{:.0f}", value);
    return value >= 100 ? fmt::format("{:.1f}", value) : fmt::format("{:.2f}", value);
}

std::string median_of(const Measured& m, Column column) {
    const auto summary = m.summary(column);
    return summary ? number(summary->median) : "-";
}

std::string target_text(const Row& row) {
    if (!row.target) return "-";
    switch (row.target->kind) {
        case Target::Kind::ratio:
            return fmt::format("<= {:.3g}x", row.target->value);
        case Target::Kind::at_most:
            return fmt::format("<= {:.6g}", row.target->value);
        case Target::Kind::at_least:
            break;
    }
    return fmt::format(">= {:.3g}", row.target->value);
}

std::string verdict(const Measured& m) {
    const auto reached = m.reached();
    if (!reached) return "";
    return *reached ? "ok" : "MISSED";
}

nlohmann::json json_of(const Summary& summary) {
    return {{"median", summary.median}, {"p99", summary.p99}};
}

nlohmann::json json_of(const Measured& m) {
    nlohmann::json row{{"name", m.row->name},
                       {"what", m.row->what},
                       {"unit", m.row->unit},
                       {"clock", m.row->clock == Row::Clock::cpu ? "thread-cpu" : "wall"},
                       {"target", target_text(*m.row)}};
    for (std::size_t i = 0; i < kColumns; ++i) {
        const auto& figures = m.columns[i];
        if (!figures) continue;
        row["columns"][kNames[i]] = {{"wall", json_of(figures->wall)},
                                     {"cpu", json_of(figures->cpu)}};
    }
    if (const auto ratio = m.ratio_to_limit()) row["ratio"] = *ratio;
    if (const auto reached = m.reached()) row["reached"] = *reached;
    return row;
}

}  // namespace

std::string table_head() {
    return fmt::format("{:<24} {:>6} {:>9} {:>9} {:>9} {:>6} {:>9} {:<6} {:>9} {:>9} {:>9} {:>9} {:>9}\n",
                       "operation", "unit", "surefoot", "p99", "limit", "ratio", "target", "",
                       "host", "host-bare", "one lock", "radix",
                       "published");
}

std::string table_line(const Measured& m) {
    const auto ours = m.summary(Column::surefoot);
    const auto ratio = m.ratio_to_limit();
    return fmt::format("{:<24} {:>6} {:>9} {:>9} {:>9} {:>6} {:>9} {:<6} {:>9} {:>9} {:>9} {:>9} {:>9}\n",
                       m.row->name, m.row->unit, median_of(m, Column::surefoot),
                       ours ? number(ours->p99) : "-", median_of(m, Column::limit),
                       ratio ? fmt::format("{:.2f}", *ratio) : "-", target_text(*m.row), verdict(m),
                       median_of(m, Column::host), median_of(m, Column::host_bare),
                       median_of(m, Column::global_lock), median_of(m, Column::radix),
                       median_of(m, Column::published));
}

std::string to_json(const std::vector<Measured>& all) {
    nlohmann::json rows = nlohmann::json::array();
    for (const Measured& m : all) rows.push_back(json_of(m));
    return nlohmann::json{{"rows", rows}}.dump(2) + "\n";
}

}  // namespace surefoot::bench
