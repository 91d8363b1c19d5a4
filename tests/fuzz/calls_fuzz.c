// System calls: numbers, arguments and the memory that they point to are the input's. The table, the decoding of
// arguments and the copies from and to the program are the kernel's; what the calls then ask of fs, proc and ckpt is
// answered here, by looking at every byte that is handed over and giving results out of the input.
//
// The input: 256 bytes that the program's memory is filled with, then calls of 16 bytes: number, where the stack is,
// what the answer is, which arguments are addresses, and three words.
#include "call.h"
#include "kernel.h"
#include <base/byteorder.h>
#include <base/string.h>
#include <ckpt/ckpt.h>
#include <dev/console.h>
#include <dev/disk.h>
#include <kern/fault.h>
#include <kern/time.h>
#include <mm/kmalloc.h>
#include <mm/usercopy.h>
#include <proc/exec.h>
#include <proc/fd.h>
#include <setjmp.h>
#include <stdlib.h>
#include <uapi/errno.h>
#include <uapi/syscall.h>

#define FILL      256
#define CALL_SIZE 16
#define LOW_END   0x4000u
#define READ_ONLY 0x10000u
#define HIGH      (USER_END - 2 * PAGE_SIZE)

static u8 answer;
static bool killed;
static struct proc *self = (struct proc *)&self;
static struct restart restart;
static struct vmspace *space;
static struct file *open_file;
static struct inode *root;
static jmp_buf ended;

// An error, or 0.
static int reply(void)
{
    static const int errors[] = { 0, 0, 0, -EINTR, -ENOENT, -EIO, -ENOMEM, -EBADF };

    return errors[answer % ARRAY_SIZE(errors)];
}

static void look_at_text(const char *text)
{
    EXPECT(strlen(text) < PATH_LEN);
}

// ---- registers

unsigned uregs_call_number(const struct uregs *regs)
{
    return regs->eax;
}

void uregs_set_result(struct uregs *regs, intptr_t result)
{
    EXPECT(result >= 0);
    regs->eax = (u32)result;
}

void uregs_set_error(struct uregs *regs, int error)
{
    EXPECT(error > 0 && error < 200);
    regs->edx = (u32)error;
}

void uregs_rewind_call(struct uregs *regs, unsigned number)
{
    regs->eip -= 2;
    regs->eax = number;
}

uaddr_t uregs_sp(const struct uregs *regs)
{
    return regs->esp;
}

// ---- fs

int path_lookup(struct inode *cwd, const char *path, struct inode **out)
{
    look_at_text(path);
    *out = reply() ? NULL : inode_get(root);
    return reply();
}

int path_open(struct inode *cwd, const char *path, u32 flags, struct file **out)
{
    look_at_text(path);
    EXPECT((flags & ~(u32)(O_WRONLY | O_RDWR | O_CREATE | O_TRUNC | O_APPEND)) == 0);
    *out = reply() ? NULL : file_create(FILE_INODE, inode_get(root));
    return reply();
}

int path_mkdir(struct inode *cwd, const char *path)
{
    look_at_text(path);
    return reply();
}

int path_mknod(struct inode *cwd, const char *path, u32 major, u32 minor)
{
    look_at_text(path);
    return reply();
}

int path_link(struct inode *cwd, const char *from, const char *to)
{
    look_at_text(from);
    look_at_text(to);
    return reply();
}

int path_unlink(struct inode *cwd, const char *path)
{
    look_at_text(path);
    return reply();
}

int path_rename(struct inode *cwd, const char *from, const char *to)
{
    return path_link(cwd, from, to);
}

void path_text(const char *cwd_text, const char *path, char *out, size_t size)
{
    look_at_text(path);
    memset(out, 'x', size);
    out[size - 1] = 0;
}

int pipe_create(struct file **read_end, struct file **write_end)
{
    if (reply())
        return reply();
    *read_end = file_create(FILE_PIPE_READ, NULL);
    *write_end = file_create(FILE_PIPE_WRITE, NULL);
    return 0;
}

// All of a program's memory that is handed over can be read, and written.
static int move(struct piece *pieces, u32 count, bool write, size_t *done)
{
    *done = 0;
    EXPECT(count <= USER_PIECES_MAX);
    for (u32 k = 0; k < count; k++) {
        EXPECT(pieces[k].size <= PAGE_SIZE);
        for (u32 n = 0; n < pieces[k].size; n++)
            if (write)
                ((u8 *)pieces[k].data)[n] ^= 1;
            else
                answer = (u8)(answer + (((u8 *)pieces[k].data)[n] & 0));
        *done += pieces[k].size;
    }
    if (answer & 64)
        *done /= 2;
    return reply();
}

