// The console: one terminal made of the serial line, the display and the keyboard, and its line discipline.
//
// Input goes through a ring in three parts: [read, ready) can be read, [ready, typed) is the line being edited, the
// rest is free. In raw mode nothing is edited and ready == typed. A reader takes bytes out of the ring only when it
// returns them, so an interrupted read loses none.
//
// Locks: tty_lock guards the ring; output_lock the devices. Echo takes the second under the first; printk only the
// second, so messages come out whoever holds the first. Panics bypass both (kern's early output).
#include "terminal.h"
#include <base/string.h>
#include <dev/chardev.h>
#include <dev/console.h>
#include <kern/printk.h>
#include <kern/spinlock.h>
#include <sched/thread.h>
#include <uapi/errno.h>
#include <uapi/sys.h>

#define RING_SIZE     8192   // a power of two
#define END_OF_INPUT  0x100  // in the ring: ^D was typed here; not a byte
#define WRITE_AT_ONCE 256u   // bytes a program sends before others get a turn

#define CONTROL(c)    ((c)&0x1f)
#define DEL           0x7f

// What a byte typed asks of others, to be done when no lock is held.
enum request { NOTHING, INTERRUPT_GROUP, LIST_PROCESSES };

static struct spinlock tty_lock = SPINLOCK_INIT("console", RANK_TTY);
static u16 ring[RING_SIZE] GUARDED_BY(tty_lock);
static u32 read_at GUARDED_BY(tty_lock), ready GUARDED_BY(tty_lock), typed GUARDED_BY(tty_lock);  // count on for ever
static int mode GUARDED_BY(tty_lock) = TTY_COOKED;
static int foreground GUARDED_BY(tty_lock);
static bool writing GUARDED_BY(tty_lock);  // a program is inside console_write()
static struct wait_queue readers GUARDED_BY(tty_lock) = { { &readers.waiters, &readers.waiters } };
static struct wait_queue writers GUARDED_BY(tty_lock) = { { &writers.waiters, &writers.waiters } };

static struct spinlock output_lock = SPINLOCK_INIT("console output", RANK_UART);
// The serial line took nothing for long; it is not waited for until it takes bytes again.
static bool line_stuck GUARDED_BY(output_lock);

static const struct console_ops *ops;

// Output

// Send all of it; what a stuck line doesn't take is dropped.
static void serial_send(const char *bytes, size_t n) REQUIRES(output_lock)
{
    const u64 patience = NS_PER_SECOND / 20;
    u64 give_up = 0;

    for (;;) {
        size_t taken = serial_write(bytes, n);
        if (taken)
            line_stuck = false;
        bytes += taken;
        n -= taken;
        if (!n || line_stuck)
            break;
        u64 now = time_ns();
        if (taken || !give_up)
            give_up = now + patience;
        line_stuck = now >= give_up;
    }
}

// For printk and echo: in any context, at once.
static void output(const char *bytes, size_t n)
{
    spin_lock(&output_lock);
    display_write(bytes, n);
    serial_send(bytes, n);
    spin_unlock(&output_lock);
}

// For programs: as much as goes at once.
static size_t output_some(const char *bytes, size_t n)
{
    spin_lock(&output_lock);
    size_t taken = serial_write(bytes, n);
    display_write(bytes, taken);
    spin_unlock(&output_lock);
    return taken;
}

// Nothing is dropped; a line that is slow or stuck is waited for, by yielding at first, then by sleeping.
static int write_piece(const struct piece *piece, size_t *done)
{
    const char *bytes = piece->data;
    u64 patient_until = 0;

    for (size_t left = piece->size; left;) {
        size_t taken = output_some(bytes, MIN(left, WRITE_AT_ONCE));
        bytes += taken;
        left -= taken;
        *done += taken;
        if (taken) {
            patient_until = 0;
            thread_breathe();
            continue;
        }
        u64 now = time_ns();
        if (!patient_until)
            patient_until = now + NS_PER_TICK / 2;
        if (now < patient_until) {
            thread_yield();
            continue;
        }
        int err = thread_sleep_until(now + NS_PER_TICK);
        if (err)
            return err;
    }
    return 0;
}

