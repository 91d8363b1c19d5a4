// The boot list: what is set up, in which order, and the first program.
#include <arch/cpu.h>
#include <arch/upcall.h>
#include <base/string.h>
#include <ckpt/ckpt.h>
#include <dev/console.h>
#include <dev/disk.h>
#include <fs/inode.h>
#include <kern/fault.h>
#include <kern/options.h>
#include <kern/printk.h>
#include <kern/time.h>
#include <mm/frame.h>
#include <mm/kmalloc.h>
#include <proc/proc.h>
#include <sched/thread.h>
#include <uapi/errno.h>

#define STATUS_NO_ROOT 2  // of the machine, when there is nothing to run

_Noreturn static void give_up(const char *what, const char *which, int err, const char *way_out)
{
    printk("amber: %s %s: error %d; %s\n", what, which, -err, way_out);
    machine_off(STATUS_NO_ROOT);
}

// The rest of the boot may sleep, so it's a thread of its own.
static void start_programs(void *unused)
{
    const char *root = option_text("root");
    const char *init = option_text("init");
    struct disk *disk = disk_find(root);
    int err;

    (void)unused;
    if (!disk)
        give_up("no disk", root ? root : "(any)", 0, "attach one: -drive file=amber.img,if=virtio,format=raw");
    err = fs_mount(disk);
    if (err)
        give_up("cannot mount", disk->name, err, "make an image with mkfs, or look at it with fsck");
    err = proc_start_init(init ? init : "/init");
    if (err)
        give_up("cannot start", init ? init : "/init", err, "put a program there, or name another one: init=/sh");
}

static void boot_thread_start(void)
{
    static struct thread thread;
    struct frame *stack = frames_alloc(1);

    _Static_assert(KERNEL_STACK_SIZE == 2 * PAGE_SIZE, "two frames are one stack");
    if (!stack)
        give_up("cannot start", "the boot", -ENOMEM, "give the machine more memory: -m 64");
    thread_init(&thread, "boot", frame_data(stack), start_programs, NULL);
    thread_start(&thread);
}

void upcall_boot(void)
{
    options_init(machine_command_line());
    frames_init();
    kmem_init();
    sched_init();
    fault_init();
    console_init();
    printk("Amber on %s: %u CPUs, %u MiB\n", MACHINE_NAME, cpu_count(), frames_total() / (1024 * 1024 / PAGE_SIZE));
    time_set_wall(clock_wall_seconds() * NS_PER_SECOND);
    dev_init();
    proc_init();
    ckpt_init();
    boot_thread_start();
    cpu_start_others();
    sched_run();
}