int file_read(struct file *f, struct piece *pieces, u32 count, size_t *done)
{
    return move(pieces, count, true, done);
}

int file_write(struct file *f, const struct piece *pieces, u32 count, size_t *done)
{
    return move((struct piece *)pieces, count, false, done);
}

size_t file_portion(struct file *f, size_t n, bool is_write)
{
    return MIN(n, answer & 128 ? (size_t)100 : (size_t)1 << 20);
}

int file_stat(struct file *f, struct stat *st)
{
    return reply();
}

int file_seek(struct file *f, s64 offset, int whence, u64 *now)
{
    *now = (u64)offset;
    return reply();
}

int file_sync(struct file *f)
{
    return reply();
}

int file_truncate(struct file *f, u64 size)
{
    return reply();
}

int fs_sync(void)
{
    return reply();
}

void fs_figures(struct fs_figures *out)
{
    memset(out, 1, sizeof(*out));
}

u32 files_live(void)
{
    return 0;
}

u32 inodes_live(void)
{
    return 0;
}

u32 pipes_live(void)
{
    return 0;
}

// ---- descriptors

int fd_install(struct proc *p, struct file *f, int lowest, int *fd)
{
    file_put(f);
    *fd = 3;
    return reply();
}

int fd_lookup(struct proc *p, int fd, struct file **out)
{
    if (fd < 0 || fd > 9)
        return -EBADF;
    *out = file_get(open_file);
    return 0;
}

int fd_close(struct proc *p, int fd)
{
    return reply();
}

int fd_replace(struct proc *p, int fd, struct file *f)
{
    file_put(f);
    return fd < 0 || fd >= OPEN_MAX ? -EBADF : reply();
}

// ---- processes

struct proc *proc_self(void)
{
    return self;
}

int proc_pid(const struct proc *p)
{
    return 7;
}

struct vmspace *proc_space(struct proc *p)
{
    return space;
}

struct inode *proc_cwd(struct proc *p)
{
    return root;
}

const char *proc_cwd_text(struct proc *p)
{
    return "/";
}

struct restart *proc_restart(struct proc *p)
{
    return &restart;
}

void proc_set_cwd(struct proc *p, struct inode *dir, const char *text)
{
    look_at_text(text);
    inode_put(dir);
}

u64 proc_clock(const struct proc *p)
{
    return 1ull << 40;
}

u64 proc_clock_time(const struct proc *p, u64 clock)
{
    return clock;
}

int proc_fork(int *child_pid)
{
    *child_pid = 8;
    return reply();
}

void proc_exit(int status)
{
    longjmp(ended, 1);
}

int proc_wait(int which, int options, int *pid, int *status)
{
    *pid = answer & 16 ? 0 : 8;
    *status = 0x100;
    return reply();
}

int proc_kill(int pid, int reason)
{
    return reply();
}

int proc_set_group(int pid, int pgid)
{
    return reply();
}

int proc_find_group(int pgid, int *group)
{
    *group = pgid;
    return reply();
}

int proc_parent_pid(struct proc *p)
{
    return 1;
}

u32 proc_list(struct proc_info *out, u32 n)
{
    u32 count = answer * 5u;

    memset(out, 1, MIN(n, count) * sizeof(*out));
    return count;
}

u32 procs_live(void)
{
    return 1;
}

bool proc_killed(const struct proc *p)
{
    return killed;
}

int proc_continue(int pid)
{
    return reply();
}

int proc_stop_at(int pid, enum proc_event event, u32 n)
{
    return reply();
}

void proc_count_call(struct proc *p)
{
}

// Arguments of exec are as they are promised.
int proc_exec(const char *path, const struct exec_args *args)
{
    u32 at = 0;

    look_at_text(path);
    EXPECT(args->count <= ARG_COUNT && args->bytes <= sizeof(args->text));
    for (u32 k = 0; k < args->count; k++)
        at += (u32)strnlen(args->text + at, sizeof(args->text) - at) + 1;
    EXPECT(at == args->bytes);
    return reply();
}

// ---- checkpoints, the console, the machine

int ckpt_save(const struct ckpt_save_args *args, const char *path, u64 *resume, struct ckpt_figures *figures)
{
    look_at_text(path);
    *resume += args->flags;
    figures->ended = 1;
    return reply();
}

