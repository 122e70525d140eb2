#pragma once

// Layer 6: objects that hold pages by index. So far shared anonymous memory; the page cache of
// files comes beside it.

#include "pagecache/shmem.hpp"
