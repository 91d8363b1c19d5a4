// Spaces and what backs them, for the unit tests of mm.
//
// Every test that includes this ends with the same frames, objects, promises and spaces as it began: setup() and
// teardown() see to that.
#pragma once

// In this order: cmocka leaves these to those who include it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "machine.h"
#include <mm/frame.h>
#include <mm/vmspace.h>

#define TEXT  0x1000u
#define DATA  0x400000u
#define HEAP  0x800000u
#define LIMIT 0x70000000u
#define STACK 0x7f000000u
#define PAGE  ((intptr_t)PAGE_SIZE)  // for distances, which may be negative

// What must be as it was before, when all is given back.
struct figures {
    u32 frames;
    u64 objects, promised;
    u32 spaces;
};

struct figures figures_now(void);
void assert_nothing_leaked(struct figures before);

int start(void **state);  // of all tests of a group
int setup(void **state);  // of one
int teardown(void **state);

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

// A backing that tells where each byte comes from, and may keep the frames that it gives, as a file's cache does.

#define BACKED_PAGES 256

struct pattern {
    struct backing backing;
    bool keeps, fails;
    u32 at_once;  // pages that it gives at once, at most; or random numbers of them:
    bool moody;
    bool zeros[BACKED_PAGES];  // pages that it knows to be zeros
    u32 asked, wanted;         // how often, and for how many pages in all
    struct frame *kept[BACKED_PAGES];
    bool destroyed;
};

u8 pattern_byte(u64 offset);
struct backing *pattern_start(struct pattern *p, bool keeps);

/* One that gives as many pages as it's asked for, and knows which are zeros. */
struct backing *generous_start(struct pattern *p, bool keeps);

// Regions; and the current process's accesses, which succeed.

int add_region(struct vmspace *space, uaddr_t start, uaddr_t end, u8 prot, u8 kind, bool reserved);
int add_backed(struct vmspace *space, struct backing *b, uaddr_t start, uaddr_t end, u8 prot, u64 offset, u64 filled);
void end_current(struct vmspace *space);
u8 byte_at(uaddr_t va);
void set_byte(uaddr_t va, u8 byte);
struct frame *frame_behind(struct vmspace *space, uaddr_t va);
uaddr_t grow(struct vmspace *space, intptr_t delta);
