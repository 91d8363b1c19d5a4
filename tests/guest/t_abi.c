// The border between a program and the kernel: what goes in, what comes back, and what a program may not do.
#include "check.h"
#include "raw.h"
#include <amber.h>
#include <fcntl.h>
#include <sys/stat.h>

#define KERNEL_START 0x80000000u

static void error_is_minus_one_with_reason_in_edx(void)
{
    struct raw_result r = raw_call(SYS_close, 99, 0, 0);

    CHECK(r.eax == 0xffffffff, "eax is %#x", r.eax);
    CHECK(r.edx == EBADF, "edx is %u", r.edx);
}

static void success_leaves_edx_alone(void)
{
    struct raw_result r = raw_call(SYS_getpid, 0, 0, 0);

    CHECK((int)r.eax == getpid(), "eax is %u", r.eax);
    CHECK(r.edx == EDX_BEFORE, "edx is %#x", r.edx);
}

static void unknown_call_is_an_error(void)
{
    uint32_t numbers[] = { 0, SYS_COUNT, 1000, 0x7fffffff, 0x80000000, 0xffffffff };

    for (unsigned i = 0; i < 6; i++) {
        struct raw_result r = raw_call(numbers[i], 0, 0, 0);
        CHECK(r.eax == 0xffffffff && r.edx == ENOSYS, "call %#x gave %#x", numbers[i], r.eax);
    }
}

static void exit_ignores_its_stack(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        raw_call(SYS_exit, 77, 78, 79);
        _exit(1);
    }
    CHECK(wait_for(pid) == 0, "xv6's exit has no status");
}

static void wait_ignores_its_stack(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(3);
    struct raw_result r = raw_call(SYS_wait, 0xdeadbeef, 0xdeadbeef, 0);
    CHECK((int)r.eax == pid, "got %d, not %d", (int)r.eax, pid);
}

static void numbers_are_xv6s(void)
{
    struct stat st;
    int fd = open("/", O_RDONLY);

    CHECK((int)raw_call(SYS_getpid, 0, 0, 0).eax == getpid(), "11 is getpid");
    CHECK((int)raw_call(SYS_fstat, (uintptr_t)fd, (uintptr_t)&st, 0).eax == 0 && st.type == 1,
          "8 is fstat, 1 a directory");
    CHECK((int)raw_call(SYS_dup, (uintptr_t)fd, 0, 0).eax == fd + 1, "10 is dup");
    CHECK((int)raw_call(SYS_close, (uintptr_t)fd + 1, 0, 0).eax == 0, "21 is close");
    CHECK(raw_call(SYS_sbrk, 0, 0, 0).eax == (uint32_t)sbrk(0), "12 is sbrk");
}

static void stat_has_xv6s_layout(void)
{
    uint8_t bytes[20];
    uint32_t size, ino;
    int16_t type, nlink;
    int fd = open("layout", O_CREATE | O_RDWR);

    CHECK(fd >= 0 && write(fd, "12345", 5) == 5, "a file of 5 bytes");
    CHECK((int)raw_call(SYS_fstat, (uintptr_t)fd, (uintptr_t)bytes, 0).eax == 0, "fstat");
    memcpy(&type, bytes, 2);
    memcpy(&ino, bytes + 8, 4);
    memcpy(&nlink, bytes + 12, 2);
    memcpy(&size, bytes + 16, 4);
    CHECK(type == 2 && nlink == 1 && size == 5 && ino != 0, "type %d ino %u nlink %d size %u", type, ino, nlink, size);
    CHECK(unlink("layout") == 0, "unlink");
}

// The holes between its fields are not from the kernel's stack.
static void stat_has_nothing_in_its_holes(void)
{
    uint8_t bytes[20];
    int fd = open("/", O_RDONLY);

    memset(bytes, 0xaa, sizeof(bytes));
    CHECK(open("/a/path/that/leads/through/much/of/the/kernel", O_RDONLY) < 0, "open");
    CHECK((int)raw_call(SYS_fstat, (uintptr_t)fd, (uintptr_t)bytes, 0).eax == 0, "fstat");
    CHECK(!bytes[2] && !bytes[3] && !bytes[14] && !bytes[15], "%02x%02x %02x%02x", bytes[2], bytes[3], bytes[14],
          bytes[15]);
}

