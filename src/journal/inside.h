/* What the parts of the journal tell each other; nobody else includes this. */
#ifndef JOURNAL_INSIDE_H
#define JOURNAL_INSIDE_H

#include "journal/segments.h"

#define JOURNAL_PATH_MAX      3072
#define JOURNAL_FILE_PATH_MAX (JOURNAL_PATH_MAX + 32)

void journal_segment_path(const char *folder, uint64_t first, char path[JOURNAL_FILE_PATH_MAX]);

const char *journal_path(const struct journal *journal);
const struct file_ops *journal_files(const struct journal *journal);

/* First position of the segment that holds `position` (or of the oldest); false if there is none.
 */
bool journal_segment_for(struct journal *journal, uint64_t position, uint64_t *first);

/* First position of the segment behind the one that begins at `first`; false if that is the newest.
 */
bool journal_segment_after(struct journal *journal, uint64_t first, uint64_t *next);

#endif