int ckpt_wait(u64 id, u64 deadline, struct ckpt_figures *figures)
{
    memset(figures, 1, sizeof(*figures));
    return reply();
}

int ckpt_restore(const struct ckpt_restore_args *args, const char *path)
{
    look_at_text(path);
    return reply();
}

int console_set_mode(int mode)
{
    return answer & 1 ? -EINVAL : 0;
}

void console_set_foreground(int pgid)
{
    EXPECT(pgid >= 0);
}

unsigned cpu_count(void)
{
    return 1;
}

struct disk *disk_find(const char *name)
{
    return NULL;
}

u64 sched_switches(void)
{
    return 0;
}

u32 sched_threads_live(void)
{
    return 1;
}

u64 time_wall_ns(void)
{
    return 1;
}

_Noreturn void machine_off(int status)
{
    longjmp(ended, 1);
}

// ---- a program

static void add_memory(uaddr_t start, uaddr_t end, u8 prot)
{
    struct region region = { .start = start, .end = end, .prot = prot, .kind = REGION_DATA };

    EXPECT(vmspace_add(space, &region) == 0);
}

static void make_program(const u8 *fill)
{
    EXPECT(vmspace_create(&space) == 0);
    add_memory(0, LOW_END, PROT_READ | PROT_WRITE);
    add_memory(READ_ONLY, READ_ONLY + PAGE_SIZE, PROT_READ);
    add_memory(HIGH, HIGH + PAGE_SIZE, PROT_READ | PROT_WRITE);
    vmspace_set_heap(space, 0x100000, 0x200000);
    vmspace_use(space);
    EXPECT(copy_to_user((void __user *)(uaddr_t)0x100, fill, FILL) == 0);
    EXPECT(copy_to_user((void __user *)(uaddr_t)(LOW_END - FILL), fill, FILL) == 0);
    EXPECT(copy_to_user((void __user *)(uaddr_t)HIGH, fill, FILL) == 0);
}

// A word of the input as an argument: itself, or an address where it matters.
static uintptr_t argument(u32 word, u32 kind)
{
    static const uaddr_t places[] = {
        0x100,       0x180,        LOW_END - 8, LOW_END - FILL, LOW_END - 1,  READ_ONLY, READ_ONLY + PAGE_SIZE - 3,
        HIGH,        HIGH + 0xff8, USER_END,    USER_END - 1,   USER_END + 8, 0,         (uaddr_t)-1,
        (uaddr_t)-8, 0x100000,
    };

    return kind ? places[word % ARRAY_SIZE(places)] + (word >> 8 & 3) : (uintptr_t)(s32)word;
}

static u32 stack_for(u8 where)
{
    static const u32 places[] = { 0x800, 0x800, 0x800, 0x800, LOW_END - 20, HIGH, USER_END - 4, ~0u };

    return places[where % ARRAY_SIZE(places)];
}

static void call(const u8 *at)
{
    struct uregs regs = { .eax = at[0] % (SYS_COUNT + 2), .esp = stack_for(at[1]) };
    uintptr_t words[4] = { 0 };

    answer = at[2];
    killed = at[3] & 0x80;
    fault_arm(FAULT_KMALLOC, at[3] & 0x40 ? 1 + (at[3] >> 3 & 3) : 0, false);
    for (u32 k = 0; k < 3; k++)
        words[k] = argument(le32(at + 4 + 4 * k), at[3] >> k & 1);
    (void)!copy_to_user((void __user *)(uaddr_t)(regs.esp + sizeof(words[0])), words, sizeof(words));
    upcall_syscall(&regs);
    EXPECT(irq_nesting() == 0);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size < FILL + CALL_SIZE)
        return 0;
    kernel_begin();
    make_program(data);
    root = inode_create(data[0] & 1 ? T_FILE : T_DIR, NULL, 0);
    open_file = file_create(data[0] & 2 ? FILE_DEVICE : FILE_INODE, inode_get(root));
    restart = (struct restart){ 0 };
    for (size_t at = FILL; at + CALL_SIZE <= size; at += CALL_SIZE)
        if (setjmp(ended) == 0)
            call(data + at);
    fault_arm(FAULT_KMALLOC, 0, false);
    file_put(open_file);
    inode_put(root);
    vmspace_use(NULL);
    vmspace_destroy(space);
    kernel_end();
    return 0;
}
