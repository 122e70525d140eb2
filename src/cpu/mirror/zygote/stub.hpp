#pragma once

namespace surefoot::zygote {

/// The life of a stub process, from its fork on: becomes a blank stub and serves as its agent.
/// @param control  descriptor of the space's control memory
[[noreturn]] void become_stub(int control, int zygote_pid, bool fsgsbase);

/// Allows this process the system calls of a stub and no others. @return 0 or a negative errno
long install_filter(bool fsgsbase);

}  // namespace surefoot::zygote
