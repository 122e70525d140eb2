// Any bytes as a litmus test: either a complaint with a place in the text, or a test whose code stays
// within its slots and whose condition can be printed.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "litmus/litmus.hpp"

namespace {

namespace litmus = surefoot::litmus;

void require(bool condition) {
    if (!condition) std::abort();
}

void check_process(const litmus::Process& process, std::size_t variables) {
    const std::size_t slots = process.slots.size();
    for (const litmus::Instruction& instruction : process.code) {
        require(instruction.target <= process.code.size());
        require(std::max({instruction.result, instruction.a, instruction.b, instruction.c}) <
                std::max<std::size_t>(slots, 1));
    }
    for (const litmus::Constant& initial : process.slots)
        require(initial.address_of <= variables);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto test = litmus::parse(text);
    if (!test) {
        const auto lines = static_cast<unsigned>(std::count(text.begin(), text.end(), '\n')) + 1;
        require(test.error().place.line >= 1 && test.error().place.line <= lines);
        require(!test.error().what.empty());
        return 0;
    }
    require(!test->processes.empty());
    for (const litmus::Process& process : test->processes)
        check_process(process, test->variables.size());
    require(litmus::to_text(*test, {}).starts_with("Test "));
    return 0;
}
