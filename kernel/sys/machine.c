// Calls on the machine as a whole: time, figures, off.
#include "call.h"
#include <arch/cpu.h>
#include <dev/disk.h>
#include <fs/file.h>
#include <kern/fault.h>
#include <kern/printk.h>
#include <kern/time.h>
#include <mm/kmalloc.h>
#include <mm/usercopy.h>
#include <uapi/errno.h>
#include <uapi/sys.h>

int sys_uptime(struct call *c)
{
    c->result = (intptr_t)(proc_clock(c->self) / NS_PER_TICK & INT32_MAX);
    return 0;
}

int sys_clock(struct call *c)
{
    u64 ns = proc_clock(c->self);

    return copy_to_user(call_pointer(c, 0), &ns, sizeof(ns));
}

int sys_time(struct call *c)
{
    u64 ns = time_wall_ns();

    return copy_to_user(call_pointer(c, 0), &ns, sizeof(ns));
}

int sys_sync(struct call *c)
{
    return fs_sync();
}

int sys_proc_list(struct call *c)
{
    int n = call_int(c, 1);

    if (n < 0)
        return -EINVAL;
    u32 room = MIN((u32)n, PROC_MAX);
    struct proc_info *list = kmalloc(MAX(room, 1u) * sizeof(*list));
    if (!list)
        return -ENOMEM;
    u32 count = proc_list(list, room);
    int err = copy_to_user(call_pointer(c, 0), list, MIN(count, room) * sizeof(*list));
    kfree(list);
    c->result = (intptr_t)count;
    return err;
}

static void describe_memory(struct sysinfo *info)
{
    info->page_size = PAGE_SIZE;
    info->frames_total = frames_total();
    info->frames_cache = frames_reclaimable();
    info->frames_free = frames_free() + info->frames_cache;
    info->kmem_live = kmem_live();
    info->commit_limit = commit_limit();
    info->commit_used = commit_used();
    info->spaces_live = vmspaces_live();
    info->faults = faults_count();
}

static void describe_storage(struct sysinfo *info)
{
    struct disk *disk = disk_find(NULL);
    struct fs_figures fs;

    fs_figures(&fs);
    info->disk_blocks = fs.blocks;
    info->disk_free = fs.blocks_free;
    info->inodes_total = fs.inodes;
    info->inodes_free = fs.inodes_free;
    info->files_live = files_live();
    info->inodes_live = inodes_live();
    info->pipes_live = pipes_live();
    if (disk) {
        info->disk_reads = disk->reads;
        info->disk_writes = disk->writes;
        info->disk_flushes = disk->flushes;
    }
}

int sys_sysinfo(struct call *c)
{
    struct sysinfo info = { .cpus = cpu_count() };

    describe_memory(&info);
    describe_storage(&info);
    info.procs_live = procs_live();
    info.threads_live = sched_threads_live();
    info.switches = sched_switches();
    info.syscalls = calls_count();
    return copy_to_user(call_pointer(c, 0), &info, sizeof(info));
}

static const enum fault_kind fault_kinds[] = {
    [FAIL_FRAME] = FAULT_FRAME, [FAIL_KMALLOC] = FAULT_KMALLOC, [FAIL_READ] = FAULT_READ,
    [FAIL_WRITE] = FAULT_WRITE, [FAIL_FLUSH] = FAULT_FLUSH,
};

// The result is about the arming before this one.
int sys_fail(struct call *c)
{
    int kind = call_int(c, 0), n = call_int(c, 1);

    if (kind < FAIL_FRAME || kind > FAIL_FLUSH)
        return -EINVAL;
    c->result = (intptr_t)fault_count(fault_kinds[kind]);
    fault_arm(fault_kinds[kind], n < 0 ? -(u32)n : (u32)n, n < 0);
    return 0;
}

int sys_poweroff(struct call *c)
{
    if (fs_sync())
        printk("poweroff: the last changes could not be written to the disk\n");
    machine_off(call_int(c, 0));
}