static void directory_reads_as_16_byte_entries(void)
{
    struct {
        uint16_t inum;
        char name[14];
    } entry[2];
    int fd;

    CHECK(mkdir("entries") == 0, "mkdir");
    fd = open("entries", O_RDONLY);
    CHECK(read(fd, entry, sizeof(entry)) == sizeof(entry), "two entries");
    CHECK(entry[0].inum && strcmp(entry[0].name, ".") == 0, "the first is .");
    CHECK(entry[1].inum && strcmp(entry[1].name, "..") == 0, "the second is ..");
    close(fd);
    CHECK(unlink("entries") == 0, "unlink");
}

static void call_with_any_stack_pointer_is_harmless(void)
{
    // 0 to 1100 KiB, and the borders of the process and of the kernel. A call that finds no arguments fails; it harms
    // nobody.
    for (uintptr_t sp = 0; sp <= 1100 * 1024; sp += 4096) {
        CHECK(raw_call_at(SYS_close, sp).eax == 0xffffffff || sp, "close at %#lx", (unsigned long)sp);
        raw_call_at(SYS_close, sp - 2);
    }
    uintptr_t borders[] = { KERNEL_START - 4, KERNEL_START - 8, KERNEL_START - 1, KERNEL_START,
                            0x80100000u,      0xfee00000u,      0xfffffffcu,      0xffffffffu };
    for (unsigned i = 0; i < 8; i++) {
        struct raw_result r = raw_call_at(SYS_read, borders[i]);
        CHECK(r.eax == 0xffffffff && (r.edx == EFAULT || r.edx == EBADF), "sp %#lx gave %#x", (unsigned long)borders[i],
              r.eax);
    }
}

static void bad_path_pointers_are_errors(void)
{
    for (uintptr_t p = 0; p <= 1100 * 1024; p += 4096)
        CHECK((int)raw_call(SYS_link, (uintptr_t) "nosuchfile", p, 0).eax == -1, "link to %#lx", (unsigned long)p);
    uintptr_t bad[] = { KERNEL_START, KERNEL_START - 1, 0x80100000u, 0xffffffffu, 0xfffffff0u };
    for (unsigned i = 0; i < 5; i++) {
        CHECK((int)raw_call(SYS_open, bad[i], 0, 0).eax == -1, "open %#lx", (unsigned long)bad[i]);
        CHECK((int)raw_call(SYS_unlink, bad[i], 0, 0).eax == -1, "unlink %#lx", (unsigned long)bad[i]);
        CHECK((int)raw_call(SYS_chdir, bad[i], 0, 0).eax == -1, "chdir %#lx", (unsigned long)bad[i]);
        CHECK((int)raw_call(SYS_exec, bad[i], bad[i], 0).eax == -1, "exec %#lx", (unsigned long)bad[i]);
        CHECK((int)raw_call(SYS_pipe, bad[i], 0, 0).eax == -1, "pipe %#lx", (unsigned long)bad[i]);
    }
}

static void bad_buffers_are_errors(void)
{
    int fd = open("/sh", O_RDONLY);
    char *end = sbrk(0);

    CHECK(fd >= 0, "/sh");
    CHECK((int)raw_call(SYS_read, (uintptr_t)fd, KERNEL_START, 16).eax == -1, "read into the kernel");
    CHECK((int)raw_call(SYS_read, (uintptr_t)fd, 0xfffffff0u, 64).eax == -1, "read that wraps around");
    CHECK((int)raw_call(SYS_write, 1, KERNEL_START, 16).eax == -1, "write out of the kernel");
    CHECK((int)raw_call(SYS_fstat, (uintptr_t)fd, KERNEL_START - 4, 0).eax == -1, "fstat over the border");
    raw_call(SYS_read, (uintptr_t)fd, (uintptr_t)end - 1, 0xffffffffu);
    CHECK((int)raw_call(SYS_read, (uintptr_t)fd, (uintptr_t)end - 1, 0x80000000u).eax == -1, "a negative count");
    close(fd);
}

