// ATA disks by programmed I/O; section numbers are those of ATA/ATAPI-6.
//
// Each channel has a thread that runs the requests of its drives one after another, since a channel does one thing at a
// time. The thread sleeps until the channel's interrupt; now and then it looks at the status itself, so that a lost
// interrupt costs time and nothing else. Data goes by as many sectors at a time as the drive agrees to (SET MULTIPLE
// MODE). A drive that doesn't answer is reset, and the request ends in -EIO.
#include "ata.h"
#include "../driver.h"
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/port.h>
#include <base/byteorder.h>
#include <base/string.h>
#include <kern/printk.h>
#include <kern/spinlock.h>
#include <kern/time.h>
#include <mm/kmalloc.h>
#include <sched/thread.h>
#include <uapi/errno.h>

// 7, registers, from a channel's first port
#define DATA         0
#define FEATURES     1
#define SECTOR_COUNT 2
#define LBA_LOW      3
#define LBA_MID      4
#define LBA_HIGH     5
#define DEVICE       6
#define STATUS       7  // read; also acknowledges the interrupt
#define COMMAND      7  // write

// 7.8, device control and alternate status, at the channel's control port
#define CONTROL_RESET  0x04
#define CONTROL_NO_IRQ 0x02

#define DEVICE_LBA     0x40
#define DEVICE_SECOND  0x10
#define DEVICE_FIXED   0xa0  // bits that were always one before ATA-6

#define STATUS_ERROR   0x01
#define STATUS_DATA    0x08  // DRQ: data is wanted, or there
#define STATUS_FAULT   0x20
#define STATUS_READY   0x40
#define STATUS_BUSY    0x80
#define STATUS_FLOAT   0xff  // no drive holds the bus

// 8, commands
#define CMD_IDENTIFY           0xec
#define CMD_SET_MULTIPLE       0xc6
#define CMD_READ               0x20
#define CMD_READ_EXT           0x24
#define CMD_READ_MULTIPLE      0xc4
#define CMD_READ_MULTIPLE_EXT  0x29
#define CMD_WRITE              0x30
#define CMD_WRITE_EXT          0x34
#define CMD_WRITE_MULTIPLE     0xc5
#define CMD_WRITE_MULTIPLE_EXT 0x39
#define CMD_FLUSH              0xe7
#define CMD_FLUSH_EXT          0xea

// 8.15, table 26: words of what IDENTIFY DEVICE tells
#define ID_GENERAL        0
#define ID_MULTIPLE       47
#define ID_CAPABILITIES   49
#define ID_SECTORS_28     60
#define ID_COMMANDS       83
#define ID_SECTORS_48     100
#define ID_WORDS          256
#define ID_NOT_ATA        0x8000
#define ID_HAS_LBA        0x0200
#define ID_VALID_MASK     0xc000  // of ID_COMMANDS: the word means something if
#define ID_VALID          0x4000
#define ID_HAS_LBA48      0x0400
#define ID_HAS_FLUSH      0x1000
#define ID_HAS_FLUSH_EXT  0x2000

#define SECTOR_SIZE       512
#define SECTORS_PER_BLOCK (DISK_BLOCK_SIZE / SECTOR_SIZE)
#define LBA28_SECTORS     256u  // of one command
#define LBA48_SECTORS     65536u

#define MILLISECOND       1000000ull
#define IDENTIFY_PATIENCE (500 * MILLISECOND)  // while the machine starts, and a drive says that it is busy
#define COMMAND_PATIENCE  (10000 * MILLISECOND)
#define FLUSH_PATIENCE    (60000 * MILLISECOND)

struct channel {
    u16 base, control;
    unsigned line;
    struct drive *drives[2];
    struct spinlock lock;
    struct wait_queue work FIELD_GUARDED_BY(lock);    // the thread waits for requests
    struct wait_queue answer FIELD_GUARDED_BY(lock);  // the thread waits for the drive
    bool answered FIELD_GUARDED_BY(lock);             // an interrupt came since the thread last looked
    struct thread thread;                             // alone talks to the drives once it runs
};

struct drive {
    struct disk disk;
    char name[4];
    struct channel *channel;
    u8 select;  // of the DEVICE register
    bool lba48, flush, flush_ext;
    u32 multiple;  // sectors per piece of data
    struct list requests FIELD_GUARDED_BY(channel->lock);
};