// One program writes at a time, so that what each writes stays together. It hands over to the one that has waited
// longest: most of a busy writer's time is spent in here, so a mere wake-up would find the place taken again.
static int writer_enter(void)
{
    int err = 0;

    spin_lock(&tty_lock);
    if (writing)
        err = wait_on(&writers, &tty_lock, WAIT_INTERRUPTIBLE, NEVER, "console");
    else
        writing = true;
    spin_unlock(&tty_lock);
    return err;
}

static void writer_leave(void)
{
    spin_lock(&tty_lock);
    writing = !wait_queue_empty(&writers);
    wake_one(&writers);
    spin_unlock(&tty_lock);
}

static int console_write(const struct piece *pieces, u32 count, size_t *done)
{
    *done = 0;
    int err = writer_enter();
    if (err)
        return err;
    for (u32 i = 0; i < count && !err; i++)
        err = write_piece(&pieces[i], done);
    writer_leave();
    return err;
}

// Echo

static bool is_control(u16 byte)
{
    return byte < ' ' || byte == DEL;
}

// Is it a later byte of a UTF-8 character? It then takes no place of its own on the screen.
static bool is_continuation(u16 byte)
{
    return (byte & 0xc0) == 0x80;
}

// A control character shows as ^X; but a tab as one blank, so that rubbing it out needs no column.
static void echo(u8 byte)
{
    char shown[2] = { '^', (char)(byte ^ 0x40) };

    if (byte == '\n')
        output("\n", 1);
    else if (byte == '\t')
        output(" ", 1);
    else if (is_control(byte))
        output(shown, 2);
    else
        output((const char *)&byte, 1);
}

static void echo_rubout(u16 byte)
{
    static const char back[] = "\b \b\b \b";

    if (is_continuation(byte))
        return;
    output(back, is_control(byte) && byte != '\t' ? 6 : 3);
}

// Input

static void ring_put(u16 entry) REQUIRES(tty_lock)
{
    ring[typed++ % RING_SIZE] = entry;
}

// One place is kept for the end of a line.
static bool ring_has_place(u16 entry) REQUIRES(tty_lock)
{
    u32 place = RING_SIZE - (typed - read_at);
    return place > (entry == '\n' || entry == END_OF_INPUT ? 0 : 1);
}

static void line_commit(void) REQUIRES(tty_lock)
{
    ready = typed;
    wake_all(&readers);
}

// The last byte of the line being edited; there is one.
static u16 line_last(void) REQUIRES(tty_lock)
{
    return ring[(typed - 1) % RING_SIZE];
}

static void rub_out_character(void) REQUIRES(tty_lock)
{
    while (typed != ready) {
        u16 byte = line_last();
        typed--;
        echo_rubout(byte);
        if (!is_continuation(byte))
            break;
    }
}

static void rub_out_word(void) REQUIRES(tty_lock)
{
    while (typed != ready && line_last() == ' ')
        rub_out_character();
    while (typed != ready && line_last() != ' ')
        rub_out_character();
}

static void rub_out_line(void) REQUIRES(tty_lock)
{
    while (typed != ready)
        rub_out_character();
}

static void accept(u16 entry) REQUIRES(tty_lock)
{
    if (!ring_has_place(entry)) {
        output("\a", 1);
        return;
    }
    ring_put(entry);
    if (entry != END_OF_INPUT)
        echo((u8)entry);
    if (entry == '\n' || entry == END_OF_INPUT)
        line_commit();
}

static void accept_raw(u8 byte) REQUIRES(tty_lock)
{
    if (typed - read_at == RING_SIZE)
        return;
    ring_put(byte);
    line_commit();
}

// ^C throws the line away, but keeps what was entered before it.
static enum request interrupt_key(void) REQUIRES(tty_lock)
{
    if (!foreground)
        return NOTHING;
    typed = ready;
    output("^C\n", 3);
    return INTERRUPT_GROUP;
}

