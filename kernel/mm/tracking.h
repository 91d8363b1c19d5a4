// The marks of a space, and what changed since each of them.
//
// For every mark: a page that changed since is in the mark's set, or in the set that a snapshot has taken from it, or
// its entry carries PTE_DIRTY in an open table of the space, or it is news in the tables of the last snapshot. So
// whoever clears PTE_DIRTY in an open table of a space that has marks adds the page to all of their sets first or right
// after, before the space's lock is released; and so does who takes away a page. A snapshot's news are added later,
// when the space runs again; until then nobody may change the snapshot.
//
// The marks live as long as the space or the last snapshot that may become one. Marks come in under the space's lock
// only.
#pragma once

#include "page_set.h"

/* Let the space have marks. -ENOMEM. */
MUST_CHECK int tracking_begin(struct vmspace *space) REQUIRES(space->lock);
void tracking_put(struct tracking *t);  // NULL is fine

/* Is there a mark, or a snapshot that may become one? */
bool tracking_is_needed(struct tracking *t);

/* These pages changed. */
void tracking_add_set(struct tracking *t, const struct page_set *pages);
void tracking_add_range(struct tracking *t, uaddr_t start, uaddr_t end);  // addresses

/* A mark in the making, whose instant has not come yet; it may be dropped before that. NULL: no memory. The tracking
 * lives as long as it. */
MUST_CHECK struct snapshot_mark *snapshot_mark_create(struct tracking *t);

/* Its instant is now: all tables are closed, or all pages clean. news: the snapshot's root, whose news are the last
 * changes before the instant; NULL: there were none. *changed is as in vmspace_snapshot(). */
void snapshot_mark_begin(struct snapshot_mark *mark, pte_t *news, const struct mark_label *base,
                         const struct page_set **changed);