static volatile uint32_t seen;

static uintptr_t probe;

static void read_probe(void)
{
    seen = *(volatile uint8_t *)probe;
}

static void write_probe(void)
{
    *(volatile uint8_t *)probe = 1;
}

static void reading_the_kernel_kills(void)
{
    for (probe = KERNEL_START; probe < KERNEL_START + 2000000; probe += 50000)
        CHECK(WTERMSIG(in_child(read_probe)) == SIGSEGV, "%#lx can be read", (unsigned long)probe);
    probe = 0xfee00000u;
    CHECK(WTERMSIG(in_child(read_probe)) == SIGSEGV, "device registers can be read");
}

static void null_kills(void)
{
    probe = 0;
    CHECK(WTERMSIG(in_child(read_probe)) == SIGSEGV, "NULL can be read");
    CHECK(WTERMSIG(in_child(write_probe)) == SIGSEGV, "NULL can be written");
}

static void text_is_not_writable(void)
{
    probe = (uintptr_t)read_probe;
    CHECK(WTERMSIG(in_child(write_probe)) == SIGSEGV, "the program's text can be written");
}

static void port_output(void)
{
    __asm__ volatile("outb %%al, %%dx" : : "a"(0x0e), "d"(0x3d4));
}

static void port_input(void)
{
    uint8_t v;
    __asm__ volatile("inb %%dx, %%al" : "=a"(v) : "d"(0x3d5));
    seen = v;
}

static void port_io_kills(void)
{
    CHECK(WIFSIGNALED(in_child(port_output)), "a program can write to ports");
    CHECK(WIFSIGNALED(in_child(port_input)), "a program can read ports");
}

static void disable_interrupts(void)
{
    __asm__ volatile("cli");
}

static void halt(void)
{
    __asm__ volatile("hlt");
}

static void load_cr3(void)
{
    __asm__ volatile("movl %0, %%cr3" : : "r"(0));
}

static void undefined_instruction(void)
{
    __asm__ volatile("ud2");
}

static void kernel_segment(void)
{
    __asm__ volatile("movw %w0, %%ds" : : "r"(0x10));
}

static void foreign_gate(void)
{
    __asm__ volatile("int $0x20");
}

static void divide_by_zero(void)
{
    __asm__ volatile("divl %0" : : "r"(0), "a"(1), "d"(0));
}

static void privileged_instructions_kill(void)
{
    CHECK(WIFSIGNALED(in_child(disable_interrupts)), "cli");
    CHECK(WIFSIGNALED(in_child(halt)), "hlt");
    CHECK(WIFSIGNALED(in_child(load_cr3)), "mov cr3");
    CHECK(WIFSIGNALED(in_child(kernel_segment)), "kernel segment");
    CHECK(WIFSIGNALED(in_child(foreign_gate)), "int 0x20");
}

static void faults_have_their_reasons(void)
{
    CHECK(WTERMSIG(in_child(undefined_instruction)) == SIGILL, "ud2");
    CHECK(WTERMSIG(in_child(divide_by_zero)) == SIGFPE, "division by zero");
}

static void io_privilege_cannot_be_raised(void)
{
    uint32_t flags;

    __asm__ volatile("pushfl; orl $0x3000, (%%esp); popfl; pushfl; popl %0" : "=r"(flags));
    CHECK((flags & 0x3000) == 0, "IOPL is %u", flags >> 12 & 3);
    CHECK(flags & 0x200, "interrupts are on");
}

#define FLAG_TRACE     0x100u
#define FLAG_DOWNWARDS 0x400u
#define FLAG_NESTED    0x4000u
#define FLAG_ALIGNED   0x40000u

