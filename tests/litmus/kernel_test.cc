// The kernel's own litmus tests: each says in its "Result:" comment what LKMM gives.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "support.hpp"

namespace surefoot::litmus {
namespace {

using checker::Model;

/// What SC forbids and x86 does not.
constexpr std::array<std::string_view, 3> kWeakOnX86{"SB+poonceonces", "R+poonceonces",
                                                     "SB+rfionceonce-poonceonces"};

template <std::size_t n>
bool among(const std::array<std::string_view, n>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

class Kernel : public testing::Test {
  protected:
    void SetUp() override {
        if (!std::filesystem::is_directory(KERNEL_LITMUS_DIR)) {
            GTEST_SKIP() << "the kernel's litmus tests were not fetched "
                            "(cmake --build --preset dev --target lkmm_litmus)";
        }
        for (const auto& entry : std::filesystem::recursive_directory_iterator(KERNEL_LITMUS_DIR)) {
            if (entry.path().extension() == ".litmus") files_.push_back(entry.path());
        }
        ASSERT_GE(files_.size(), 34U);
    }

    static std::string lkmm_result(const std::filesystem::path& file) {
        const std::string text = read_file(file);
        constexpr std::string_view kKey = "Result: ";
        const std::size_t at = text.find(kKey);
        EXPECT_NE(at, text.npos) << file;
        if (at == text.npos) return "";
        const auto begin = text.begin() + static_cast<std::ptrdiff_t>(at + kKey.size());
        return {begin, std::find_if_not(begin, text.end(), [](char c) { return std::isalpha(c); })};
    }

    void check(Model model, const auto& wanted) {
        for (const auto& file : files_) {
            const auto [test, outcome] = run_file(file, model);
            EXPECT_EQ(outcome.observation(), wanted(test.name, lkmm_result(file))) << test.name;
            EXPECT_FALSE(outcome.data_race) << test.name;
        }
    }

    std::vector<std::filesystem::path> files_;
};

TEST_F(Kernel, tso_allows_what_x86_does) {
    check(Model::tso, [](const std::string& name, const std::string&) {
        return among(kWeakOnX86, name) ? "Sometimes" : "Never";
    });
}

/// The tests that the model's page lists as stricter than LKMM.
std::set<std::string> listed_as_stricter() {
    const std::string page = read_file(MODEL_PAGE);
    constexpr std::string_view kBefore = "| `", kAfter = "` | Sometimes | Never |";
    std::set<std::string> names;
    for (auto end = page.find(kAfter); end != page.npos; end = page.find(kAfter, end + 1)) {
        const auto begin = page.rfind(kBefore, end);
        if (begin != page.npos)
            names.insert(page.substr(begin + kBefore.size(), end - begin - kBefore.size()));
    }
    return names;
}

TEST_F(Kernel, weak_is_lkmm_but_for_what_is_listed) {
    const auto stricter = listed_as_stricter();
    EXPECT_FALSE(stricter.empty());
    check(Model::weak, [&](const std::string& name, const std::string& lkmm) {
        return stricter.contains(name) ? "Never" : lkmm;
    });
}

TEST_F(Kernel, sc_allows_no_weak_outcome) {
    check(Model::sc, [](const std::string&, const std::string&) { return "Never"; });
}

}  // namespace
}  // namespace surefoot::litmus
