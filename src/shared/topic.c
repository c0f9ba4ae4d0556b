/* Topics of the contract, taken apart and put together. */
#include "phusa/topic.h"

static const struct phusa_text root = { "phusa/1", 7 };
static const struct phusa_text board = { "board", 5 };

/* What follows the station in a topic; a board has no word of its own there. */
static const struct {
    struct phusa_text word;
    enum phusa_leaf leaf;
    bool rest; /* something follows the word */
} leaves[] = {
    { { "obs", 3 }, PHUSA_LEAF_OBS, false }, { { "status", 6 }, PHUSA_LEAF_STATUS, false },
    { { "ack", 3 }, PHUSA_LEAF_ACK, false }, { { "cmd", 3 }, PHUSA_LEAF_CMD, false },
    { { "rsp", 3 }, PHUSA_LEAF_RSP, false }, { { "alarm", 5 }, PHUSA_LEAF_ALARM, true },
};
#define LEAVES (sizeof(leaves) / sizeof(leaves[0]))

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool phusa_id_valid(struct phusa_text text)
{
    if (text.length == 0 || text.length > PHUSA_ID_MAX || !is_letter_or_digit(text.data[0])) {
        return false;
    }
    for (size_t i = 1; i < text.length; i++) {
        if (!is_letter_or_digit(text.data[i]) && text.data[i] != '-') {
            return false;
        }
    }
    return true;
}

/* Cuts off what stands before the first slash and that slash. */
static struct phusa_text take_part(struct phusa_text *topic)
{
    struct phusa_text part = { topic->data, 0 };

    while (part.length < topic->length && topic->data[part.length] != '/') {
        part.length++;
    }

    size_t taken = part.length < topic->length ? part.length + 1 : part.length;

    topic->data += taken;
    topic->length -= taken;
    return part;
}

static bool take_root(struct phusa_text *topic)
{
    if (topic->length <= root.length || memcmp(topic->data, root.data, root.length) != 0 ||
        topic->data[root.length] != '/') {
        return false;
    }
    topic->data += root.length + 1;
    topic->length -= root.length + 1;
    return true;
}

static enum phusa_status parse_leaf(struct phusa_text word, bool more, struct phusa_topic *parsed)
{
    for (size_t i = 0; i < LEAVES; i++) {
        if (phusa_text_equal(word, leaves[i].word) && more == leaves[i].rest) {
            parsed->leaf = leaves[i].leaf;
            return more && !phusa_id_valid(parsed->rest) ? PHUSA_ERR_SYNTAX : PHUSA_OK;
        }
    }
    return PHUSA_ERR_SYNTAX;
}

enum phusa_status phusa_topic_parse(struct phusa_text topic, struct phusa_topic *parsed)
{
    *parsed = (struct phusa_topic){ 0 };
    if (topic.length > PHUSA_TOPIC_MAX || !take_root(&topic)) {
        return PHUSA_ERR_SYNTAX;
    }
    parsed->site = take_part(&topic);
    parsed->station = take_part(&topic);
    if (!phusa_id_valid(parsed->site) || !phusa_id_valid(parsed->station)) {
        return PHUSA_ERR_SYNTAX;
    }
    if (phusa_text_equal(parsed->station, board)) {
        parsed->leaf = PHUSA_LEAF_BOARD;
        parsed->rest = topic;
        return phusa_id_valid(topic) ? PHUSA_OK : PHUSA_ERR_SYNTAX;
    }

    const char *end = topic.data + topic.length;
    struct phusa_text word = take_part(&topic);
    parsed->rest = topic;
    return parse_leaf(word, word.data + word.length < end, parsed);
}

/* A topic being written; `full` once something did not fit. */
struct topic_writer {
    char *buffer;
    size_t capacity, used;
    bool full;
};

static void write_text(struct topic_writer *writer, struct phusa_text text)
{
    if (text.length >= writer->capacity - writer->used) {
        writer->full = true;
        return;
    }
    memcpy(writer->buffer + writer->used, text.data, text.length);
    writer->used += text.length;
}

static void write_part(struct topic_writer *writer, struct phusa_text part)
{
    write_text(writer, PHUSA_TEXT("/"));
    write_text(writer, part);
}

static bool parts_valid(const struct phusa_topic *topic)
{
    bool is_board = topic->leaf == PHUSA_LEAF_BOARD;
    bool has_rest = is_board || topic->leaf == PHUSA_LEAF_ALARM;

    return (size_t)topic->leaf <= LEAVES && phusa_id_valid(topic->site) &&
           phusa_id_valid(topic->station) && phusa_text_equal(topic->station, board) == is_board &&
           (has_rest ? phusa_id_valid(topic->rest) : topic->rest.length == 0);
}

static struct phusa_text leaf_word(enum phusa_leaf leaf)
{
    for (size_t i = 0; i < LEAVES; i++) {
        if (leaves[i].leaf == leaf) {
            return leaves[i].word;
        }
    }
    return (struct phusa_text){ 0 };
}

size_t phusa_topic_print(const struct phusa_topic *topic, char *buffer, size_t capacity)
{
    struct topic_writer writer = { .buffer = buffer, .capacity = capacity };

    if (capacity == 0 || !parts_valid(topic)) {
        return 0;
    }
    write_text(&writer, root);
    write_part(&writer, topic->site);
    write_part(&writer, topic->station);
    if (topic->leaf != PHUSA_LEAF_BOARD) {
        write_part(&writer, leaf_word(topic->leaf));
    }
    if (topic->rest.length > 0) {
        write_part(&writer, topic->rest);
    }
    buffer[writer.used] = '\0';
    return writer.full ? 0 : writer.used;
}
