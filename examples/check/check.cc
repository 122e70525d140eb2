// Message passing: one task publishes data by a flag. Is what the other one reads complete?

#include <cstdio>

#include "surefoot/checker/checker.hpp"

using namespace surefoot::checker;

namespace {

Result publish(sfc_order order) {
    return check(
        [order](Program& program) {
            auto& flag = program.make<Word<int>>(0);
            auto& data = program.make<Data<int>>(0);
            sfc_name(&flag, sizeof flag, "flag");
            sfc_name(&data, sizeof data, "data");
            program.spawn(
                [&flag, &data, order] {
                    data.set(42);
                    flag.store(1, order);
                },
                "writer");
            program.spawn(
                [&flag, &data] {
                    if (flag.load(SFC_ACQUIRE) == 1) require(data.get() == 42, "stale data");
                },
                "reader");
        },
        {.model = Model::weak});
}

}  // namespace

int main() {
    const Result relaxed = publish(SFC_RELAXED);
    std::printf("relaxed store: %.17s\n", relaxed.message.c_str());
    const Result release = publish(SFC_RELEASE);
    std::printf("release store: %s in %llu executions\n",
                release.verdict == Verdict::holds ? "holds" : release.message.c_str(),
                static_cast<unsigned long long>(release.complete));
}
