# The unit tests of mm share a machine and its spaces.
MM_TESTS := mm_test mm_supply_test mm_marks_test
$(foreach t,$(MM_TESTS),$(eval UNIT_SOURCES.$t := $(wildcard tests/unit/mm/*.c) $(wildcard kernel/mm/*.c) \
	$(addprefix kernel/kern/,spinlock.c fault.c options.c)))
$(foreach t,$(MM_TESTS),$(eval UNIT_INCLUDE.$t := -DCHECKED -Itests/unit -Itests/unit/mm/include -Itools/hosted/include -Ikernel/mm \
	$(foreach m,arch kern sched mm,-Ikernel/$m/include)))
$(foreach t,$(MM_TESTS),$(eval UNIT_LIBS.$t := -lpthread))
