/* The technician's console: whatever is typed, in whatever pieces, it answers the same and UTF-8.
 */
#include "console.h"
#include "fuzz.h"
#include "shared/utf8.h"

#define OUT_MAX (1u << 22)

struct world {
    char *out;
    size_t length;
    unsigned orders, lights;
    size_t busy;
};

static void write_out(void *context, const char *bytes, size_t length)
{
    struct world *world = context;
    ENSURE(length > 0 && world->length + length <= OUT_MAX);
    memcpy(world->out + world->length, bytes, length);
    world->length += length;
}

static void give_facts(void *context, struct field_facts *facts)
{
    (void)context;
    *facts = (struct field_facts){
        .site = PHUSA_TEXT("my-tho"), .id = PHUSA_TEXT("s1"), .boot = 1, .every_ns = 1
    };
}

static enum hal_result scan(void *context, size_t index, struct field_device *device)
{
    struct world *world = context;
    if (world->busy++ % 2 == 0) {
        return HAL_AGAIN;
    }
    *device = (struct field_device){ .bus = FIELD_MODBUS,
                                     .address = PHUSA_TEXT("1"),
                                     .name = PHUSA_TEXT("sonde"),
                                     .answer = index == 0 ? FIELD_ANSWERS : FIELD_SILENT,
                                     .round = FIELD_GOOD,
                                     .age_ns = INT64_MAX / 2 };
    return index < 2 ? HAL_OK : HAL_FAILED;
}

static bool last(void *context, size_t index, struct field_reading *reading)
{
    (void)context;
    *reading =
        (struct field_reading){ PHUSA_TEXT("ph"), PHUSA_TEXT("pH"), 7, true, (uint8_t)index };
    return true; /* never ends by itself */
}

static enum field_lamp lamp(void *context, enum trap_order order, uint32_t minutes)
{
    ((struct world *)context)->orders++;
    ENSURE(order <= TRAP_OFF && minutes >= 1 && minutes <= FIELD_CONSOLE_MINUTES_MAX);
    return (enum field_lamp)(minutes % 3);
}

static void identify(void *context, uint32_t seconds)
{
    ((struct world *)context)->lights++;
    ENSURE(seconds >= 1 && seconds <= FIELD_CONSOLE_SECONDS_MAX);
}

/* What is typed, a scan run to its end after each byte, in pieces. */
static void run(struct world *world, const uint8_t *data, size_t size, size_t piece)
{
    struct field_port port = { world, write_out, give_facts, scan, last, lamp, identify };
    struct field_console console;
    struct hal_time now = { .wall_ns = 1, .mono_ns = 1 };
    field_console_init(&console, &port);
    for (size_t at = 0; at < size; at += piece) {
        size_t length = size - at < piece ? size - at : piece;
        field_console_take(&console, data + at, length, now);
        for (int i = 0; field_console_step(&console, now); i++) {
            ENSURE(i < 10);
        }
        ENSURE(console.length <= FIELD_CONSOLE_LINE_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char first[OUT_MAX], second[OUT_MAX];
    struct world whole = { .out = first }, again = { .out = second };
    if (size > 2048) {
        return 0;
    }
    run(&whole, data, size, 1);
    run(&again, data, size, 1);
    ENSURE(whole.length == again.length && memcmp(first, second, whole.length) == 0);
    ENSURE(utf8_valid(first, whole.length));
    run(&again, data, size, 5); /* a scan drops what is typed behind it */
    return 0;
}
