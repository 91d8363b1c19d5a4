// Between disk.c and the drivers of disks.
#pragma once

#include <dev/disk.h>

/*
 * A request of this driver has ended, with 0 or -EIO. From then on it is the submitter's again. Calls its done(), so no
 * lock may be held that a submitter takes, nor any of RANK_DISK or later. Any context.
 */
void disk_complete(struct disk_request *r, int status);

/*
 * The same from inside submit(), whose caller may hold locks: done() is called a little later, from elsewhere. Only
 * RANK_DISK or lower is held.
 */
void disk_complete_later(struct disk_request *r, int status);

/* Make disks character devices, too (rawdisk.c). */
void rawdisk_init(void);

/* Tell the person at the console that the request failed. */
void disk_report(const struct disk *d, const struct disk_request *r);
