#pragma once

// The port for TLB invalidation, as an embedder's function.

#include "host/host.hpp"
#include "surefoot/surefoot.hpp"

namespace surefoot::inline SF_BUILD::api {

class CallbackShootdown final : public host::TlbShootdown {
  public:
    /// @param whole  the whole space
    CallbackShootdown(Invalidate function, void* context, VaRange whole)
        : function_(function), context_(context), whole_(whole) {}

    void invalidate(const host::Invalidation& what) noexcept override;
    void invalidate_all() noexcept override;

  private:
    Invalidate function_;
    void* context_;
    VaRange whole_;
};

}  // namespace surefoot::inline SF_BUILD::api
