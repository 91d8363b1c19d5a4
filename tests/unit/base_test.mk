UNIT_SOURCES.base_test := tests/unit/base_string.c tests/unit/base_div64.c
UNIT_FLAGS.tests/unit/base_string.c := -ffreestanding -fno-builtin -fno-sanitize=all
UNIT_FLAGS.tests/unit/base_div64.c := -fno-builtin
