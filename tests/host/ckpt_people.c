// Memory and processes for kernel/ckpt, on the host.
#include "ckpt_people.h"
#include <arch/context.h>
#include <base/byteorder.h>
#include <base/crc32c.h>
#include <base/string.h>
#include <ckptfmt/ckptfmt.h>
#include <mm/kmalloc.h>
#include <proc/freezer.h>
#include <stdlib.h>
#include <uapi/errno.h>
#include <uapi/fcntl.h>

#define DATA_FIRST  1u
#define HEAP_FIRST  500u      // across the end of a lowest node
#define HIGH_FIRST  0x3fff8u  // across the end of one above
#define STACK_FIRST ((u32)(USER_END / PAGE_SIZE) - STACK_SLOTS)
#define HOUSEHOLDS  4
#define PIPE_FD     8

// ---- seeds

static u32 seed_last;
static u32 crcs[SEEDS];
static bool has_crc[SEEDS];

void seed_fill(u32 seed, u8 *page)
{
    u64 state = seed * 0x9e3779b97f4a7c15ull;

    if (!seed) {
        memset(page, 0, PAGE_SIZE);
        return;
    }
    for (u32 at = 0; at < PAGE_SIZE; at += 8) {
        state = (state ^ state >> 29) * 0xbf58476d1ce4e5b9ull + at;
        put_le64(page + at, state);
    }
}

u32 seed_crc(u32 seed)
{
    u8 page[PAGE_SIZE];

    if (!has_crc[seed]) {
        seed_fill(seed, page);
        crcs[seed] = ckpt_page_checksum(CKPT_FEATURES, page);
        has_crc[seed] = true;
    }
    return crcs[seed];
}

u32 seed_new(void)
{
    seed_last = seed_last % (SEEDS - 1) + 1;
    return seed_last;
}

// ---- memory

struct page_set {
    bool has[SLOTS];
};

struct mark {
    struct mark_label label;
    u64 age;
    bool used;
    struct page_set changed;
};

struct snapshot_mark {
    struct space *space;  // NULL: it has ended
    struct page_set since;
};

struct slot {
    struct frame *frame;
    u32 seed;
    bool supplied;
};

struct space {
    struct vmspace v;
    u32 heap;
    struct slot slots[SLOTS];
    struct mark marks[MARKS_KNOWING];
    u64 marks_made;
    struct snapshot_mark *pending;
};

static struct space *space_of(struct vmspace *v)
{
    return container_of(v, struct space, v);
}

u32 slot_page(u32 slot)
{
    if (slot < DATA_SLOTS)
        return DATA_FIRST + slot;
    slot -= DATA_SLOTS;
    if (slot < HEAP_SLOTS)
        return HEAP_FIRST + slot;
    slot -= HEAP_SLOTS;
    return slot < HIGH_SLOTS ? HIGH_FIRST + slot : STACK_FIRST + slot - HIGH_SLOTS;
}

// The first slot whose page is at or after that one; SLOTS: there is none.
static u32 slot_from(u64 page)
{
    u32 slot = 0;

    while (slot < SLOTS && slot_page(slot) < page)
        slot++;
    return slot;
}

static bool has_slot(const struct space *s, u32 slot)
{
    return slot < DATA_SLOTS || slot >= DATA_SLOTS + HEAP_SLOTS || slot - DATA_SLOTS < s->heap;
}

static struct space *space_create(void)
{
    struct space *s = calloc(1, sizeof(*s));

    s->heap = HEAP_SLOTS / 2;
    return s;
}

static void note_change(struct space *s, u32 slot)
{
    for (u32 i = 0; i < MARKS_KNOWING; i++)
        s->marks[i].changed.has[slot] = true;
    if (s->pending)
        s->pending->since.has[slot] = true;
}

static void slot_clear(struct space *s, u32 slot)
{
    if (s->slots[slot].frame)
        frame_put(s->slots[slot].frame);
    s->slots[slot] = (struct slot){};
}

void vmspace_destroy(struct vmspace *v)
{
    if (!v)
        return;
    struct space *s = space_of(v);
    if (s->pending)
        s->pending->space = NULL;
    for (u32 i = 0; i < SLOTS; i++)
        slot_clear(s, i);
    free(s);
}

static struct space *clone(const struct space *from)
{
    struct space *s = space_create();

    s->heap = from->heap;
    memcpy(s->slots, from->slots, sizeof(s->slots));
    for (u32 i = 0; i < SLOTS; i++)
        if (s->slots[i].frame)
            (void)frame_get(s->slots[i].frame);
    return s;
}

