#pragma once

namespace surefoot::checker::engine {

class Executor;

/// What the C interface speaks to; null outside of a search.
void set_active_machine(Executor* machine);
void set_flush_is_ipi(bool flush_is_ipi);

}  // namespace surefoot::checker::engine
