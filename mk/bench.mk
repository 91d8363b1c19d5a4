# Measuring. PAGES='basics storage checkpoints scaling' picks some. See docs/bench.

MEASURE = BUILD=$(BUILD) CHECKED= /usr/bin/python3 bench/run.py

bench: image ## measure: basics, storage, checkpoints, scaling; tables, build/bench/results.json, pictures (PAGES=checkpoints: only that)
	$(MEASURE) $(PAGES)

bench-pages: image ## the same, and write its pages and pictures into docs/bench
	$(MEASURE) -o docs/bench $(PAGES)

.PHONY: bench bench-pages

# Counting instructions: figures that repeat whatever the machine does besides. See docs/bench/count.md.

COUNT_PLUGIN := $(H)/count.so
COUNT_NEEDS := $(KERNEL) $(PROGRAMS) $(H)/mkfs $(COUNT_PLUGIN)
COUNT = BUILD=$(BUILD) CHECKED= /usr/bin/python3 bench/count.py

$(COUNT_PLUGIN): bench/plugin/count.c bench/plugin/qemu_plugin.h bench/mark.h
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(HOST_CFLAGS)) -shared -fPIC -fvisibility=hidden -fuse-ld=lld -o $@ $<

bench-count: $(COUNT_NEEDS) ## count the instructions of the main paths; fail above bench/budgets.json
	$(COUNT) check

bench-budgets: $(COUNT_NEEDS) ## make what is counted now the budget
	$(COUNT) budgets

WHAT ?= checkpoint
profile: $(COUNT_NEEDS) ## where a path spends its instructions: WHAT=checkpoint|idle|restore|fork|exec|pipe|write|create (CALLS=function: who calls it)
	$(COUNT) profile $(WHAT) $(CALLS)

.PHONY: bench-count bench-budgets profile