static struct frame *seed_frame(u32 seed)
{
    struct frame *f = frame_alloc();

    if (f)
        seed_fill(seed, frame_data(f));
    return f;
}

int vmspace_pin(struct vmspace *v, uaddr_t va, enum fault_access access, struct frame **out)
{
    struct slot *slot = &space_of(v)->slots[slot_from(va / PAGE_SIZE)];

    CHECK(access == FAULT_READS && slot->supplied && !slot->frame);
    slot->frame = seed_frame(slot->seed);
    if (!slot->frame)
        return -ENOMEM;
    slot->supplied = false;
    *out = frame_get(slot->frame);
    return 0;
}

int vmspace_next_pages(struct vmspace *v, uaddr_t *va, struct space_page *out, u32 most, u32 *count)
{
    struct space *s = space_of(v);

    *count = 0;
    for (u32 i = slot_from(DIV_ROUND_UP(*va, PAGE_SIZE)); *count < most && i < SLOTS; i++) {
        if (!s->slots[i].frame && !s->slots[i].supplied)
            continue;
        uaddr_t at = (uaddr_t)slot_page(i) * PAGE_SIZE;
        out[(*count)++] = (struct space_page){ at, s->slots[i].frame };
        *va = at + PAGE_SIZE;
    }
    return *count ? 0 : -ENOENT;
}

struct frame *vmspace_present(struct vmspace *v, uaddr_t va)
{
    return space_of(v)->slots[slot_from(va / PAGE_SIZE)].frame;
}

u32 vmspace_next_of_set(struct vmspace *v, const struct page_set *set, uaddr_t *va, struct space_page *out, u32 most)
{
    uaddr_t page = *va / PAGE_SIZE;
    u32 n = 0;

    for (; n < most && page_set_next(set, &page); n++, page++)
        out[n] = (struct space_page){ page * PAGE_SIZE, vmspace_present(v, page * PAGE_SIZE) };
    *va = page * PAGE_SIZE;
    return n;
}

bool vmspace_supplied(struct vmspace *v, uaddr_t va)
{
    return space_of(v)->slots[slot_from(va / PAGE_SIZE)].supplied;
}

bool page_set_next(const struct page_set *set, uaddr_t *page)
{
    for (u32 i = slot_from(*page); i < SLOTS; i++)
        if (set->has[i]) {
            *page = slot_page(i);
            return true;
        }
    return false;
}

u32 page_set_count(const struct page_set *set)
{
    u32 n = 0;

    for (u32 i = 0; i < SLOTS; i++)
        n += set->has[i];
    return n;
}

static bool same_file(const struct mark_label *a, const struct mark_label *b)
{
    return a->word[0] == b->word[0] && a->word[1] == b->word[1];
}

bool vmspace_find_mark(struct vmspace *v, u64 word0, u64 word1, struct mark_label *out)
{
    struct mark_label wanted = { { word0, word1 } };
    struct space *s = space_of(v);
    u64 age = 0;

    for (u32 i = 0; i < MARKS_KNOWING; i++)
        if (s->marks[i].used && s->marks[i].age > age && same_file(&s->marks[i].label, &wanted)) {
            age = s->marks[i].age;
            *out = s->marks[i].label;
        }
    return age;
}

int vmspace_snapshot(struct vmspace *from, const struct mark_label *base, struct vmspace **out,
                     const struct page_set **changed, struct snapshot_mark **mark)
{
    struct space *s = space_of(from);
    struct snapshot_mark *m = kzalloc(sizeof(*m));

    if (!m)
        return -ENOMEM;
    CHECK(!s->pending);
    *changed = NULL;
    for (u32 i = 0; base && i < MARKS_KNOWING; i++)
        if (s->marks[i].used && memcmp(&s->marks[i].label, base, sizeof(*base)) == 0) {
            // A copy: what changes from now on isn't in it.
            struct space *copy = clone(s);
            copy->marks[0].changed = s->marks[i].changed;
            *changed = &copy->marks[0].changed;
            *out = &copy->v;
        }
    if (!*changed)
        *out = &clone(s)->v;
    m->space = s;
    s->pending = m;
    *mark = m;
    return 0;
}

static struct mark *mark_place(struct space *s, const struct mark_label *label)
{
    struct mark *place = &s->marks[0];

    for (u32 i = 0; i < MARKS_KNOWING; i++)
        if (s->marks[i].used && same_file(&s->marks[i].label, label))
            s->marks[i] = (struct mark){};
    for (u32 i = 0; i < MARKS_KNOWING; i++)
        if (s->marks[i].age < place->age)
            place = &s->marks[i];
    return place;
}

