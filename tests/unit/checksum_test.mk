UNIT_SOURCES.checksum_test := $(HOST_CHECKSUMS)
UNIT_FLAGS.tools/checksum/crc32c.c := -Dcrc32c=tools_crc32c
UNIT_FLAGS.tools/checksum/sums.c := -Dckpt_page_sums=tools_page_sums
UNIT_LIBS.checksum_test := -lisal
