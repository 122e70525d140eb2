# Outside libraries, all of them Debian packages (packages.txt). A folder names the targets in the
# LINK list of its surefoot_layer():
#
#   tl::expected      Result<T>             fmt::fmt                     text
#   PkgConfig::URCU   RCU (bulletproof)     CLI11::CLI11                 command line
#   Boost::context    fibers (checker)      nlohmann_json::nlohmann_json JSON
#   PkgConfig::XXHASH checksums (KSM)       Threads::Threads

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(tl-expected REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Boost REQUIRED COMPONENTS context)
pkg_check_modules(URCU REQUIRED IMPORTED_TARGET liburcu-bp)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)

if(SUREFOOT_TESTS)
    find_package(GTest REQUIRED)
endif()
if(SUREFOOT_BENCH)
    find_package(benchmark REQUIRED)
endif()
