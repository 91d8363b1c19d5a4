// Writing: records into the caller's buffer.

#include "layout.h"

// Complete the record whose payload of `length` bytes stands at at + CKPT_RECORD_HEADER.
static size_t seal(u8 *at, u32 type, u64 object, size_t length)
{
    size_t size = ROUND_UP(CKPT_RECORD_HEADER + length, 8);

    put_le32(at + RECORD_TYPE, type);
    put_le16(at + RECORD_VERSION, 1);
    put_le16(at + RECORD_FLAGS, 0);
    put_le32(at + RECORD_LENGTH, (u32)length);
    put_le64(at + RECORD_OBJECT, object);
    put_le32(at + RECORD_CHECKSUM, record_checksum(at, at + CKPT_RECORD_HEADER, length));
    memset(at + CKPT_RECORD_HEADER + length, 0, size - CKPT_RECORD_HEADER - length);
    return size;
}

static u8 *payload(u8 *at, size_t fixed)
{
    return memset(at + CKPT_RECORD_HEADER, 0, fixed);
}

size_t ckpt_put_epoch(u8 *at, const struct ckpt_epoch *e)
{
    u8 *to = payload(at, EPOCH_SIZE);

    put_le64(to + EPOCH_NUMBER, e->epoch);
    put_le64(to + EPOCH_PARENT, e->parent);
    put_le64(to + EPOCH_WALL, e->wall_ns);
    put_le64(to + EPOCH_UPTIME, e->uptime_ns);
    put_le64(to + EPOCH_PAUSE, e->pause_ns);
    put_le64(to + EPOCH_PAGES, e->pages_written);
    put_le64(to + EPOCH_BLOCKS, e->blocks_written);
    put_le64(to + EPOCH_PREVIOUS, e->previous);
    put_le64(to + EPOCH_PREVIOUS_BLOCK, e->previous_block);
    put_le64(to + EPOCH_PREVIOUS_SIZE, e->previous_size);
    put_le32(to + EPOCH_PREVIOUS_DIGEST, e->previous_digest);
    put_le32(to + EPOCH_KEPT, e->kept);
    put_le32(to + EPOCH_CONTENTS, e->contents);
    put_le32(to + EPOCH_PIPES, e->pipes);
    put_le32(to + EPOCH_FILES, e->files);
    put_le32(to + EPOCH_SPACES, e->spaces);
    put_le32(to + EPOCH_PROCESSES, e->processes);
    return seal(at, CKPT_EPOCH, 0, EPOCH_SIZE);
}

size_t ckpt_put_pipe(u8 *at, u64 ordinal, const struct ckpt_pipe *p)
{
    u8 *to = payload(at, PIPE_SIZE);

    put_le32(to + PIPE_BYTES, p->size);
    memcpy(to + PIPE_SIZE, p->bytes, p->size);
    return seal(at, CKPT_PIPE, ordinal, PIPE_SIZE + p->size);
}

size_t ckpt_put_content(u8 *at, u64 ordinal, const struct ckpt_content *c)
{
    u8 *to = payload(at, CONTENT_SIZE);

    put_le64(to + CONTENT_LENGTH, c->size);
    return seal(at, CKPT_CONTENT, ordinal, CONTENT_SIZE);
}

size_t ckpt_put_file(u8 *at, u64 ordinal, const struct ckpt_file *f)
{
    u8 *to = payload(at, FILE_SIZE);

    put_le32(to + FILE_KIND, f->kind);
    put_le32(to + FILE_FLAGS, f->flags);
    put_le64(to + FILE_OFFSET, f->offset);
    put_le64(to + FILE_INO, f->ino);
    put_le64(to + FILE_GENERATION, f->generation);
    put_le64(to + FILE_LENGTH, f->size);
    put_le64(to + FILE_CHANGES, f->changes);
    put_le32(to + FILE_TYPE, f->type);
    put_le32(to + FILE_NLINK, f->nlink);
    put_le32(to + FILE_MAJOR, f->major);
    put_le32(to + FILE_MINOR, f->minor);
    put_le64(to + FILE_PIPE, f->pipe);
    put_le64(to + FILE_CONTENT, f->content);
    put_le32(to + FILE_PATH_LENGTH, f->path_length);
    memcpy(to + FILE_SIZE, f->path, f->path_length);
    return seal(at, CKPT_FILE, ordinal, FILE_SIZE + f->path_length);
}

