// Reading: the newest header, then an epoch's records one after the other.

#include "layout.h"

static enum ckpt_error read_at(struct ckpt_reader *r, u64 offset, void *buf, size_t n)
{
    r->failed_at = offset;
    if (offset > r->source->size || n > r->source->size - offset)
        return CKPT_TRUNCATED;
    if (n == 0)
        return CKPT_OK;
    return r->source->read(r->source->ctx, offset, buf, n) ? CKPT_READ_FAILED : CKPT_OK;
}

// A slot without the magic is none; one that the file's end cuts is told by its first bytes.
static enum ckpt_error read_slot(struct ckpt_reader *r, u32 slot, struct ckpt_header *out)
{
    u64 offset = (u64)slot * CKPT_BLOCK_SIZE;
    u64 there = r->source->size - MIN(offset, r->source->size);
    size_t n = (size_t)MIN(there, CKPT_BLOCK_SIZE);
    bool known = n == CKPT_BLOCK_SIZE && r->source->known && r->source->known(r->source->ctx, offset, r->buffer);
    enum ckpt_error err = known ? CKPT_OK : read_at(r, MIN(offset, r->source->size), r->buffer, n);

    if (err)
        return err;
    if (!ckpt_probe(r->buffer, n))
        return CKPT_NOT_IMAGE;
    if (known)
        return ckpt_header_fields(r->buffer, r->source->size, out);
    return n < CKPT_BLOCK_SIZE ? CKPT_TRUNCATED : ckpt_header_decode(r->buffer, r->source->size, out);
}

// Stand before the first record of the area that r->header names.
static void rewind_records(struct ckpt_reader *r)
{
    size_t start = offsetof(struct ckpt_reader, position);

    memset((u8 *)r + start, 0, offsetof(struct ckpt_reader, buffer) - start);
}

static enum ckpt_error open_newest(struct ckpt_reader *r, const struct ckpt_source *source)
{
    struct ckpt_header b;
    enum ckpt_error err, err_b;

    memset(r, 0, offsetof(struct ckpt_reader, buffer));
    r->source = source;
    err_b = read_slot(r, 1, &b);
    if (err_b == CKPT_READ_FAILED)
        return err_b;
    err = read_slot(r, 0, &r->header);
    if (err == CKPT_READ_FAILED)
        return err;
    if (err_b == CKPT_OK && (err != CKPT_OK || b.epoch > r->header.epoch)) {
        r->header = b;
        r->slot = 1;
        err = CKPT_OK;
    } else if (err == CKPT_NOT_IMAGE) {
        err = err_b;
    }
    if (!err)
        r->machine = ckpt_machine(r->header.machine);
    return err;
}

enum ckpt_error ckpt_open(struct ckpt_reader *r, const struct ckpt_source *source, u64 epoch)
{
    enum ckpt_error err = open_newest(r, source);
    struct ckpt_item item;

    while (!err && epoch && r->header.epoch > epoch) {
        err = ckpt_next(r, &item);
        if (!err)
            err = ckpt_open_previous(r);
    }
    return !err && epoch && r->header.epoch != epoch ? CKPT_NO_EPOCH : err;
}

void ckpt_open_again(struct ckpt_reader *r)
{
    rewind_records(r);
}

enum ckpt_error ckpt_open_previous(struct ckpt_reader *r)
{
    if (r->epoch.previous == 0 || r->steps_left == 0)
        return CKPT_NO_EPOCH;
    r->failed_at = r->header.records_block * CKPT_BLOCK_SIZE;
    r->header.epoch = r->epoch.previous;
    r->header.records_block = r->epoch.previous_block;
    r->header.records_size = r->epoch.previous_size;
    r->header.digest = r->epoch.previous_digest;
    r->steps_left--;
    r->older = true;
    rewind_records(r);
    return ckpt_check_area(&r->header);
}

