// ATA disks on the two channels that every PC has at the same places. "AT Attachment with Packet Interface - 6"
// (ATA/ATAPI-6, T13/1410D).
#pragma once

/*
 * Find the drives and register them as disks: "hda" to "hdd", by channel and position. Places without a drive cost a
 * few port accesses.
 */
void ata_init(void);
