// The keyboard: US layout, scan codes of set 1 as the 8042 translates them (IBM PC AT Technical Reference, "Keyboard").
// Cursor keys and their like arrive as a VT100 or xterm sends them (ESC [ A ...).
#include "ps2.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/port.h>
#include <base/types.h>
#include <dev/console.h>

#define DATA             0x60
#define STATUS           0x64  // read
#define COMMAND          0x64  // write
#define LINE             1

#define STATUS_OUTPUT    0x01  // a byte is there for us
#define STATUS_INPUT     0x02  // the controller has not yet taken ours
#define STATUS_MOUSE     0x20  // the byte is from the second port
#define ABSENT           0xff

#define READ_CONFIG      0x20
#define WRITE_CONFIG     0x60
#define CONFIG_INTERRUPT 0x01
#define CONFIG_DISABLED  0x10  // the keyboard's clock is off
#define CONFIG_TRANSLATE 0x40

#define KEYBOARD_ENABLE  0xf4

#define POLLS            200  // each at least about a microsecond
#define BYTES_AT_ONCE    32

#define RELEASED         0x80
#define EXTENDED         0xe0  // prefix of the keys that the first PC did not have
#define PAUSE            0xe1  // prefix of one key: two codes follow
#define CONTROL          0x1d
#define ALT              0x38
#define SHIFT_L          0x2a
#define SHIFT_R          0x36
#define CAPS             0x3a
#define KEYPAD           0x47  // first key of the block that exists twice: keypad, and with EXTENDED cursor keys
#define ESC              "\x1b"

static const char plain[] = "\0\x1b"
                            "1234567890-=\x7f\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] = "\0\x1b"
                              "!@#$%^&*()_+\x7f\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
static const char *const cursor_keys[] = { ESC "[H", ESC "[A", ESC "[5~", "-",       ESC "[D",  "5",      ESC "[C",
                                           "+",      ESC "[F", ESC "[B",  ESC "[6~", ESC "[2~", ESC "[3~" };

// Only the interrupt handler touches these.
static bool shift_left, shift_right, control, caps, extended;
static unsigned skip;

static void send(const char *bytes)
{
    while (*bytes)
        console_input((u8)*bytes++);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void key_pressed(u8 code)
{
    if (code >= KEYPAD && code < KEYPAD + ARRAY_SIZE(cursor_keys)) {
        send(cursor_keys[code - KEYPAD]);
        return;
    }
    if (code >= sizeof(plain) - 1 || !plain[code])
        return;
    bool upper = (shift_left || shift_right) != (caps && is_letter(plain[code]));
    char c = upper ? shifted[code] : plain[code];
    if (control)
        c &= 0x1f;
    console_input((u8)c);
}

static void extended_key(u8 code, bool down)
{
    if (code == CONTROL)
        control = down;
    else if (!down || code == SHIFT_L || code == SHIFT_R)
        return;  // some keys come wrapped in shifts that nobody pressed
    else if (code == 0x35)
        console_input('/');
    else if (code == 0x1c || code >= KEYPAD)
        key_pressed(code);
}

static void ordinary_key(u8 code, bool down)
{
    switch (code) {
    case SHIFT_L:
        shift_left = down;
        break;
    case SHIFT_R:
        shift_right = down;
        break;
    case CONTROL:
        control = down;
        break;
    case ALT:
        break;
    case CAPS:
        caps ^= down;
        break;
    default:
        if (down)
            key_pressed(code);
    }
}

static void scan_code(u8 code)
{
    if (skip) {
        skip--;
    } else if (code == EXTENDED) {
        extended = true;
    } else if (code == PAUSE) {
        skip = 2;
    } else {
        bool down = !(code & RELEASED);
        (extended ? extended_key : ordinary_key)(code & ~RELEASED, down);
        extended = false;
    }
}

static void ps2_interrupt(void *arg)
{
    for (unsigned i = 0; i < BYTES_AT_ONCE; i++) {
        u8 status = in8(STATUS);
        if (!(status & STATUS_OUTPUT) || status == ABSENT)
            break;
        u8 byte = in8(DATA);
        if (!(status & STATUS_MOUSE))
            scan_code(byte);
    }
}

static bool wait_status(u8 mask, u8 wanted)
{
    for (unsigned i = 0; i < POLLS; i++) {
        if ((in8(STATUS) & mask) == wanted)
            return true;
        cpu_relax();
    }
    return false;
}

static bool send_to(u16 port, u8 byte)
{
    if (!wait_status(STATUS_INPUT, 0))
        return false;
    out8(port, byte);
    return true;
}

static void drop_pending(void)
{
    for (unsigned i = 0; i < BYTES_AT_ONCE && (in8(STATUS) & STATUS_OUTPUT); i++)
        (void)in8(DATA);
}

static bool configure(void)
{
    if (!send_to(COMMAND, READ_CONFIG) || !wait_status(STATUS_OUTPUT, STATUS_OUTPUT))
        return false;
    u8 config = in8(DATA);
    config = (u8)((config | CONFIG_INTERRUPT | CONFIG_TRANSLATE) & ~CONFIG_DISABLED);
    return send_to(COMMAND, WRITE_CONFIG) && send_to(DATA, config);
}

void ps2_init(void)
{
    if (in8(STATUS) == ABSENT)
        return;
    drop_pending();
    if (!configure() || irq_attach(LINE, ps2_interrupt, NULL))
        return;
    // The keyboard's answer (0xfa) comes as an interrupt, and as a code it is the release of a key that doesn't exist.
    (void)send_to(DATA, KEYBOARD_ENABLE);
}
