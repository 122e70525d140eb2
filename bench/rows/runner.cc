// What a guest sees of the runner: exits, faults, refills and shootdowns on the mirror, with the
// real memory manager behind them. Wall time: the work is spread over processes.

#include <sched.h>

#include <memory>

#include "cpu/cpu.hpp"
#include "guest_code.hpp"
#include "harness/clock.hpp"
#include "harness/world.hpp"
#include "limits/handoff.hpp"
#include "rows/rows.hpp"

// A system call, then stores of rsi to each of rdx pages from rdi on; again.
asm(R"(.pushsection .rodata
.globl guest_store_sweep
.globl guest_store_sweep_end
guest_store_sweep:
1: syscall; mov %rdi, %r8; mov %rdx, %r9
2: mov %rsi, (%r8); add $4096, %r8; dec %r9; jnz 2b
   syscall; jmp 1b
guest_store_sweep_end:
.popsection)");

// Writes where rdi points, for ever.
asm(R"(.pushsection .rodata
.globl guest_keep_writing
.globl guest_keep_writing_end
guest_keep_writing:
1: incq (%rdi); jmp 1b
guest_keep_writing_end:
.popsection)");
GUEST_CODE(store_sweep)
GUEST_CODE(keep_writing)

namespace surefoot::bench {
namespace {

constexpr std::uint64_t kPages = 512;

/// A guest thread on the mirror.
class Guest {
public:
    /// Pages that a fill of present entries, and that a fault, may bring along.
    struct Around {
        std::uint32_t fill = 1;
        std::uint32_t fault = 1;
    };

    explicit Guest(std::span<const unsigned char> code, Around around = {1, 1})
        : world_(256ULL << 20, around.fault) {
        auto backend = cpu::make_mirror({.arena_fd = world_.machine().arena_fd(),
                                         .arena_bytes = world_.machine().arena_bytes(),
                                         .fill_around = around.fill,
                                         .fault_around = around.fault});
        must(backend.has_value(), "the mirror");
        backend_ = std::move(*backend);
        auto space = backend_->create_space(arch::to_phys(mm().tables.root()));
        must(space.has_value(), "a space");
        space_ = std::move(*space);
        mm().tables.attach(space_.get());
        auto vcpu = space_->create_vcpu();
        must(vcpu.has_value(), "a processor");
        vcpu_ = std::move(*vcpu);
        place(code);
        data = world_.map(kPages);
        regs.rflags = 0x202;
        regs.rdi = data.raw();
        regs.rdx = kPages;
        regs.rsi = 1;
    }
    ~Guest() {
        vcpu_.reset();
        mm().tables.attach(nullptr);
    }
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

    /// Until the next system call, or kick; faults are resolved.
    void run_to(cpu::Exit::Kind end) {
        for (;;) {
            const cpu::Exit exit = vcpu_->run(regs);
            if (exit.kind == end) return;
            must(exit.kind == cpu::Exit::Kind::fault, "the guest");
            const auto access = (exit.code & cpu::FaultCode::kFetch) != 0   ? mm::Access::exec
                                : (exit.code & cpu::FaultCode::kWrite) != 0 ? mm::Access::write
                                                                            : mm::Access::read;
            must(mm::handle_fault(mm(), exit.va, access) == mm::FaultResult::handled, "a fault");
        }
    }
    void run_to_syscall() { run_to(cpu::Exit::Kind::syscall); }
    /// For guests whose system calls come in pairs around a sweep: an entry in between executes
    /// what lazy shootdowns left behind, which is not the sweep's to pay.
    Reading sweep() {
        run_to_syscall();
        return timed(kPages, [&](std::uint64_t) { run_to_syscall(); });
    }
    /// The first word of the data, as the guest wrote it.
    std::uint64_t word() {
        const auto value = mm::get_user<std::uint64_t>(mm(), data);
        must(value.has_value(), "guest memory");
        return *value;
    }
    void discard() { world_.discard(data, kPages); }
    mm::Mm& mm() { return world_.mm(); }
    cpu::Space& space() { return *space_; }
    cpu::Vcpu& vcpu() { return *vcpu_; }

    VirtAddr data;
    cpu::Regs regs{};

private:
    void place(std::span<const unsigned char> code) {
        const VirtAddr at = world_.map(1);
        must(mm::copy_to_user(mm(), at, std::as_bytes(code)) == code.size(), "guest code");
        must(mm::mprotect(mm(), at, kPage, mm::uapi::PROT_READ | mm::uapi::PROT_EXEC).has_value(),
             "guest code");
        regs.rip = at.raw();
    }