// Which type must come next; CKPT_END: none.
static u32 type_due(const struct ckpt_reader *r)
{
    switch (r->last) {
    case 0:
        return CKPT_EPOCH;
    case CKPT_CONTENT:
    case CKPT_SPACE:
        return CKPT_TREE;
    case CKPT_PROCESS:
        if (!r->last_ended)
            return CKPT_REGISTERS;
        break;
    case CKPT_REGISTERS:
    case CKPT_FPU:
    case CKPT_RESTART:
    case CKPT_CWD:
        return r->last + 1;
    default:
        break;
    }
    if (r->contents < r->epoch.contents)
        return CKPT_CONTENT;
    if (r->pipes < r->epoch.pipes)
        return CKPT_PIPE;
    if (r->files < r->epoch.files)
        return CKPT_FILE;
    if (r->spaces < r->epoch.spaces)
        return CKPT_SPACE;
    return r->processes < r->epoch.processes ? CKPT_PROCESS : CKPT_END;
}

// Which object a record of the type that is due must tell of.
static u64 object_due(const struct ckpt_reader *r, u32 type)
{
    switch (type) {
    case CKPT_EPOCH:
        return 0;
    case CKPT_CONTENT:
        return r->contents + 1;
    case CKPT_PIPE:
        return r->pipes + 1;
    case CKPT_FILE:
        return r->files + 1;
    case CKPT_SPACE:
        return r->spaces + 1;
    case CKPT_TREE:
        return r->last == CKPT_CONTENT ? r->contents : r->spaces;
    case CKPT_PROCESS:
        return r->processes + 1;
    default:
        return r->processes;
    }
}

static bool type_is_known(u32 type, u32 version)
{
    return type >= CKPT_EPOCH && type <= CKPT_DESCRIPTORS && version == 1;
}

static u64 area_offset(const struct ckpt_reader *r)
{
    return r->header.records_block * CKPT_BLOCK_SIZE + r->position;
}

// The next n bytes of the area, which the caller knows to be there, into the digest.
static enum ckpt_error take(struct ckpt_reader *r, u8 *buf, size_t n)
{
    enum ckpt_error err = read_at(r, area_offset(r), buf, n);

    if (err)
        return err;
    r->digest = crc32c(r->digest, buf, n);
    r->position += n;
    return CKPT_OK;
}

static enum ckpt_error expect_zeros(const u8 *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i])
            return CKPT_BAD_RECORD;
    return CKPT_OK;
}

// Take the padding that fills a payload of `length` bytes up.
static enum ckpt_error take_padding(struct ckpt_reader *r, u64 length)
{
    u8 padding[8];
    size_t n = (size_t)(ROUND_UP(length, 8) - length);
    enum ckpt_error err = take(r, padding, n);

    return err ? err : expect_zeros(padding, n);
}

// Take the payload; what doesn't fit the buffer passes through it.
static enum ckpt_error take_payload(struct ckpt_reader *r, const u8 *header, u32 length)
{
    u32 crc = record_checksum_begin(header);
    enum ckpt_error err;

    for (u32 left = length; left > 0;) {
        u32 n = MIN(left, CKPT_PAYLOAD_MAX);
        err = take(r, r->buffer + CKPT_RECORD_HEADER, n);
        if (err)
            return err;
        crc = crc32c(crc, r->buffer + CKPT_RECORD_HEADER, n);
        left -= n;
    }
    if (crc != le32(header + RECORD_CHECKSUM))
        return CKPT_BAD_CHECKSUM;
    return take_padding(r, length);
}

// Take one record into the buffer. *known: false for an optional one that was passed over.
static enum ckpt_error take_record(struct ckpt_reader *r, bool *known)
{
    u64 left = r->header.records_size - r->position;
    enum ckpt_error err;
    u32 length, flags;

    r->failed_at = area_offset(r);
    if (left < CKPT_RECORD_HEADER)
        return left ? CKPT_BAD_RECORD : CKPT_BAD_ORDER;
    err = take(r, r->buffer, CKPT_RECORD_HEADER);
    if (err)
        return err;
    length = le32(r->buffer + RECORD_LENGTH);
    flags = le16(r->buffer + RECORD_FLAGS);
    *known = type_is_known(le32(r->buffer + RECORD_TYPE), le16(r->buffer + RECORD_VERSION));
    if (ROUND_UP((u64)length, 8) > left - CKPT_RECORD_HEADER || (flags & ~RECORD_OPTIONAL))
        return CKPT_BAD_RECORD;
    if (!*known && !(flags & RECORD_OPTIONAL))
        return CKPT_UNKNOWN_RECORD;
    if (!*known && r->last == 0)
        return CKPT_BAD_ORDER;
    if (*known && length > CKPT_PAYLOAD_MAX)
        return CKPT_BAD_RECORD;
    return take_payload(r, r->buffer, length);
}