static struct channel channels[2] = {
    { .base = 0x1f0, .control = 0x3f6, .line = 14 },
    { .base = 0x170, .control = 0x376, .line = 15 },
};

// The registers

static void put(const struct channel *c, unsigned reg, unsigned v)
{
    out8((u16)(c->base + reg), (u8)v);
}

// The status without acknowledging the interrupt.
static u8 peek_status(const struct channel *c)
{
    return in8(c->control);
}

// A drive takes up to 400 ns to show its new status (9.2); a read takes 100 at least.
static void settle(const struct channel *c)
{
    for (unsigned i = 0; i < 4; i++)
        (void)peek_status(c);
}

static bool failed(u8 status)
{
    return status & (STATUS_ERROR | STATUS_FAULT);
}

// Waiting

// While the machine starts, nobody can sleep.
static int poll_until_ready(const struct channel *c, u64 patience)
{
    u64 give_up = clock_ns() + patience;

    while (peek_status(c) & STATUS_BUSY) {
        if (clock_ns() >= give_up)
            return -ETIMEDOUT;
        cpu_relax();
    }
    return 0;
}

// In the channel's thread. Woken by the interrupt, or by the clock to look whether that was missed.
static int sleep_until_ready(struct channel *c, u64 patience)
{
    u64 give_up = time_ns() + patience;
    int err = 0;

    spin_lock(&c->lock);
    while (!err && (peek_status(c) & STATUS_BUSY)) {
        u64 now = time_ns();
        if (now >= give_up)
            err = -ETIMEDOUT;
        else if (!c->answered)
            (void)!wait_on(&c->answer, &c->lock, WAIT_UNINTERRUPTIBLE, now + 2 * NS_PER_TICK, "ata");
        c->answered = false;
    }
    spin_unlock(&c->lock);
    return err;
}

static void ata_interrupt(void *arg)
{
    struct channel *c = arg;

    (void)in8((u16)(c->base + STATUS));
    spin_lock(&c->lock);
    c->answered = true;
    wake_all(&c->answer);
    spin_unlock(&c->lock);
}

// Commands

static void select(const struct drive *d, unsigned lba_high)
{
    put(d->channel, DEVICE, d->select | DEVICE_LBA | lba_high);
    settle(d->channel);
}

// 6.2.1: with 28 bits the highest four go into DEVICE; with 48 each register is written twice, high half first.
static void command_at(const struct drive *d, u8 command, u64 sector, u32 count)
{
    const struct channel *c = d->channel;

    select(d, d->lba48 ? 0 : (unsigned)(sector >> 24) & 0xf);
    if (d->lba48) {
        put(c, SECTOR_COUNT, count >> 8);
        put(c, LBA_LOW, (unsigned)(sector >> 24));
        put(c, LBA_MID, (unsigned)(sector >> 32));
        put(c, LBA_HIGH, (unsigned)(sector >> 40));
    }
    put(c, SECTOR_COUNT, count);
    put(c, LBA_LOW, (unsigned)sector);
    put(c, LBA_MID, (unsigned)(sector >> 8));
    put(c, LBA_HIGH, (unsigned)(sector >> 16));
    put(c, COMMAND, command);
    settle(c);
}

static u8 transfer_command(const struct drive *d, enum disk_op op)
{
    static const u8 commands[2][2][2] = {
        { { CMD_READ, CMD_READ_MULTIPLE }, { CMD_READ_EXT, CMD_READ_MULTIPLE_EXT } },
        { { CMD_WRITE, CMD_WRITE_MULTIPLE }, { CMD_WRITE_EXT, CMD_WRITE_MULTIPLE_EXT } },
    };
    return commands[op == DISK_WRITE][d->lba48][d->multiple > 1];
}

static void *sector_data(const struct disk_request *r, u32 sector)
{
    return (char *)frame_data(r->frames[sector / SECTORS_PER_BLOCK]) + sector % SECTORS_PER_BLOCK * SECTOR_SIZE;
}

static void move_data(const struct drive *d, const struct disk_request *r, u32 sector, u32 count)
{
    u16 port = d->channel->base + DATA;

    for (u32 end = sector + count; sector < end; sector++) {
        if (r->op == DISK_READ)
            ins32(port, sector_data(r, sector), SECTOR_SIZE / 4);
        else
            outs32(port, sector_data(r, sector), SECTOR_SIZE / 4);
    }
    settle(d->channel);
}