static uint32_t pid_with_flags(uint32_t flags)
{
    uint32_t pid;

    __asm__ volatile("pushfl; movl (%%esp), %%ecx; orl %1, (%%esp); popfl; int $0x40; pushl %%ecx; popfl"
                     : "=a"(pid)
                     : "r"(flags), "a"(SYS_getpid)
                     : "ecx", "edx", "memory");
    return pid;
}

static void write_downwards(void)
{
    char path[] = "/downwards";

    __asm__ volatile("std");
    raw_call(SYS_open, (uintptr_t)path, O_CREATE, 0);
    __asm__ volatile("cld");
}

static void traced(void)
{
    pid_with_flags(FLAG_TRACE);
}

// A program's processor flags are its own: the kernel neither copies downwards, nor traps, nor returns to a nested
// task.
static void flags_do_not_reach_the_kernel(void)
{
    CHECK(pid_with_flags(FLAG_NESTED) == (uint32_t)getpid(), "nested task");
    CHECK(pid_with_flags(FLAG_ALIGNED) == (uint32_t)getpid(), "alignment check");
    CHECK(pid_with_flags(FLAG_DOWNWARDS) == (uint32_t)getpid(), "direction");
    CHECK(in_child(write_downwards) == 0 && unlink("/downwards") == 0, "a path copied while the direction is down");
    CHECK(WIFSIGNALED(in_child(traced)), "single step");
}

static void load_code_into_stack_segment(void)
{
    __asm__ volatile("movl $0x1b, %%eax; movl %%eax, %%ss" ::: "eax");
}

static void odd_segments(void)
{
    __asm__ volatile(
        "movl $0x1b, %%eax; movl %%eax, %%es; movl %%eax, %%fs; xorl %%eax, %%eax; movl %%eax, %%gs; movl %%eax, %%fs;"
        "movl $11, %%eax; movl %%eax, %%ds; int $0x40" ::
            : "eax");
}

static void null_segments(void)
{
    __asm__ volatile("xorl %%eax, %%eax; movl %%eax, %%es; movl %%eax, %%fs; movl %%eax, %%gs; movl %%eax, %%ds;"
                     "movl $11, %%eax; int $0x40" ::
                         : "eax", "edx");
}

// Whatever segments a program has loaded, the kernel works with its own.
static void segments_do_not_reach_the_kernel(void)
{
    CHECK(WIFSIGNALED(in_child(load_code_into_stack_segment)), "code as a stack");
    CHECK(WIFSIGNALED(in_child(odd_segments)), "a local segment, of which there are none");
    CHECK(in_child(null_segments) == 0, "no segments at all");
}

static void deep_recursion(void)
{
    volatile char page[4096];

    page[0] = 1;
    page[4095] = page[0];
    if (page[4095])
        deep_recursion();
    seen = (uint32_t)page[1];
}

static void stack_overflow_is_caught(void)
{
    CHECK(WTERMSIG(in_child(deep_recursion)) == SIGSEGV, "a stack without an end");
}

static const struct test tests[] = {
    TEST(error_is_minus_one_with_reason_in_edx),
    TEST(success_leaves_edx_alone),
    TEST(unknown_call_is_an_error),
    TEST(exit_ignores_its_stack),
    TEST(wait_ignores_its_stack),
    TEST(numbers_are_xv6s),
    TEST(stat_has_xv6s_layout),
    TEST(stat_has_nothing_in_its_holes),
    TEST(directory_reads_as_16_byte_entries),
    TEST(call_with_any_stack_pointer_is_harmless),
    TEST(bad_path_pointers_are_errors),
    TEST(bad_buffers_are_errors),
    TEST(reading_the_kernel_kills),
    TEST(null_kills),
    TEST(text_is_not_writable),
    TEST(port_io_kills),
    TEST(privileged_instructions_kill),
    TEST(faults_have_their_reasons),
    TEST(io_privilege_cannot_be_raised),
    TEST(flags_do_not_reach_the_kernel),
    TEST(segments_do_not_reach_the_kernel),
    TEST(stack_overflow_is_caught),
};
RUN_TESTS(tests)