static void note_file(struct ckpt_reader *r, const struct ckpt_file *f)
{
    r->files++;
    if (f->content && !set_has(r->content_is_named, f->content)) {
        set_add(r->content_is_named, f->content);
        r->contents_named++;
    }
    if (file_is_carried_end(r, f)) {
        if (!set_has(r->pipe_is_read, f->pipe) && !set_has(r->pipe_is_written, f->pipe))
            r->pipes_named++;
        set_add(f->kind == CKPT_FILE_PIPE_READ ? r->pipe_is_read : r->pipe_is_written, f->pipe);
    }
}

static void note_process(struct ckpt_reader *r, const struct ckpt_process *p)
{
    r->pid[r->processes++] = p->pid;
    r->last_ended = p->state == CKPT_ENDED;
    if (r->last_ended) {
        set_add(r->process_ended, r->processes);
    } else {
        set_add(r->space_is_named, p->space);
        r->spaces_named++;
    }
}

// Remember what later records are checked by.
static void note(struct ckpt_reader *r, const struct ckpt_item *item)
{
    r->last = item->type;
    switch (item->type) {
    case CKPT_EPOCH:
        r->epoch = item->epoch;
        if (!r->older)
            r->steps_left = item->epoch.kept;
        break;
    case CKPT_CONTENT:
        r->content_size[r->contents++] = item->content.size;
        break;
    case CKPT_PIPE:
        r->pipes++;
        break;
    case CKPT_FILE:
        note_file(r, &item->file);
        break;
    case CKPT_SPACE:
        r->spaces++;
        break;
    case CKPT_PROCESS:
        note_process(r, &item->process);
        break;
    default:
        break;
    }
}

// After the last FILE no content and no pipe is left without one, after the last PROCESS no space.
static bool all_are_named(const struct ckpt_reader *r)
{
    if (r->last == CKPT_FILE && r->files == r->epoch.files)
        return r->contents_named == r->epoch.contents && r->pipes_named == r->epoch.pipes;
    if (r->last == CKPT_PROCESS && r->processes == r->epoch.processes)
        return r->spaces_named == r->epoch.spaces;
    return true;
}

static enum ckpt_error decode_record(struct ckpt_reader *r, u32 due, struct ckpt_item *item)
{
    enum ckpt_error err;

    item->type = le32(r->buffer + RECORD_TYPE);
    item->object = le64(r->buffer + RECORD_OBJECT);
    if (item->type != due || item->object != object_due(r, due))
        return CKPT_BAD_ORDER;
    err = ckpt_decode_payload(r, r->buffer + CKPT_RECORD_HEADER, le32(r->buffer + RECORD_LENGTH), item);
    if (err)
        return err;
    note(r, item);
    return all_are_named(r) ? CKPT_OK : CKPT_BAD_ORDER;
}

// After the last record: the rest of its block is empty, and the root digest is right.
static enum ckpt_error end(struct ckpt_reader *r)
{
    size_t n = (size_t)(ROUND_UP(r->position, CKPT_BLOCK_SIZE) - r->position);
    enum ckpt_error err = read_at(r, area_offset(r), r->buffer, n);

    if (!err)
        err = expect_zeros(r->buffer, n);
    if (err)
        return err;
    r->failed_at = r->header.records_block * CKPT_BLOCK_SIZE;
    return r->digest == r->header.digest ? CKPT_OK : CKPT_BAD_CHECKSUM;
}

enum ckpt_error ckpt_next(struct ckpt_reader *r, struct ckpt_item *item)
{
    u32 due = type_due(r);
    enum ckpt_error err;
    bool known;
    u64 start;

    while (due != CKPT_END || r->position < r->header.records_size) {
        start = area_offset(r);
        err = take_record(r, &known);
        if (!err && known)
            err = decode_record(r, due, item);
        if (err && err != CKPT_READ_FAILED)
            r->failed_at = start;
        if (err || known)
            return err;
    }
    item->type = CKPT_END;
    item->object = 0;
    return end(r);
}
