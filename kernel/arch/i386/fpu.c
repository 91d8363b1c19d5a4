// Floating point: registers are loaded at a thread's first use after it got the CPU, and saved when it leaves.
#include "machine.h"
#include <arch/upcall.h>
#include <base/byteorder.h>
#include <base/string.h>

// Fields of the FXSAVE area (Intel SDM volume 1, section 10.5.1).
#define AREA_FCW        0
#define AREA_MXCSR      24
#define AREA_MXCSR_MASK 28
#define AREA_RESERVED   288  // the rest: not loaded by any CPU in 32-bit mode, and different from CPU to CPU

#define FCW_START       0x37f
#define MXCSR_START     0x1f80
#define MXCSR_MASK_OLD  0xffbf  // of CPUs that don't tell theirs

static u32 mxcsr_mask;
static struct fpu_state scratch;

static void save(struct fpu_state *state)
{
    __asm__ volatile("fxsave %0" : "=m"(state->area));
}

static void trap_next_use(void)
{
    write_cr0(read_cr0() | CR0_TS);
    this_cpu()->fpu_owner = NULL;
}

void fpu_init(void)
{
    __asm__ volatile("clts; fninit");
    save(&scratch);
    trap_next_use();
    mxcsr_mask = le32(scratch.area + AREA_MXCSR_MASK);
    if (mxcsr_mask == 0)
        mxcsr_mask = MXCSR_MASK_OLD;
}

void fpu_load(void)
{
    struct fpu_state *state = upcall_fpu();

    __asm__ volatile("clts; fxrstor %0" : : "m"(state->area));
    this_cpu()->fpu_owner = state;
}

void fpu_switch_out(struct fpu_state *state)
{
    if (this_cpu()->fpu_owner != state)
        return;
    save(state);
    trap_next_use();
}

void fpu_sync(struct fpu_state *state)
{
    if (this_cpu()->fpu_owner == state)
        save(state);
}

void fpu_discard(struct fpu_state *state)
{
    if (this_cpu()->fpu_owner == state)
        trap_next_use();
}

void fpu_reset(struct fpu_state *state)
{
    memset(state->area, 0, sizeof state->area);
    put_le16(state->area + AREA_FCW, FCW_START);
    put_le32(state->area + AREA_MXCSR, MXCSR_START);
    put_le32(state->area + AREA_MXCSR_MASK, mxcsr_mask);
    fpu_discard(state);
}

void fpu_export(const struct fpu_state *state, u8 image[UREGS_FPU_SIZE])
{
    memcpy(image, state->area, AREA_RESERVED);
    memset(image + AREA_RESERVED, 0, UREGS_FPU_SIZE - AREA_RESERVED);
}

// All of FXRSTOR's conditions: bits of MXCSR that the CPU doesn't have. Everything else is loaded as it is.
void fpu_import(struct fpu_state *state, const u8 image[UREGS_FPU_SIZE])
{
    memcpy(state->area, image, AREA_RESERVED);
    memset(state->area + AREA_RESERVED, 0, sizeof state->area - AREA_RESERVED);
    put_le32(state->area + AREA_MXCSR, le32(image + AREA_MXCSR) & mxcsr_mask);
    fpu_discard(state);
}
