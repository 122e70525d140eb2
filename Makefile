# Short names for the usual work; CMake does it (CMakePresets.json).
#   make run     set up, build, run a real program on Surefoot's page tables
#   make test    set up, build, run the whole test suite (TEST_PRESET=release for that build)
#   make bench   set up, build and run the benchmarks
#   make format  clang-format over the tree        make clean  remove build/

TEST_PRESET ?= dev

.PHONY: run test bench format clean setup

run: setup
	@cmake --preset release >/dev/null
	@cmake --build --preset release --target surefoot surefoot-zygote
	@scripts/demo.sh build/release/bin/surefoot

test: setup
	@cmake --preset $(TEST_PRESET) >/dev/null
	@cmake --build --preset $(TEST_PRESET)
	@ctest --preset $(TEST_PRESET)

bench: setup
	@cmake --preset bench >/dev/null
	@cmake --build --preset bench
	@build/bench/bin/surefoot-bench --json=build/bench/bench.json

format:
	@git ls-files '*.cc' '*.hpp' '*.h' '*.inl' | xargs -r clang-format-19 -i

clean:
	@rm -rf build

setup:
	@scripts/setup.sh