static void mark_make(struct space *s, const struct mark_label *label, const struct page_set *changed)
{
    *mark_place(s, label) = (struct mark){ *label, ++s->marks_made, true, *changed };
}

bool snapshot_mark_settle(struct snapshot_mark *m)
{
    return true;
}

void snapshot_mark_keep(struct snapshot_mark *m, const struct mark_label *label)
{
    if (m->space) {
        m->space->pending = NULL;
        mark_make(m->space, label, &m->since);
    }
    kfree(m);
}

void snapshot_mark_drop(struct snapshot_mark *m)
{
    if (m->space)
        m->space->pending = NULL;
    kfree(m);
}

u32 vmspace_export(struct vmspace *v, struct x_region *out, u32 n)
{
    struct space *s = space_of(v);
    const struct {
        u32 first, pages, kind;
    } regions[] = { { DATA_FIRST, DATA_SLOTS, REGION_DATA },
                    { HEAP_FIRST, s->heap, REGION_HEAP },
                    { HIGH_FIRST, HIGH_SLOTS, REGION_DATA },
                    { STACK_FIRST, STACK_SLOTS, REGION_STACK } };
    u32 count = 0;

    for (u32 i = 0; i < ARRAY_SIZE(regions); i++) {
        if (!regions[i].pages)
            continue;
        CHECK(count < n);
        out[count++] = (struct x_region){ .start = (u64)regions[i].first * PAGE_SIZE,
                                          .end = (u64)(regions[i].first + regions[i].pages) * PAGE_SIZE,
                                          .prot = PROT_READ | PROT_WRITE,
                                          .kind = regions[i].kind };
    }
    return count;
}

void vmspace_heap_export(struct vmspace *v, u64 *start, u64 *end, u64 *limit)
{
    *start = (u64)HEAP_FIRST * PAGE_SIZE;
    *end = *start + (u64)space_of(v)->heap * PAGE_SIZE;
    *limit = *start + (u64)HEAP_SLOTS * PAGE_SIZE;
}

void vmspace_figures(struct vmspace *v, u32 *regions, u64 *size, u64 *resident)
{
    *regions = 4;
    *size = (u64)SLOTS * PAGE_SIZE;
    *resident = 0;
    for (u32 i = 0; i < SLOTS; i++)
        *resident += space_of(v)->slots[i].frame ? PAGE_SIZE : 0;
}

// ---- what a process does with its memory

static void set_slot(struct space *s, u32 slot, u32 seed)
{
    struct frame *f = seed_frame(seed);

    if (!f)
        return;
    slot_clear(s, slot);
    s->slots[slot] = (struct slot){ .frame = f, .seed = seed };
    note_change(s, slot);
}

static void touch_slot(struct space *s, u32 slot)
{
    struct frame *f = s->slots[slot].supplied ? seed_frame(s->slots[slot].seed) : NULL;

    if (f)
        s->slots[slot] = (struct slot){ .frame = f, .seed = s->slots[slot].seed };
}

static void drop_slot(struct space *s, u32 slot)
{
    slot_clear(s, slot);
    note_change(s, slot);
}

static void move_break(struct space *s)
{
    u32 heap = host_random(4) ? s->heap + host_random(4) : host_random(HEAP_SLOTS);

    heap = MIN(heap, (u32)HEAP_SLOTS);
    for (u32 i = heap; i < s->heap; i++)
        drop_slot(s, DATA_SLOTS + i);
    s->heap = heap;
}

static void change(struct space *s)
{
    u32 slot = host_random(SLOTS);

    if (!has_slot(s, slot))
        return;
    switch (host_random(10)) {
    case 0:
        set_slot(s, slot, 0);
        break;
    case 1:
    case 2:
        drop_slot(s, slot);
        break;
    case 3:
        touch_slot(s, slot);
        break;
    case 4:
        note_change(s, slot);  // as if it was written, with what it held
        break;
    case 5:
        if (host_random(4) == 0)
            move_break(s);
        break;
    default:
        set_slot(s, slot, seed_new());
        break;
    }
}

// ---- processes

struct proc {
    struct x_proc state;
    struct vmspace *space;
    struct inode *cwd;
    u32 parent;  // its place
    struct household *household;
};

static struct household *households[HOUSEHOLDS];

static struct proc *person_create(struct household *h, u32 parent, struct space *space)
{
    struct proc *p = calloc(1, sizeof(*p));

