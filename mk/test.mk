# Tests. tests/run.py runs them all; see docs/TESTING.md.

TEST_PROGRAMS := $(filter $(U)/tests/guest/%,$(PROGRAMS))

tests: $(TEST_PROGRAMS) ## build what the tests need: guest programs, and the kernel with all its checks
	+@$(MAKE) --no-print-directory CHECKED=1 kernel

test: ## run all tests (as ./test.sh, without setting up)
	/usr/bin/python3 tests/run.py

.PHONY: tests test
