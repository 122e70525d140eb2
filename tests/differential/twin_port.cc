#include "twin_port.hpp"

#include <csignal>
#include <fstream>

#include "api/api.hpp"
#include "mm/mm.hpp"
#include "support/guest_cpu.hpp"

namespace surefoot::testing {
namespace {

std::uint64_t sysctl(const char* name) {
    std::uint64_t value = 0;
    std::ifstream(std::string("/proc/sys/vm/") + name) >> value;
    return value;
}

constexpr VirtAddr kFirstBreak{0x50'0000};
constexpr std::uint64_t kMemlock = 8ULL << 20;

/// The machine, its one address space, and what memops prints.
class Twin {
    std::unique_ptr<api::Machine> machine_;
    GuestCpus cpus_;

public:
    explicit Twin(std::uint32_t fault_around) {
        machine_ = std::move(*api::Machine::create({.memory_bytes = 512ULL << 20}));
        space = std::move(*mm::Mm::create(
            machine_->system(),
            {.task_size = VirtAddr(0x7fff'ffff'f000),
             .limits = {.memlock = kMemlock},
             .max_map_count = static_cast<std::uint32_t>(sysctl("max_map_count")),
             .fault_around = fault_around}));
        space->start_brk.set(kFirstBreak);
        space->brk.set(kFirstBreak);
        cpu = std::make_unique<GuestCpu>(*space);
        cpus_.add(*cpu);
        space->tables.attach(&cpus_);
    }

    std::string output;
    std::unique_ptr<GuestCpu> cpu;
    mm::MmPtr space;
};

Twin* running;

mm::Mm& space() { return *running->space; }

memops_fault fault_of(mm::FaultResult result, std::uint64_t addr) {
    switch (result) {
        case mm::FaultResult::handled:
            return {0, 0, 0};
        case mm::FaultResult::maperr:
            return {SIGSEGV, SEGV_MAPERR, addr};
        case mm::FaultResult::accerr:
            return {SIGSEGV, SEGV_ACCERR, addr};
        case mm::FaultResult::bus:
            return {SIGBUS, BUS_ADRERR, addr};
        case mm::FaultResult::oom:
            break;
    }
    return {SIGKILL, 0, addr};
}

void print_mapping(std::string& text, const mm::VmaStats& v) {
    char line[128];
    const auto bit = [&](vma::VmaFlag flag, char letter) {
        return v.flags.has(flag) ? letter : '-';
    };
    const int n = std::snprintf(
        line, sizeof line, "%lx-%lx %c%c%c%c %08lx 00:01 1%s\n", v.range.start.raw(),
        v.range.end.raw(), bit(vma::VmaFlag::read, 'r'), bit(vma::VmaFlag::write, 'w'),
        bit(vma::VmaFlag::exec, 'x'), v.flags.has(vma::VmaFlag::mayshare) ? 's' : 'p',
        v.backing == nullptr ? 0 : v.pgoff << arch::kPageShift,
        v.backing == nullptr ? "" : " /dev/zero (deleted)");
    text.append(line, static_cast<std::size_t>(n));
}

}  // namespace

TwinRun run_twin(const memops_options& options, std::uint32_t fault_around) {
    Twin twin(fault_around);
    running = &twin;
    TwinRun run;
    run.status = memops_run(&options);
    run.inconsistency = mm::check_mm(*twin.space);
    run.pages_around = twin.space->system.events.read(mm::Event::fault_around);
    run.output = std::move(twin.output);
    return run;
}

}  // namespace surefoot::testing

using namespace surefoot;
using surefoot::testing::running;
using surefoot::testing::space;

extern "C" {

long port_mmap(std::uint64_t addr, std::uint64_t length, std::uint32_t prot, std::uint32_t flags,
               int, std::uint64_t offset) {
    return to_syscall_result(mm::mmap(space(), {.addr = VirtAddr(addr),
                                                .length = length,
                                                .prot = prot,
                                                .flags = flags,
                                                .offset = offset}));
}
long port_munmap(std::uint64_t addr, std::uint64_t length) {
    return to_syscall_result(mm::munmap(space(), VirtAddr(addr), length));
}
long port_mprotect(std::uint64_t addr, std::uint64_t length, std::uint32_t prot) {
    return to_syscall_result(mm::mprotect(space(), VirtAddr(addr), length, prot));
}
long port_mremap(std::uint64_t addr, std::uint64_t old_length, std::uint64_t new_length,
                 std::uint32_t flags, std::uint64_t new_addr) {
    return to_syscall_result(mm::mremap(space(), {.addr = VirtAddr(addr),
                                                  .old_length = old_length,
                                                  .new_length = new_length,
                                                  .flags = flags,
                                                  .new_addr = VirtAddr(new_addr)}));
}
long port_madvise(std::uint64_t addr, std::uint64_t length, int advice) {
    return to_syscall_result(mm::madvise(space(), VirtAddr(addr), length, advice));
}
// A matter of the system-call layer.
long port_msync(std::uint64_t, std::uint64_t, std::uint32_t) { return 0; }
long port_mincore(std::uint64_t addr, std::uint64_t length, unsigned char* vec) {
    const std::span bytes(reinterpret_cast<std::byte*>(vec), length / arch::kPageSize);
    return to_syscall_result(mm::mincore(space(), VirtAddr(addr), length, bytes));
}
long port_mlock2(std::uint64_t addr, std::uint64_t length, std::uint32_t flags) {
    return to_syscall_result(mm::mlock(space(), VirtAddr(addr), length, flags));
}
long port_munlock(std::uint64_t addr, std::uint64_t length) {
    return to_syscall_result(mm::munlock(space(), VirtAddr(addr), length));
}
long port_mlockall(std::uint32_t flags) { return to_syscall_result(mm::mlockall(space(), flags)); }
long port_munlockall() { return to_syscall_result(mm::munlockall(space())); }
std::uint64_t port_brk(std::uint64_t addr) { return mm::brk(space(), VirtAddr(addr)).raw(); }

void port_limit(memops_limit which, std::uint64_t bytes) {
    auto& limits = space().limits;
    if (which == LIMIT_MEMLOCK) {
        limits.memlock.store(bytes == ~0ULL ? testing::kMemlock : bytes, sync::Order::relaxed);
    } else {
        (which == LIMIT_AS ? limits.address_space : limits.data)
            .store(bytes, sync::Order::relaxed);
    }
}

memops_fault port_load(std::uint64_t addr, std::uint8_t* value) {
    return testing::fault_of(running->cpu->load(VirtAddr(addr), *value), addr);
}
memops_fault port_store(std::uint64_t addr, std::uint8_t value) {
    return testing::fault_of(running->cpu->store(VirtAddr(addr), value), addr);
}
memops_fault port_call(std::uint64_t addr) {
    return testing::fault_of(running->cpu->fetch(VirtAddr(addr)), addr);
}

std::size_t port_maps(char* text, std::size_t size) {
    std::string all;
    mm::for_each_vma(space(), false,
                     [&](const mm::VmaStats& v) { testing::print_mapping(all, v); });
    const std::size_t n = all.size() < size ? all.size() : size;
    all.copy(text, n);
    return n;
}
void port_write(const char* text, std::size_t length) { running->output.append(text, length); }

}  // extern "C"