    p->state.pid = h->pid + (int)h->count;
    p->state.ppid = h->count ? h->members[parent]->state.pid : 1;
    p->state.pgid = h->pid;
    p->state.uptime = host_random(1000000);
    p->state.regs.eip = host_random(UINT32_MAX);
    p->state.fpu[7] = (u8)host_random(256);
    text_copy(p->state.name, "person", sizeof(p->state.name));
    p->space = &space->v;
    p->cwd = fs_root();
    p->parent = parent;
    p->household = h;
    h->members[h->count++] = p;
    return p;
}

static void person_destroy(struct proc *p)
{
    vmspace_destroy(p->space);
    inode_put(p->cwd);
    free(p);
}

static void open_data(struct household *h, u32 i)
{
    char path[16];
    struct piece piece = { h->data[i].bytes, 1 + host_random(DATA_PAGES * 4096 / 2) };
    size_t done;

    snprintf(path, sizeof(path), "/data%d.%u", h->pid, i);
    CHECK_OK(path_open(NULL, path, O_RDWR | O_CREATE, &h->data[i].file));
    CHECK_OK(file_truncate(h->data[i].file, 0));
    for (u32 at = 0; at < piece.size; at += 4096)
        seed_fill(seed_new(), h->data[i].bytes + at);
    memset(h->data[i].bytes + piece.size, 0, sizeof(h->data[i].bytes) - piece.size);
    CHECK_OK(inode_write(file_inode(h->data[i].file), 0, &piece, 1, &done));
    h->data[i].size = piece.size;
    if (i == 0)
        CHECK_OK(path_unlink(NULL, path));
}

static void open_pipe(struct household *h)
{
    u8 bytes[1000];
    struct piece piece = { bytes, 1 + host_random(sizeof(bytes)) };
    size_t done;

    memset(bytes, h->pid, sizeof(bytes));
    CHECK_OK(pipe_create(&h->pipe[0], &h->pipe[1]));
    CHECK_OK(file_write(h->pipe[1], &piece, 1, &done));
    h->pipe_crc = crc32c(0, bytes, piece.size);
}

void household_create(struct household *h, int pid)
{
    memset(h, 0, sizeof(*h));
    h->pid = pid;
    for (u32 i = 0; i < HOUSEHOLDS; i++)
        if (!households[i]) {
            households[i] = h;
            break;
        }
    person_create(h, 0, space_create());
    for (u32 i = 0; i < DATA_MAX; i++)
        if (host_random(2))
            open_data(h, i);
    open_pipe(h);
}

static void members_destroy(struct household *h)
{
    while (h->count)
        person_destroy(h->members[--h->count]);
}

void household_destroy(struct household *h)
{
    members_destroy(h);
    for (u32 i = 0; i < DATA_MAX; i++)
        if (h->data[i].file)
            file_put(h->data[i].file);
    file_put(h->pipe[0]);
    file_put(h->pipe[1]);
    for (u32 i = 0; i < HOUSEHOLDS; i++)
        if (households[i] == h)
            households[i] = NULL;
}

static struct space *random_space(struct household *h)
{
    struct proc *p = h->members[host_random(h->count)];

    return p->space ? space_of(p->space) : NULL;
}

void household_change(struct household *h, u32 n)
{
    while (n-- > 0) {
        struct space *s = random_space(h);
        if (s)
            change(s);
    }
}

int household_write(struct household *h)
{
    struct data *d = &h->data[host_random(DATA_MAX)];
    struct inode *i = d->file ? file_inode(d->file) : NULL;
    u64 at = host_random(DATA_PAGES) * 4096ull;
    size_t done;

    if (!i)
        return 0;
    if (host_random(3) == 0) {
        u64 size = host_random(DATA_PAGES * 4096);
        memset(d->bytes + MIN(size, d->size), 0, sizeof(d->bytes) - MIN(size, d->size));
        d->size = size;
        return inode_truncate(i, size);
    }
    seed_fill(host_random(5) ? seed_new() : 0, d->bytes + at);
    d->size = MAX(d->size, at + 4096);
    return inode_write(i, at, &(struct piece){ d->bytes + at, 4096 }, 1, &done);
}

void household_fork(struct household *h)
{
    u32 parent = host_random(h->count);

    if (h->count == SPACES_MAX || !h->members[parent]->space)
        return;
    person_create(h, parent, clone(space_of(h->members[parent]->space)));
}

