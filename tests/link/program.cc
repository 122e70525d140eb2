#include "base/base.hpp"

int main(int argc, char**) {
    SF_ASSERT(argc > 0);
    return 0;
}