static enum request edit(u8 byte) REQUIRES(tty_lock)
{
    switch (byte) {
    case CONTROL('C'):
        return interrupt_key();
    case CONTROL('P'):
        return LIST_PROCESSES;
    case CONTROL('H'):
    case DEL:
        rub_out_character();
        break;
    case CONTROL('U'):
        rub_out_line();
        break;
    case CONTROL('W'):
        rub_out_word();
        break;
    case CONTROL('D'):
        accept(END_OF_INPUT);
        break;
    case '\r':
        accept('\n');
        break;
    default:
        accept(byte);
    }
    return NOTHING;
}

void console_input(u8 byte)
{
    enum request request = NOTHING;

    spin_lock(&tty_lock);
    int group = foreground;
    if (mode == TTY_RAW)
        accept_raw(byte);
    else
        request = edit(byte);
    spin_unlock(&tty_lock);

    if (request == INTERRUPT_GROUP && ops)
        ops->interrupt(group);
    else if (request == LIST_PROCESSES && ops)
        ops->list();
}

// Reading

static int reader_group(void)
{
    return ops ? ops->reader_group() : 0;
}

static bool may_read(int group) REQUIRES(tty_lock)
{
    return read_at != ready && (!foreground || group == foreground);
}

// Up to n bytes of one line. *ended: the line is over, or there is no more.
static size_t take(u8 *to, size_t n, bool *ended) REQUIRES(tty_lock)
{
    size_t taken = 0;

    while (taken < n && read_at != ready && !*ended) {
        u16 entry = ring[read_at++ % RING_SIZE];
        if (mode == TTY_COOKED && entry == '\r')
            entry = '\n';  // typed while the mode was raw
        if (entry != END_OF_INPUT)
            to[taken++] = (u8)entry;
        else if (mode == TTY_RAW)
            to[taken++] = CONTROL('D');
        *ended = mode == TTY_COOKED && (entry == '\n' || entry == END_OF_INPUT);
    }
    return taken;
}

// A ^D that ends exactly the bytes that were read is no end of file of its own.
static void drop_end_mark(void) REQUIRES(tty_lock)
{
    if (mode == TTY_COOKED && read_at != ready && ring[read_at % RING_SIZE] == END_OF_INPUT)
        read_at++;
}

static size_t take_pieces(const struct piece *pieces, u32 count) REQUIRES(tty_lock)
{
    size_t taken = 0;
    bool ended = false;

    for (u32 i = 0; i < count && !ended && read_at != ready; i++)
        taken += take(pieces[i].data, pieces[i].size, &ended);
    if (!ended)
        drop_end_mark();
    return taken;
}

static bool is_nothing(const struct piece *pieces, u32 count)
{
    for (u32 i = 0; i < count; i++)
        if (pieces[i].size)
            return false;
    return true;
}

static int console_read(struct piece *pieces, u32 count, size_t *done)
{
    int err = 0;

    *done = 0;
    if (is_nothing(pieces, count))
        return 0;
    for (bool finished = false; !finished && !err;) {
        int group = reader_group();
        spin_lock(&tty_lock);
        if (may_read(group)) {
            *done = take_pieces(pieces, count);
            finished = true;
        } else {
            err = wait_on(&readers, &tty_lock, WAIT_INTERRUPTIBLE, NEVER, "console");
        }
        spin_unlock(&tty_lock);
    }
    return err;
}

// Settings

int console_set_mode(int new_mode)
{
    if (new_mode != TTY_COOKED && new_mode != TTY_RAW)
        return -EINVAL;
    spin_lock(&tty_lock);
    int before = mode;
    mode = new_mode;
    if (ready != typed)
        line_commit();  // what was being edited is now input as it is
    spin_unlock(&tty_lock);
    return before;
}

void console_set_foreground(int pgid)
{
    spin_lock(&tty_lock);
    foreground = pgid;
    wake_all(&readers);
    spin_unlock(&tty_lock);
}

int console_foreground(void)
{
    spin_lock(&tty_lock);
    int group = foreground;
    spin_unlock(&tty_lock);
    return group;
}

void console_set_ops(const struct console_ops *console_ops)
{
    ops = console_ops;
}

void console_init(void)
{
    static const struct chardev console = { .name = "console", .read = console_read, .write = console_write };

    terminal_init();
    printk_set_sink(output);
    chardev_register(MAJOR_CONSOLE, &console);
}
