#include "store/batch.h"

#include <stdlib.h>

#include "store/lineproto.h"

void batch_clear(struct batch *batch)
{
    *batch = (struct batch){ .text = batch->text, .capacity = batch->capacity };
}

void batch_free(struct batch *batch)
{
    free(batch->text);
    *batch = (struct batch){ 0 };
}

bool batch_reserve(struct batch *batch, size_t bytes)
{
    size_t wanted = batch->length + bytes;
    if (wanted <= batch->capacity) {
        return true;
    }
    size_t doubled = batch->capacity * 2;
    size_t capacity = wanted > doubled ? wanted : doubled;
    char *larger = realloc(batch->text, capacity);
    if (larger == NULL) {
        return false;
    }
    batch->text = larger;
    batch->capacity = capacity;
    return true;
}

void batch_put_line(struct batch *batch, struct phusa_text line)
{
    memcpy(batch->text + batch->length, line.data, line.length);
    batch->length += line.length;
    batch->text[batch->length++] = '\n';
    batch->lines++;
}

void batch_close(struct batch *batch)
{
    batch->ranges[0] = (struct batch_range){ 0, batch->length };
    batch->range_count = batch->length > 0 ? 1 : 0;
}

struct phusa_text batch_current(const struct batch *batch)
{
    struct batch_range range = batch->ranges[batch->range_count - 1];
    return (struct phusa_text){ batch->text + range.begin, range.end - range.begin };
}

void batch_drop_current(struct batch *batch)
{
    batch->range_count--;
}

bool batch_split_current(struct batch *batch)
{
    struct phusa_text rest = batch_current(batch), line;
    size_t lines = text_count_lines(rest);
    if (lines < 2 || batch->range_count == BATCH_RANGES_MAX) {
        return false;
    }
    for (size_t i = 0; i < lines / 2; i++) {
        (void)text_next_line(&rest, &line);
    }
    struct batch_range *whole = &batch->ranges[batch->range_count - 1];
    size_t middle = (size_t)(rest.data - batch->text);
    batch->ranges[batch->range_count++] = (struct batch_range){ whole->begin, middle };
    whole->begin = middle;
    return true;
}

size_t text_count_lines(struct phusa_text text)
{
    size_t lines = 0;
    struct phusa_text line;
    while (text_next_line(&text, &line)) {
        lines++;
    }
    return lines;
}