// Wait until the drive wants or has data (or, with STATUS_READY, until it is done). -EIO: it failed; -ETIMEDOUT: it
// doesn't answer.
static int await(struct channel *c, u8 wanted, u64 patience)
{
    int err = sleep_until_ready(c, patience);
    if (err)
        return err;
    u8 status = peek_status(c);
    return failed(status) || !(status & wanted) ? -EIO : 0;
}

// One command's worth: `count` sectors of the request, from its sector `from` on (9.5, 9.6: PIO data-in and data-out).
static int transfer_command_run(struct drive *d, const struct disk_request *r, u32 from, u32 count)
{
    command_at(d, transfer_command(d, r->op), r->block * SECTORS_PER_BLOCK + from, count);
    for (u32 end = from + count; from < end;) {
        u32 piece = MIN(d->multiple, end - from);
        int err = await(d->channel, STATUS_DATA, COMMAND_PATIENCE);
        if (err)
            return err;
        move_data(d, r, from, piece);
        from += piece;
    }
    return r->op == DISK_WRITE ? await(d->channel, STATUS_READY, COMMAND_PATIENCE) : 0;
}

static int transfer(struct drive *d, const struct disk_request *r)
{
    u32 sectors = r->count * SECTORS_PER_BLOCK, at_once = d->lba48 ? LBA48_SECTORS : LBA28_SECTORS;
    int err = 0;

    for (u32 from = 0; from < sectors && !err; from += at_once)
        err = transfer_command_run(d, r, from, MIN(at_once, sectors - from));
    return err;
}

// A drive that has no such command writes through.
static int flush(struct drive *d)
{
    if (!d->flush)
        return 0;
    select(d, 0);
    put(d->channel, COMMAND, d->flush_ext ? CMD_FLUSH_EXT : CMD_FLUSH);
    settle(d->channel);
    return await(d->channel, STATUS_READY, FLUSH_PATIENCE);
}

static bool accepts_multiple(struct drive *d, u32 sectors, int (*wait)(struct channel *, u64))
{
    select(d, 0);
    put(d->channel, SECTOR_COUNT, sectors);
    put(d->channel, COMMAND, CMD_SET_MULTIPLE);
    settle(d->channel);
    return !wait(d->channel, IDENTIFY_PATIENCE) && !failed(peek_status(d->channel));
}

// 9.2: software reset, for a drive that no longer answers.
static void channel_reset(struct channel *c)
{
    out8(c->control, CONTROL_RESET);
    (void)!thread_sleep_until(time_ns() + NS_PER_TICK);
    out8(c->control, 0);
    (void)!thread_sleep_until(time_ns() + NS_PER_TICK);
    if (sleep_until_ready(c, COMMAND_PATIENCE))
        return;
    for (unsigned i = 0; i < 2; i++) {
        struct drive *d = c->drives[i];
        if (d && d->multiple > 1 && !accepts_multiple(d, d->multiple, sleep_until_ready))
            d->multiple = 1;
    }
}

static int perform(struct drive *d, const struct disk_request *r)
{
    int err = r->op == DISK_FLUSH ? flush(d) : transfer(d, r);

    if (!err)
        return 0;
    disk_report(&d->disk, r);
    if (err == -ETIMEDOUT) {
        printk("%s: the drive doesn't answer, its channel is reset\n", d->name);
        channel_reset(d->channel);
    }
    return -EIO;
}

// The channel's thread

// The two drives take turns.
static struct drive *next_drive(struct channel *c, unsigned turn) REQUIRES(c->lock)
{
    for (unsigned i = 0; i < 2; i++) {
        struct drive *d = c->drives[(turn + i) % 2];
        if (d && !list_empty(&d->requests))
            return d;
    }
    return NULL;
}

static struct disk_request *next_request(struct channel *c, unsigned turn, struct drive **drive)
{
    spin_lock(&c->lock);
    while (!(*drive = next_drive(c, turn)))
        (void)!wait_on(&c->work, &c->lock, WAIT_UNINTERRUPTIBLE, NEVER, "disk requests");
    struct disk_request *r = list_first(&(*drive)->requests, struct disk_request, link);
    list_remove(&r->link);
    spin_unlock(&c->lock);
    return r;
}

static void channel_run(void *arg)
{
    struct channel *c = arg;

    for (unsigned turn = 0;; turn++) {
        struct drive *d;
        struct disk_request *r = next_request(c, turn, &d);
        disk_complete(r, perform(d, r));
    }
}

