// Where each field of a record stands: byte offsets in the record's header and in the payloads
// (docs/formats/checkpoint.md, section 3).
#pragma once

#include <base/byteorder.h>
#include <base/crc32c.h>
#include <base/string.h>
#include <ckptfmt/ckptfmt.h>

enum {
    RECORD_TYPE = 0,
    RECORD_VERSION = 4,
    RECORD_FLAGS = 6,
    RECORD_LENGTH = 8,
    RECORD_CHECKSUM = 12,
    RECORD_OBJECT = 16,
};
#define RECORD_OPTIONAL 1u

enum {
    EPOCH_NUMBER = 0,
    EPOCH_PARENT = 8,
    EPOCH_WALL = 16,
    EPOCH_UPTIME = 24,
    EPOCH_PAUSE = 32,
    EPOCH_PAGES = 40,
    EPOCH_BLOCKS = 48,
    EPOCH_PREVIOUS = 56,
    EPOCH_PREVIOUS_BLOCK = 64,
    EPOCH_PREVIOUS_SIZE = 72,
    EPOCH_PREVIOUS_DIGEST = 80,
    EPOCH_KEPT = 84,
    EPOCH_CONTENTS = 88,
    EPOCH_PIPES = 92,
    EPOCH_FILES = 96,
    EPOCH_SPACES = 100,
    EPOCH_PROCESSES = 104,
    EPOCH_SIZE = 112,
};

enum {
    PIPE_BYTES = 0,
    PIPE_SIZE = 8,  // then the bytes
};

enum {
    CONTENT_LENGTH = 0,
    CONTENT_SIZE = 16,
};

enum {
    FILE_KIND = 0,
    FILE_FLAGS = 4,
    FILE_OFFSET = 8,
    FILE_INO = 16,
    FILE_GENERATION = 24,
    FILE_LENGTH = 32,
    FILE_CHANGES = 40,
    FILE_TYPE = 48,
    FILE_NLINK = 52,
    FILE_MAJOR = 56,
    FILE_MINOR = 60,
    FILE_PIPE = 64,
    FILE_CONTENT = 72,
    FILE_PATH_LENGTH = 80,
    FILE_SIZE = 88,  // then the path
};

enum {
    SPACE_HEAP_START = 0,
    SPACE_HEAP_END = 8,
    SPACE_HEAP_LIMIT = 16,
    SPACE_REGIONS = 24,
    SPACE_SIZE = 32,  // then the regions
    REGION_START = 0,
    REGION_END = 8,
    REGION_PROT = 16,
    REGION_KIND = 20,
    REGION_FLAGS = 24,
    SPACE_REGION_SIZE = 32,
};

enum {
    TREE_PAGES = 0,
    TREE_NODES = 8,
    TREE_ROOT = 16,
    TREE_CRC = 20,
    TREE_HEIGHT = 24,
    TREE_SIZE = 32,
};

enum {
    PROCESS_PID = 0,
    PROCESS_PPID = 4,
    PROCESS_PGID = 8,
    PROCESS_STATE = 12,
    PROCESS_STATUS = 16,
    PROCESS_SPACE = 24,
    PROCESS_UPTIME = 32,
    PROCESS_NAME = 40,
    PROCESS_PARENT = 56,
    PROCESS_SIZE = 64,
};

enum {
    STATE_MACHINE = 0,
    STATE_BYTES = 4,
    STATE_SIZE = 8,  // then the registers
};

enum {
    RESTART_CALL = 0,
    RESTART_DONE = 8,
    RESTART_LEFT = 16,
    RESTART_SIZE = 24,
};

enum {
    CWD_INO = 0,
    CWD_GENERATION = 8,
    CWD_PATH_LENGTH = 16,
    CWD_SIZE = 24,  // then the path
};

enum {
    DESCRIPTORS_COUNT = 0,
    DESCRIPTORS_SIZE = 8,  // then the descriptors
    DESCRIPTOR_FD = 0,
    DESCRIPTOR_FILE = 8,
    DESCRIPTOR_SIZE = 16,
};

_Static_assert(SPACE_SIZE + CKPT_REGIONS_MAX * SPACE_REGION_SIZE <= CKPT_PAYLOAD_MAX, "all regions fit");
_Static_assert(DESCRIPTORS_SIZE + CKPT_FDS_MAX * DESCRIPTOR_SIZE <= CKPT_PAYLOAD_MAX, "all descriptors fit");
_Static_assert(PIPE_SIZE + CKPT_PIPE_MAX <= CKPT_PAYLOAD_MAX, "a full pipe fits");

// A record's checksum begins with its header, whose checksum field is left out.
static inline u32 record_checksum_begin(const u8 header[CKPT_RECORD_HEADER])
{
    return crc32c(crc32c(0, header, RECORD_CHECKSUM), header + RECORD_OBJECT, 8);
}

static inline u32 record_checksum(const u8 header[CKPT_RECORD_HEADER], const u8 *payload, size_t length)
{
    return crc32c(record_checksum_begin(header), payload, length);
}

// Sets of ordinals, which begin with 1.
static inline bool set_has(const u32 *set, u64 ordinal)
{
    return set[(ordinal - 1) / 32] >> (ordinal - 1) % 32 & 1;
}

static inline void set_add(u32 *set, u64 ordinal)
{
    set[(ordinal - 1) / 32] |= 1u << (ordinal - 1) % 32;
}

static inline bool file_is_pipe(const struct ckpt_file *f)
{
    return f->kind == CKPT_FILE_PIPE_READ || f->kind == CKPT_FILE_PIPE_WRITE;
}

// Is it an end of a pipe that the image carries?
static inline bool file_is_carried_end(const struct ckpt_reader *r, const struct ckpt_file *f)
{
    return file_is_pipe(f) && f->pipe <= r->epoch.pipes;
}

// What a header says whose magic and checksum are right.
enum ckpt_error ckpt_header_fields(const u8 block[CKPT_BLOCK_SIZE], u64 file_size, struct ckpt_header *out);

// Does the record area lie among the blocks?
enum ckpt_error ckpt_check_area(const struct ckpt_header *h);

// Decode a payload of the item's type. r: what the record may refer to.
typedef enum ckpt_error decode_payload(const struct ckpt_reader *r, const u8 *at, size_t length,
                                       struct ckpt_item *item);
decode_payload ckpt_decode_payload;
