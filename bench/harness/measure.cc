#include "harness/measure.hpp"

#include <algorithm>
#include <cmath>

namespace surefoot::bench {
namespace {

Summary summarise(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t n = values.size();
    const double median = n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
    const auto p99 = static_cast<std::size_t>(std::ceil(0.99 * static_cast<double>(n))) - 1;
    return {median, values[p99]};
}

bool is_host(Column column) { return column == Column::host || column == Column::host_bare; }

}  // namespace

std::optional<Summary> Measured::summary(Column column) const {
    const auto& figures = at(column);
    if (!figures) return std::nullopt;
    return row->clock == Row::Clock::cpu ? figures->cpu : figures->wall;
}

std::optional<double> Measured::ratio_to_limit() const {
    const auto ours = summary(Column::surefoot);
    const auto limit = summary(Column::limit);
    if (!ours || !limit || limit->median <= 0) return std::nullopt;
    return ours->median / limit->median;
}

std::optional<bool> Measured::reached() const {
    const auto ours = summary(Column::surefoot);
    if (!row->target || !ours) return std::nullopt;
    switch (row->target->kind) {
        case Target::Kind::at_most:
            return ours->median <= row->target->value;
        case Target::Kind::at_least:
            return ours->median >= row->target->value;
        case Target::Kind::ratio:
            break;
    }
    const auto ratio = ratio_to_limit();
    if (!ratio) return std::nullopt;
    return *ratio <= row->target->value;
}

Measured measure(const Row& row, const Scale& scale, bool with_host) {
    std::vector<Case> cases = row.make(scale);
    if (!with_host) std::erase_if(cases, [](const Case& c) { return is_host(c.column); });
    std::vector<std::vector<double>> wall(cases.size());
    std::vector<std::vector<double>> cpu(cases.size());
    const unsigned rounds = scale.smoke ? 1 : row.rounds;
    // The first round of each warms caches and pools up and is dropped.
    for (unsigned round = 0; round <= rounds; ++round) {
        for (std::size_t i = 0; i < cases.size(); ++i) {
            const Reading reading = cases[i].round();
            if (round == 0) continue;
            wall[i].push_back(reading.wall);
            cpu[i].push_back(reading.cpu);
        }
    }
    Measured result{.row = &row, .columns = {}};
    for (std::size_t i = 0; i < cases.size(); ++i) {
        result.columns[static_cast<std::size_t>(cases[i].column)] =
            Figures{summarise(std::move(wall[i])), summarise(std::move(cpu[i]))};
    }
    return result;
}

}  // namespace surefoot::bench