static void submit(struct disk *disk, struct disk_request *r)
{
    struct drive *d = container_of(disk, struct drive, disk);
    struct channel *c = d->channel;

    spin_lock(&c->lock);
    list_append(&d->requests, &r->link);
    wake_one(&c->work);
    spin_unlock(&c->lock);
}

// Finding drives

// An ATAPI drive refuses IDENTIFY DEVICE (8.15.5.2), an empty place shows no status.
static int identify(const struct drive *d, u16 id[ID_WORDS])
{
    const struct channel *c = d->channel;

    select(d, 0);
    if (peek_status(c) == STATUS_FLOAT)
        return -ENODEV;
    put(c, COMMAND, CMD_IDENTIFY);
    settle(c);
    if (peek_status(c) == 0 || poll_until_ready(c, IDENTIFY_PATIENCE))
        return -ENODEV;
    u8 status = peek_status(c);
    if (failed(status) || !(status & STATUS_DATA))
        return -ENODEV;
    ins16(c->base + DATA, id, ID_WORDS);
    settle(c);
    return (id[ID_GENERAL] & ID_NOT_ATA) || !(id[ID_CAPABILITIES] & ID_HAS_LBA) ? -ENODEV : 0;
}

static int poll_channel(struct channel *c, u64 patience)
{
    return poll_until_ready(c, patience);
}

static void drive_learn(struct drive *d, const u16 id[ID_WORDS])
{
    u16 commands = (id[ID_COMMANDS] & ID_VALID_MASK) == ID_VALID ? id[ID_COMMANDS] : 0;
    u32 multiple = id[ID_MULTIPLE] & 0xff;

    d->lba48 = commands & ID_HAS_LBA48;
    d->flush_ext = d->lba48 && (commands & ID_HAS_FLUSH_EXT);
    d->flush = d->flush_ext || (commands & ID_HAS_FLUSH);
    d->multiple = multiple > 1 && accepts_multiple(d, multiple, poll_channel) ? multiple : 1;
    d->disk.blocks = (d->lba48 ? le64(&id[ID_SECTORS_48]) : le32(&id[ID_SECTORS_28])) / SECTORS_PER_BLOCK;
}

static void drive_probe(struct channel *c, unsigned place)
{
    struct drive *d = kzalloc(sizeof(*d));
    u16 id[ID_WORDS];

    if (!d) {
        printk("ata: no memory\n");
        return;
    }
    d->channel = c;
    d->select = DEVICE_FIXED | (place ? DEVICE_SECOND : 0);
    if (identify(d, id)) {
        kfree(d);
        return;
    }
    drive_learn(d, id);
    list_init(&d->requests);
    memcpy(d->name, (const char[4]){ 'h', 'd', (char)('a' + (c - channels) * 2 + place) }, sizeof(d->name));
    d->disk.name = d->name;
    d->disk.submit = submit;
    c->drives[place] = d;
}

static int channel_start(struct channel *c)
{
    void *stack = kmalloc(KERNEL_STACK_SIZE);

    if (!stack)
        return -ENOMEM;
    spin_init(&c->lock, "ata", RANK_DISK);
    wait_queue_init(&c->work);
    wait_queue_init(&c->answer);
    if (irq_attach(c->line, ata_interrupt, c))
        printk("ata: no interrupt %u: slow\n", c->line);
    out8(c->control, 0);
    thread_init(&c->thread, "ata", stack, channel_run, c);
    thread_start(&c->thread);
    return 0;
}

static void channel_probe(struct channel *c)
{
    if (peek_status(c) == STATUS_FLOAT)
        return;
    out8(c->control, CONTROL_NO_IRQ);
    for (unsigned place = 0; place < 2; place++)
        drive_probe(c, place);
    if (!c->drives[0] && !c->drives[1])
        return;
    if (channel_start(c)) {
        printk("ata: no memory\n");
        return;
    }
    for (unsigned place = 0; place < 2; place++) {
        struct drive *d = c->drives[place];
        if (!d)
            continue;
        printk("%s: %u MiB, ATA%s\n", d->name, (u32)(d->disk.blocks >> 8),
               d->flush ? "" : ", has no flush: takes every write as durable");
        disk_register(&d->disk);
    }
}

void ata_init(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(channels); i++)
        channel_probe(&channels[i]);
}
