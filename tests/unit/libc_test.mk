# The guest's C library under other names, beside the host's.
LIBC_TESTED := $(addprefix user/libc/,decimal.c print.c number.c malloc.c sort.c text.c)
LIBC_RENAMED := malloc calloc realloc free sbrk qsort bsearch strtol strtoul strtoll strtoull strtod atoi atol atof abs labs rand srand \
    strcpy strncpy strcat strncat strstr strspn strcspn strpbrk strtok_r strdup strndup strcasecmp strerror strsignal
UNIT_SOURCES.libc_test := $(LIBC_TESTED)
UNIT_INCLUDE.libc_test := -Iuser/libc
$(foreach s,$(LIBC_TESTED),$(eval UNIT_FLAGS.$s := -fno-builtin -U_FORTIFY_SOURCE -Wno-macro-redefined $(foreach n,$(LIBC_RENAMED),-D$n=libc_$n)))
UNIT_LIBS.libc_test := -lm
