UNIT_SOURCES.mm_test := tests/unit/mm/machine.c $(wildcard kernel/mm/*.c) $(addprefix kernel/kern/,spinlock.c fault.c options.c)
UNIT_INCLUDE.mm_test := -DCHECKED -Itests/unit -Itests/unit/mm/include $(foreach m,arch kern sched mm,-Ikernel/$m/include)
UNIT_LIBS.mm_test := -lpthread
