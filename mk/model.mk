# Models of what is too subtle for tests (tests/model/*.pml), searched whole by spin: no assertion fails, nothing gets stuck. Each
# mutant of a model must be found wrong.

MODEL_DIR   := $(BUILD)/model
MODEL_FLAGS := -DSAFETY -DCOLLAPSE -DMEMLIM=480

# $(call model_run,MODEL,FLAG,MUTANT): FLAG and MUTANT are options for spin, or empty.
define model_run
model-$1$2$3:
	@mkdir -p $(MODEL_DIR)/$1$2$3
	@cd $(MODEL_DIR)/$1$2$3 && spin -a $2 $3 $(CURDIR)/tests/model/$1.pml >spin.log && $(CC) -O2 -w $(MODEL_FLAGS) -o pan pan.c && \
	./pan -m100000 >pan.log && grep -q 'errors: $(if $3,1,0)$$$$' pan.log && ! grep -q 'MEMLIM bound\|max search depth too small' pan.log || \
	{ tail -n 25 *.log >&2; echo "model: $1 $2 $3 $(if $3,was not found wrong,is wrong)" >&2; exit 1; }
	@echo "model: $1 $2 $3: $(if $3,found wrong as it should be,$$$$(sed -n 's/ *\([0-9]*\) states, stored.*/\1/p' $(MODEL_DIR)/$1$2$3/pan.log) states: all is well)"
model: model-$1$2$3
.PHONY: model-$1$2$3
endef

MODEL_MUTANTS := INTERRUPT_FIRST NO_INHERITANCE ONE_LOOK NO_GIVING_WAY KILL_WAKES KILL_WAITS LOST_BURIAL

$(eval $(call model_run,freezer,,))
$(eval $(call model_run,freezer,-DTWO_FREEZERS,))
$(foreach m,$(MODEL_MUTANTS),$(eval $(call model_run,freezer,-DTWO_FREEZERS,-DMUTANT_$m)))

model: ## search the models of tests/model with spin
.PHONY: model
