// Fault points.
#include <base/string.h>
#include <kern/fault.h>
#include <kern/options.h>
#include <kern/printk.h>

static struct {
    _Atomic u32 left;  // uses until the failing one; 0: disarmed
    _Atomic bool sticky;
    _Atomic u32 failed;  // uses, since it was armed
} points[FAULT_KINDS];

static const char *const names[FAULT_KINDS] = { "frame", "kmalloc", "read", "write", "flush" };

bool fault_now(enum fault_kind kind)
{
    u32 left = points[kind].left;

    if (!left)
        return false;
    for (;;) {
        u32 after = left > 1 ? left - 1 : points[kind].sticky;
        if (__c11_atomic_compare_exchange_weak(&points[kind].left, &left, after, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            points[kind].failed += left == 1;
            return left == 1;
        }
        if (!left)
            return false;
    }
}

bool fault_is_armed(enum fault_kind kind)
{
    return points[kind].left;
}

void fault_arm(enum fault_kind kind, u32 n, bool from_then_on)
{
    points[kind].left = 0;
    points[kind].failed = 0;
    points[kind].sticky = from_then_on;
    points[kind].left = n;
}

u32 fault_count(enum fault_kind kind)
{
    return points[kind].failed;
}

void fault_init(void)
{
    const char *text = option_text("fail");
    const char *colon = text ? strchr(text, ':') : NULL;
    u32 n = 0;

    if (!text)
        return;
    for (const char *digit = colon ? colon + 1 : ""; *digit >= '0' && *digit <= '9'; digit++)
        n = n * 10 + (u32)(*digit - '0');
    for (unsigned kind = 0; kind < FAULT_KINDS; kind++) {
        size_t length = strlen(names[kind]);
        if (colon && (size_t)(colon - text) == length && strncmp(text, names[kind], length) == 0 && n) {
            fault_arm(kind, n, text[strlen(text) - 1] == '+');
            return;
        }
    }
    printk(
        "options: fail=%s is not understood; write fail=read:3 (the third) or fail=write:10+ (all from the tenth on)\n",
        text);
}
