// The display: VGA text (IBM VGA Technical Reference, "CRT Controller Registers"), with the escape sequences that line
// editors need (ECMA-48): cursor movement CSI n A B C D G, position CSI r;c H, erasing CSI n J and CSI n K, colours CSI
// n m. Others are swallowed.
//
// What should be on the screen is kept in ordinary memory; each write ends by bringing the changed cells to video
// memory, which is slow to access and slower to read. Scrolling moves the origin of the picture through the 32 KiB that
// video memory has, and copies nothing until the end is reached.
#include "vga.h"
#include "../terminal.h"
#include <arch/mmu.h>
#include <arch/port.h>
#include <base/types.h>

#define COLUMNS      80
#define ROWS         25
#define TAB          8

#define VIDEO_MEMORY 0xb8000
#define VIDEO_CELLS  (0x8000 / sizeof(u16))

#define CRTC_INDEX   0x3d4
#define CRTC_DATA    0x3d5
#define CRTC_ORIGIN  0x0c  // high byte; low byte in the next register
#define CRTC_CURSOR  0x0e

#define PLAIN        0x07  // grey on black
#define BOLD         0x08

struct row {
    u16 cells[COLUMNS];
    unsigned dirty_from, dirty_to;  // cells that differ from video memory
};

enum escape_state { TEXT, ESCAPE, PARAMETERS };

// All guarded by the lock that display_write()'s caller holds.
static volatile u16 *video;  // NULL: there is no display
static struct row rows[ROWS];
static unsigned top;          // the index in rows[] of the uppermost
static unsigned row, column;  // the cursor; column may be COLUMNS: the next character starts a line
static u8 attribute = PLAIN;
static unsigned origin;    // the cell of video memory where the picture starts
static unsigned scrolled;  // rows, since the last refresh
static unsigned shown_origin, shown_cursor;

static enum escape_state escape_state;
static unsigned parameters[4], parameter_count;

static struct row *row_at(unsigned r)
{
    return &rows[(top + r) % ROWS];
}

static u16 cell(u8 c)
{
    return (u16)(attribute << 8 | c);
}

static void row_touch(struct row *r, unsigned from, unsigned to)
{
    r->dirty_from = MIN(r->dirty_from, from);
    r->dirty_to = MAX(r->dirty_to, to);
}

static void row_erase(unsigned r, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        row_at(r)->cells[i] = cell(' ');
    if (from < to)
        row_touch(row_at(r), from, to);
}

static void rows_erase(unsigned from, unsigned to)
{
    for (unsigned r = from; r < to; r++)
        row_erase(r, 0, COLUMNS);
}

static void line_feed(void)
{
    if (row + 1 < ROWS) {
        row++;
        return;
    }
    top = (top + 1) % ROWS;
    scrolled++;
    row_erase(ROWS - 1, 0, COLUMNS);
}

static void put_character(u8 c)
{
    if (column == COLUMNS) {
        column = 0;
        line_feed();
    }
    row_at(row)->cells[column] = cell(c);
    row_touch(row_at(row), column, column + 1);
    column++;
}

static void put_text(u8 c)
{
    switch (c) {
    case '\n':
        column = 0;
        line_feed();
        break;
    case '\r':
        column = 0;
        break;
    case '\b':
        column = MIN(column, COLUMNS - 1);
        if (column)
            column--;
        break;
    case '\t':
        column = MIN(ROUND_UP(column + 1, TAB), COLUMNS - 1);
        break;
    case 0x1b:
        escape_state = ESCAPE;
        break;
    default:
        if (c >= ' ' && c != 0x7f)
            put_character(c);
    }
}

// Escape sequences

static unsigned parameter(unsigned i, unsigned otherwise)
{
    return i < parameter_count && parameters[i] ? parameters[i] : otherwise;
}

static void erase_display(unsigned what)
{
    if (what == 1) {
        rows_erase(0, row);
        row_erase(row, 0, MIN(column + 1, COLUMNS));
    } else if (what == 0) {
        row_erase(row, column, COLUMNS);
        rows_erase(row + 1, ROWS);
    } else {
        rows_erase(0, ROWS);
    }
}

static void erase_line(unsigned what)
{
    row_erase(row, what == 0 ? column : 0, what == 1 ? MIN(column + 1, COLUMNS) : COLUMNS);
}

// ECMA-48 counts colours red, green, blue from the lowest bit; VGA blue, green, red.
static u8 vga_colour(unsigned n)
{
    return (u8)((n & 1) << 2 | (n & 2) | (n & 4) >> 2);
}

static void set_rendition(unsigned n)
{
    if (n == 0)
        attribute = PLAIN;
    else if (n == 1)
        attribute |= BOLD;
    else if (n == 7)
        attribute = (u8)((attribute & 0x88) | (attribute & 0x07) << 4 | (attribute & 0x70) >> 4);
    else if (n >= 30 && n <= 37)
        attribute = (u8)((attribute & 0xf8) | vga_colour(n - 30));
    else if (n == 39)
        attribute = (u8)((attribute & 0xf0) | PLAIN);
    else if (n >= 40 && n <= 47)
        attribute = (u8)((attribute & 0x8f) | vga_colour(n - 40) << 4);
    else if (n == 49)
        attribute &= 0x8f;
}