// Its youngest member ends. Sometimes it stays a zombie for a while.
void household_exit(struct household *h)
{
    struct proc *p = h->members[h->count - 1];

    if (h->count == 1)
        return;
    if (!p->space || host_random(2)) {
        h->count--;
        person_destroy(p);
        return;
    }
    vmspace_destroy(p->space);
    p->space = NULL;
    p->state.ended = true;
    p->state.status = 256;
}

static struct space *space_revive(const struct memory *m, const struct mark_label *label, u32 ordinal)
{
    struct space *s = space_create();
    struct mark_label own = *label;
    const struct page_set nothing = {};

    s->heap = m->heap;
    for (u32 i = 0; i < SLOTS; i++)
        s->slots[i] = (struct slot){ .seed = m->seed[i], .supplied = m->seed[i] };
    own.word[4] = ordinal;
    mark_make(s, &own, &nothing);
    return s;
}

void household_revive(struct household *h, const struct memory *spaces, u32 count, const struct mark_label *label)
{
    members_destroy(h);
    for (u32 i = 0; i < count; i++)
        person_create(h, 0, space_revive(&spaces[i], label, i + 1));
}

void household_touch(struct household *h)
{
    for (u32 i = 0; i < h->count; i++)
        for (u32 k = 0; k < SLOTS; k++)
            if (h->members[i]->space)
                touch_slot(space_of(h->members[i]->space), k);
}

void household_forget(struct household *h, bool root_too)
{
    for (u32 i = root_too ? 0 : 1; i < h->count; i++)
        if (h->members[i]->space)
            memset(space_of(h->members[i]->space)->marks, 0, sizeof(space_of(h->members[i]->space)->marks));
}

u32 household_memory(const struct household *h, u32 count, struct memory *out)
{
    u32 spaces = 0;

    for (u32 i = 0; i < count; i++) {
        const struct space *s = h->members[i]->space ? space_of(h->members[i]->space) : NULL;
        if (!s)
            continue;
        out[spaces].heap = s->heap;
        for (u32 k = 0; k < SLOTS; k++)
            out[spaces].seed[k] = s->slots[k].seed;
        spaces++;
    }
    return spaces;
}

bool household_find_mark(const struct household *h, u64 ino, u64 generation, struct mark_label *out)
{
    return vmspace_find_mark(h->members[0]->space, ino, generation, out);
}

// ---- what collect asks of processes

int family_freeze(int pid, bool descendants, u64 deadline, struct family **out)
{
    struct household *h = NULL;
    struct family *f = kzalloc(sizeof(*f));

    if (!f)
        return -ENOMEM;
    for (u32 i = 0; i < HOUSEHOLDS; i++)
        if (households[i] && households[i]->pid == pid)
            h = households[i];
    CHECK(h);
    f->count = descendants ? h->count : 1;
    f->members = h->members;
    h->on_freeze(h, f->count);
    *out = f;
    return 0;
}

void family_thaw(struct family *f, bool stopped)
{
    struct household *h = f->members[0]->household;

    kfree(f);
    household_change(h, h->changes);
}

void family_kill(struct family *f)
{
}

int family_parent(const struct family *f, u32 member)
{
    return member ? (int)f->members[member]->parent : -1;
}

void proc_export(struct proc *p, struct x_proc *out)
{
    *out = p->state;
}

struct vmspace *proc_space(struct proc *p)
{
    return p->space;
}

struct inode *proc_cwd(struct proc *p)
{
    return p->cwd;
}

const char *proc_cwd_text(struct proc *p)
{
    return "/";
}

static struct file *file_at(const struct proc *p, int fd)
{
    const struct household *h = p->household;

    if (fd < DATA_MAX)
        return h->data[fd].file;
    return fd >= PIPE_FD && fd < PIPE_FD + 2 && p == h->members[0] ? h->pipe[fd - PIPE_FD] : NULL;
}

void proc_files(struct proc *p, struct file **files)
{
    for (int fd = 0; fd < OPEN_MAX; fd++) {
        files[fd] = file_at(p, fd);
        if (files[fd])
            file_get(files[fd]);
    }
}

/* Who saves: a family may save itself. */
struct proc *proc_self(void)
{
    for (u32 i = 0; i < HOUSEHOLDS; i++)
        if (households[i])
            return households[i]->members[0];
    host_fail("there are no processes");
}

bool proc_killed(const struct proc *p)
{
    return false;
}

void uregs_set_result(struct uregs *regs, intptr_t result)
{
    regs->eax = (u32)result;
}

void thread_breathe(void)
{
    thread_yield();
}
