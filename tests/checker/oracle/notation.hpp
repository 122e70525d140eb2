#pragma once

// "Wx1 Ry.acq | Ux F Rx": the notation of the tables. W store, R load, U atomic add of 1,
// C(x,a,b) compare-and-exchange, F full fence, L and M take the spinlock and the mutex, l and m
// release them; .acq and .rel are orders and '|' separates CPUs.

#include <stdexcept>
#include <string_view>

#include "oracle/program.hpp"

namespace surefoot::oracle {

class Notation {
  public:
    explicit Notation(std::string_view text) : text_(text) {}

    std::vector<List> parse() {
        std::vector<List> cpus(1);
        while (at_ < text_.size()) {
            const char c = take();
            if (c == '|')
                cpus.emplace_back();
            else if (c != ' ')
                cpus.back().push_back(operation(c));
        }
        return cpus;
    }

  private:
    Op operation(char letter) {
        Op op;
        switch (letter) {
            case 'R':
                op = {.kind = Kind::load, .word = word()};
                break;
            case 'W':
                op = {.kind = Kind::store, .word = word(), .value = digit()};
                break;
            case 'U':
                op = {.kind = Kind::add, .word = word(), .value = 1};
                break;
            case 'C':
                op = compare_and_exchange();
                break;
            case 'F':
                return {.kind = Kind::fence};
            case 'L':
                return {.kind = Kind::lock, .word = kSpinlock};
            case 'l':
                return {.kind = Kind::unlock, .word = kSpinlock};
            case 'M':
                return {.kind = Kind::lock, .word = kMutex};
            case 'm':
                return {.kind = Kind::unlock, .word = kMutex};
            default:
                throw std::invalid_argument("no such operation: " + std::string(text_));
        }
        if (text_.substr(at_, 4) == ".acq") op.order = Order::acquire, at_ += 4;
        if (text_.substr(at_, 4) == ".rel") op.order = Order::release, at_ += 4;
        return op;
    }
    Op compare_and_exchange() {
        Op op{.kind = Kind::cas};
        take();
        op.word = word();
        take();
        op.expected = digit();
        take();
        op.value = digit();
        take();
        return op;
    }
    unsigned word() { return static_cast<unsigned>(take() - 'x'); }
    Value digit() { return static_cast<Value>(take() - '0'); }
    char take() { return text_.at(at_++); }

    std::string_view text_;
    std::size_t at_ = 0;
};

inline std::vector<Cpu> program(std::string_view text) {
    std::vector<Cpu> cpus;
    for (List& list : Notation(text).parse())
        cpus.push_back(run_list(std::move(list)));
    return cpus;
}

}  // namespace surefoot::oracle