static void move_to(unsigned r, unsigned c)
{
    row = MIN(r, ROWS - 1);
    column = MIN(c, COLUMNS - 1);
}

static void sequence_end(u8 final)
{
    unsigned n = MIN(parameter(0, 1), MAX(ROWS, COLUMNS));

    switch (final) {
    case 'A':
        move_to(row - MIN(row, n), column);
        break;
    case 'B':
        move_to(row + n, column);
        break;
    case 'C':
        move_to(row, column + n);
        break;
    case 'D':
        move_to(row, column - MIN(column, n));
        break;
    case 'G':
        move_to(row, n - 1);
        break;
    case 'H':
    case 'f':
        move_to(n - 1, MIN(parameter(1, 1), COLUMNS) - 1);
        break;
    case 'J':
        erase_display(parameter(0, 0));
        break;
    case 'K':
        erase_line(parameter(0, 0));
        break;
    case 'm':
        for (unsigned i = 0; i < MAX(parameter_count, 1u); i++)
            set_rendition(parameter(i, 0));
        break;
    }
}

static void sequence_start(u8 c)
{
    escape_state = c == '[' ? PARAMETERS : TEXT;
    parameter_count = 0;
}

static void sequence_digit(u8 c)
{
    if (!parameter_count)
        parameters[parameter_count++] = 0;
    unsigned *p = &parameters[parameter_count - 1];
    *p = MIN(*p * 10 + (c - '0'), 9999u);
}

// Further parameters than there is place for overwrite the last.
static void sequence_next_parameter(void)
{
    if (!parameter_count)
        parameters[parameter_count++] = 0;
    if (parameter_count < ARRAY_SIZE(parameters))
        parameter_count++;
    parameters[parameter_count - 1] = 0;
}

static void sequence_byte(u8 c)
{
    if (c >= '0' && c <= '9') {
        sequence_digit(c);
    } else if (c == ';') {
        sequence_next_parameter();
    } else if (c >= 0x40 || c < ' ') {
        escape_state = TEXT;
        sequence_end(c);
    }
}

static void put(u8 c)
{
    if (escape_state == TEXT)
        put_text(c);
    else if (escape_state == ESCAPE)
        sequence_start(c);
    else
        sequence_byte(c);
}

// Video memory

static void crtc_write16(u8 reg, unsigned v, unsigned before)
{
    if ((v ^ before) & 0xff00) {
        out8(CRTC_INDEX, reg);
        out8(CRTC_DATA, (u8)(v >> 8));
    }
    if ((v ^ before) & 0xff) {
        out8(CRTC_INDEX, reg + 1);
        out8(CRTC_DATA, (u8)v);
    }
}

static void row_refresh(unsigned r)
{
    struct row *source = row_at(r);
    volatile u16 *to = video + origin + r * COLUMNS;

    for (unsigned i = source->dirty_from; i < source->dirty_to; i++)
        to[i] = source->cells[i];
    source->dirty_from = COLUMNS;
    source->dirty_to = 0;
}

// Where the picture goes after scrolling: further on, if the rows that stay can stay where they are.
static void origin_advance(void)
{
    unsigned next = origin + scrolled * COLUMNS;

    if (scrolled >= ROWS || next + ROWS * COLUMNS > VIDEO_CELLS) {
        next = 0;
        for (unsigned r = 0; r < ROWS; r++)
            row_touch(&rows[r], 0, COLUMNS);
    }
    origin = next;
    scrolled = 0;
}

static void refresh(void)
{
    if (scrolled)
        origin_advance();
    for (unsigned r = 0; r < ROWS; r++)
        row_refresh(r);

    unsigned cursor = origin + row * COLUMNS + MIN(column, COLUMNS - 1);
    crtc_write16(CRTC_ORIGIN, origin, shown_origin);
    crtc_write16(CRTC_CURSOR, cursor, shown_cursor);
    shown_origin = origin;
    shown_cursor = cursor;
}

void display_write(const char *bytes, size_t n)
{
    if (!video || !n)
        return;
    for (size_t i = 0; i < n; i++)
        put((u8)bytes[i]);
    refresh();
}

// Is there memory behind the address? An empty bus forgets what is written.
static bool is_memory(volatile u16 *at)
{
    u16 before = *at;

    at[0] = 0x55aa;
    at[1] = 0xaa55;
    bool remembers = at[0] == 0x55aa && at[1] == 0xaa55;
    at[0] = before;
    return remembers;
}

void vga_init(void)
{
    volatile u16 *memory = phys_to_virt(VIDEO_MEMORY);

    if (!is_memory(memory))
        return;
    video = memory;
    rows_erase(0, ROWS);
    shown_origin = shown_cursor = 0xffff;  // unknown: differs from 0 in both bytes
    refresh();
}
