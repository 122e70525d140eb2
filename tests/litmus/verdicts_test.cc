// verdicts.txt: what each of our own programs gives under each model.

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "support.hpp"

namespace surefoot::litmus {
namespace {

struct Row {
    std::string name, sc, tso, weak;
};

std::vector<Row> read_table() {
    std::vector<Row> rows;
    std::istringstream table(read_file(std::filesystem::path(LITMUS_DIR) / "verdicts.txt"));
    for (std::string line; std::getline(table, line);) {
        if (line.empty() || line.starts_with("#")) continue;
        std::istringstream words(line);
        Row row;
        words >> row.name >> row.sc >> row.tso >> row.weak;
        rows.push_back(std::move(row));
    }
    return rows;
}

/// The outcome as the table writes it, with as much as the wanted entry has.
std::string entry(const Outcome& outcome, const std::string& wanted) {
    std::string text(outcome.observation());
    if (wanted.find('/') != std::string::npos) {
        text += "/" + std::to_string(outcome.positive + outcome.negative);
    }
    if (outcome.data_race) text += "+race";
    return text;
}

void check_table(checker::Model model, std::string Row::* column) {
    const std::vector<Row> rows = read_table();
    ASSERT_FALSE(rows.empty());
    for (const Row& row : rows) {
        const auto [test, outcome] = run_file(program(row.name), model);
        EXPECT_EQ(test.name, row.name);
        EXPECT_EQ(entry(outcome, row.*column), row.*column) << row.name;
    }
}

TEST(Verdicts, sc) { check_table(checker::Model::sc, &Row::sc); }
TEST(Verdicts, tso) { check_table(checker::Model::tso, &Row::tso); }
TEST(Verdicts, weak) { check_table(checker::Model::weak, &Row::weak); }

TEST(Verdicts, every_program_has_its_row) {
    std::multiset<std::string> rows, programs;
    for (const Row& row : read_table())
        rows.insert(row.name);
    for (const auto& file :
         std::filesystem::directory_iterator(std::filesystem::path(LITMUS_DIR) / "programs"))
        programs.insert(file.path().stem());
    EXPECT_EQ(rows, programs);
}

}  // namespace
}  // namespace surefoot::litmus