size_t ckpt_put_space(u8 *at, u64 ordinal, const struct ckpt_space *s, const struct ckpt_region *regions)
{
    size_t size = SPACE_SIZE + s->regions * SPACE_REGION_SIZE;
    u8 *to = payload(at, size);

    put_le64(to + SPACE_HEAP_START, s->heap_start);
    put_le64(to + SPACE_HEAP_END, s->heap_end);
    put_le64(to + SPACE_HEAP_LIMIT, s->heap_limit);
    put_le32(to + SPACE_REGIONS, s->regions);
    to += SPACE_SIZE;
    for (u32 i = 0; i < s->regions; i++, to += SPACE_REGION_SIZE) {
        put_le64(to + REGION_START, regions[i].start);
        put_le64(to + REGION_END, regions[i].end);
        put_le32(to + REGION_PROT, regions[i].prot);
        put_le32(to + REGION_KIND, regions[i].kind);
        put_le32(to + REGION_FLAGS, regions[i].flags);
    }
    return seal(at, CKPT_SPACE, ordinal, size);
}

size_t ckpt_put_tree(u8 *at, u64 ordinal, const struct ckpt_tree *t)
{
    u8 *to = payload(at, TREE_SIZE);

    put_le64(to + TREE_PAGES, t->pages);
    put_le64(to + TREE_NODES, t->nodes);
    put_le32(to + TREE_ROOT, t->root);
    put_le32(to + TREE_CRC, t->crc);
    put_le32(to + TREE_HEIGHT, t->height);
    return seal(at, CKPT_TREE, ordinal, TREE_SIZE);
}

size_t ckpt_put_process(u8 *at, u64 ordinal, const struct ckpt_process *p)
{
    u8 *to = payload(at, PROCESS_SIZE);

    put_le32(to + PROCESS_PID, (u32)p->pid);
    put_le32(to + PROCESS_PPID, (u32)p->ppid);
    put_le32(to + PROCESS_PGID, (u32)p->pgid);
    put_le32(to + PROCESS_STATE, p->state);
    put_le32(to + PROCESS_STATUS, (u32)p->status);
    put_le64(to + PROCESS_SPACE, p->space);
    put_le64(to + PROCESS_UPTIME, p->uptime_ns);
    memcpy(to + PROCESS_NAME, p->name, strnlen(p->name, CKPT_NAME_SIZE - 1));
    put_le64(to + PROCESS_PARENT, p->parent);
    return seal(at, CKPT_PROCESS, ordinal, PROCESS_SIZE);
}

size_t ckpt_put_state(u8 *at, enum ckpt_type type, u64 ordinal, const struct ckpt_state *s)
{
    u8 *to = payload(at, STATE_SIZE);

    put_le32(to + STATE_MACHINE, s->machine);
    put_le32(to + STATE_BYTES, s->size);
    memcpy(to + STATE_SIZE, s->bytes, s->size);
    return seal(at, type, ordinal, STATE_SIZE + s->size);
}

size_t ckpt_put_restart(u8 *at, u64 ordinal, const struct ckpt_restart *r)
{
    u8 *to = payload(at, RESTART_SIZE);

    put_le32(to + RESTART_CALL, r->call);
    put_le64(to + RESTART_DONE, r->done);
    put_le64(to + RESTART_LEFT, r->left_ns);
    return seal(at, CKPT_RESTART, ordinal, RESTART_SIZE);
}

size_t ckpt_put_cwd(u8 *at, u64 ordinal, const struct ckpt_cwd *c)
{
    u8 *to = payload(at, CWD_SIZE);

    put_le64(to + CWD_INO, c->ino);
    put_le64(to + CWD_GENERATION, c->generation);
    put_le32(to + CWD_PATH_LENGTH, c->path_length);
    memcpy(to + CWD_SIZE, c->path, c->path_length);
    return seal(at, CKPT_CWD, ordinal, CWD_SIZE + c->path_length);
}

size_t ckpt_put_descriptors(u8 *at, u64 ordinal, u32 count, const struct ckpt_descriptor *d)
{
    size_t size = DESCRIPTORS_SIZE + count * DESCRIPTOR_SIZE;
    u8 *to = payload(at, size);

    put_le32(to + DESCRIPTORS_COUNT, count);
    to += DESCRIPTORS_SIZE;
    for (u32 i = 0; i < count; i++, to += DESCRIPTOR_SIZE) {
        put_le32(to + DESCRIPTOR_FD, d[i].fd);
        put_le64(to + DESCRIPTOR_FILE, d[i].file);
    }
    return seal(at, CKPT_DESCRIPTORS, ordinal, size);
}