    // In the order of their dependence: the processor goes first.
    World world_;
    std::unique_ptr<cpu::CpuBackend> backend_;
    std::unique_ptr<cpu::Space> space_;
    std::unique_ptr<cpu::Vcpu> vcpu_;
};

Case handoffs(std::uint64_t n) {
    auto pair = std::make_shared<HandoffPair>();
    return {Column::limit, [=] {
        return timed(n, [&](std::uint64_t ops) { pair->round_trips(ops); });
    }};
}

Case dispatched_handoffs(std::uint64_t n) {
    auto pair = std::make_shared<HandoffPair>();
    return {Column::limit, [=] {
        return timed(n, [&](std::uint64_t ops) {
            dispatched_calls(ops);
            pair->round_trips(ops);
        });
    }};
}

std::vector<Case> syscall_cases(const Scale& scale) {
    const std::uint64_t n = scale.operations(500);
    auto guest = std::make_shared<Guest>(syscalls_code());
    return {{Column::surefoot, [=] {
                return timed(n, [&](std::uint64_t ops) {
                    for (std::uint64_t i = 0; i < ops; ++i) guest->run_to_syscall();
                });
            }},
            // The guest's call arrives as a signal in one process, and is served in another.
            dispatched_handoffs(n)};
}

/// A host page that is not mapped is touched, the signal handler maps it: what a fill can't beat.
/// @param handoff  with a round trip to another process for each page, as a fault has it
Case fills(bool handoff) {
    auto pair = std::make_shared<HandoffPair>();
    auto filler = std::make_shared<SignalFiller>(kPages);
    return {Column::limit, [=] {
        filler->empty();
        return timed(kPages, [&](std::uint64_t pages) {
            filler->touch_all();
            if (handoff) pair->round_trips(pages);
        });
    }};
}

std::vector<Case> fault_cases(Guest::Around around) {
    auto guest = std::make_shared<Guest>(store_sweep_code(), around);
    return {{Column::surefoot, [=] {
                guest->discard();
                return guest->sweep();
            }},
            fills(true)};
}

/// The entries stay, the mirror forgets them.
std::vector<Case> refill_cases(Guest::Around around) {
    auto guest = std::make_shared<Guest>(store_sweep_code(), around);
    guest->sweep();
    return {{Column::surefoot, [=] {
                guest->space().invalidate_all();
                return guest->sweep();
            }},
            fills(false)};
}

Reading shoot(Guest& guest, std::uint64_t n) {
    const VaRange range{guest.data, guest.data + kPage};
    return timed(n, [&](std::uint64_t ops) {
        for (std::uint64_t i = 0; i < ops; ++i) {
            guest.space().invalidate({.ranges = {&range, 1}, .unlinked_tables = {}});
        }
    });
}

std::vector<Case> lazy_cases() {
    // As many as the list of ranges holds: then it would become "everything", and cost less.
    constexpr std::uint64_t kRanges = 64;
    auto guest = std::make_shared<Guest>(store_sweep_code());
    return {{Column::surefoot, [=] {
                guest->sweep();
                return shoot(*guest, kRanges);
            }}};
}

std::vector<Case> active_cases(const Scale& scale) {
    const std::uint64_t n = scale.operations(50);
    auto guest = std::make_shared<Guest>(keep_writing_code());
    return {{Column::surefoot, [=] {
                const std::uint64_t before = guest->word();
                auto thread =
                    sync::Thread::start([&] { guest->run_to(cpu::Exit::Kind::kicked); });
                must(thread.has_value(), "a thread");
                // Until it runs, shootdowns would be lazy.
                while (guest->word() == before) sched_yield();
                const Reading reading = shoot(*guest, n);
                guest->vcpu().kick();
                thread->join();
                return reading;
            }},
            handoffs(n)};
}

Row row(const char* name, const char* what, std::optional<Target> target,
        std::function<std::vector<Case>(const Scale&)> make) {
    return {.name = name,
            .unit = "ns",
            .what = what,
            .target = target,
            .clock = Row::Clock::wall,
            .rounds = 30,
            .make = std::move(make)};
}

constexpr Target ratio(double value) { return {Target::Kind::ratio, value}; }
constexpr Target at_most(double value) { return {Target::Kind::at_most, value}; }

}  // namespace

void add_runner_rows(std::vector<Row>& rows) {
    rows.push_back(row("run.syscall", "a guest's system call; limit: a dispatched one and a handoff",
                       ratio(1.2), syscall_cases));
    rows.push_back(row("run.fault", "demand-zero fault; limit: a signal, an mmap and a handoff",
                       ratio(1.2), [](const Scale&) { return fault_cases({}); }));
    rows.push_back(row("run.sweep", "the same, a page of a sweep; as surefoot run has it",
                       at_most(1000),
                       [](const Scale&) { return fault_cases({16, 64}); }));
    rows.push_back(row("run.refill", "present entry not in the mirror; limit: a signal and an mmap",
                       ratio(1.2), [](const Scale&) { return refill_cases({}); }));
    rows.push_back(row("run.refill16", "the same, a page of a sweep with fill-around 16",
                       at_most(1100), [](const Scale&) { return refill_cases({16, 1}); }));
    rows.push_back(row("run.shootdown.lazy", "invalidation, no thread of the space in guest code",
                       at_most(200), [](const Scale&) { return lazy_cases(); }));
    rows.push_back(row("run.shootdown.active",
                       "invalidation of a page that one thread is writing; limit: a handoff",
                       std::nullopt, active_cases));
}

}  // namespace surefoot::bench
