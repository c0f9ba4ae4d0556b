/* The classifier's lines: whatever comes, what is taken is what was said, however it is cut. */
#include "drivers/classifier.h"
#include "fuzz.h"

struct uart {
    const uint8_t *data;
    size_t size, at, piece;
};

static enum hal_result configure(void *context, const struct hal_line *line)
{
    (void)context;
    return line->baud == CLASSIFIER_BAUD ? HAL_OK : HAL_FAILED;
}

static enum hal_result write_bytes(void *context, const void *bytes, size_t length)
{
    (void)context;
    (void)bytes;
    return length > 0 ? HAL_OK : HAL_FAILED;
}

static size_t read_bytes(void *context, void *bytes, size_t capacity)
{
    struct uart *uart = context;
    size_t length = uart->size - uart->at;
    length = length < capacity ? length : capacity;
    length = length < uart->piece ? length : uart->piece;
    memcpy(bytes, uart->data + uart->at, length);
    uart->at += length;
    return length;
}

/* All of it through the driver, in pieces of so many bytes. */
static struct classifier run(const uint8_t *data, size_t size, size_t piece)
{
    struct uart uart = { data, size, 0, piece };
    struct hal_bus bus = {
        .context = &uart, .configure = configure, .write = write_bytes, .read = read_bytes
    };
    struct classifier module;
    ENSURE(classifier_init(&module, &bus, 0) == HAL_OK);
    while (uart.at < uart.size) {
        classifier_step(&module, (int64_t)uart.at);
    }
    return module;
}

static void check_line(const uint8_t *data, size_t size)
{
    struct classifier_line line;
    struct phusa_text text = { fuzz_text(data, size), size };
    if (classifier_parse(text, &line)) {
        ENSURE(line.classes >= 1 && line.classes <= CLASSIFIER_CLASSES);
        ENSURE(line.state <= CLASSIFIER_FAULT && size <= CLASSIFIER_LINE_MAX);
        for (size_t i = line.classes; i < CLASSIFIER_CLASSES; i++) {
            ENSURE(line.counts[i] == 0);
        }
        ENSURE(run(data, size, 7).lines == 0); /* its end did not come */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_line(data, size);
    struct classifier whole = run(data, size, 64), bytes = run(data, size, 1);
    ENSURE(whole.lines == bytes.lines && whole.bad == bytes.bad && whole.lost == bytes.lost);
    ENSURE(whole.sessions == bytes.sessions && whole.sessions <= whole.lines);
    ENSURE(whole.heard == (whole.lines > 0));
    return 0;
}
