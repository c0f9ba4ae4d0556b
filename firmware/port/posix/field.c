#include "field.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "bus_tty.h"
#include "drivers/hub.h"

/* USB adapters hand bytes over in slices of 16 ms, and other programs run, too. */
#define SLACK (50 * (SECOND_NS / 1000))

struct field {
    char *text; /* of the map, which points into it */
    struct device_map map;
    struct hub hub;
    struct bus_tty *buses[DEVICE_MAP_BUSES_MAX];
    size_t bus_count;
};

static bool read_text(struct field *field, const char *path, size_t *length,
                      struct problem *problem)
{
    FILE *file = fopen(path, "rb");
    field->text = malloc(FIELD_MAP_MAX);
    if (file == NULL || field->text == NULL) {
        problem_set(problem, "%s: %s", path, strerror(errno));
        if (file != NULL) {
            (void)fclose(file);
        }
        return false;
    }
    *length = fread(field->text, 1, FIELD_MAP_MAX, file);
    bool good = ferror(file) == 0 && *length < FIELD_MAP_MAX;
    (void)fclose(file);
    if (!good) {
        problem_set(problem, "%s: cannot be read, or is larger than %d bytes", path,
                    FIELD_MAP_MAX - 1);
    }
    return good;
}

static bool read_map(struct field *field, const char *path, struct problem *problem)
{
    struct device_map_error error;
    size_t length = 0;
    if (!read_text(field, path, &length, problem)) {
        return false;
    }
    if (!device_map_parse(&field->map, (struct phusa_text){ field->text, length }, &error)) {
        problem_set(problem, "%s:%u: %.*s%s%s", path, error.line, (int)error.word.length,
                    error.word.length > 0 ? error.word.data : "", error.word.length > 0 ? " " : "",
                    error.what);
        return false;
    }
    return true;
}

/* The line of the map that a word of it stands in, from 1. */
static unsigned line_of(const struct field *field, struct phusa_text word)
{
    unsigned line = 1;
    for (const char *at = field->text; at < word.data; at++) {
        line += *at == '\n';
    }
    return line;
}

static void print_device(const struct field *field, const struct device *device, FILE *out)
{
    fprintf(out, "device %u %.*s ", line_of(field, device->name), (int)device->name.length,
            device->name.data);
    if (device->protocol == DEVICE_INPUTS) {
        fputs("inputs\n", out);
    } else {
        fprintf(out, "%s %u\n", device->protocol == DEVICE_MODBUS ? "modbus" : "sdi12",
                device->bus + 1u);
    }
}

static void print_point(const struct field *field, const struct device_point *point, FILE *out)
{
    static const char *const SOURCES[] = { [DEVICE_REGISTER] = "register",
                                           [DEVICE_VALUE] = "value",
                                           [DEVICE_LOOP] = "loop",
                                           [DEVICE_PULSE] = "pulse" };
    if (point->source == DEVICE_STATE) {
        fputs("state\n", out);
        return;
    }
    fprintf(out, "channel %u %.*s %s", line_of(field, point->name), (int)point->name.length,
            point->name.data, SOURCES[point->source]);
    if (point->unit.length > 0) {
        fprintf(out, " %.*s", (int)point->unit.length, point->unit.data);
    }
    fputc('\n', out);
}

bool field_print_map(const char *path, FILE *out, struct problem *problem)
{
    struct field *field = calloc(1, sizeof *field);
    if (field == NULL) {
        problem_set(problem, "out of memory");
        return false;
    }
    bool good = read_map(field, path, problem);
    for (size_t i = 0, k = 0; good && i < field->map.device_count; i++) {
        print_device(field, &field->map.devices[i], out);
        for (; k < field->map.point_count && field->map.points[k].device == i; k++) {
            print_point(field, &field->map.points[k], out);
        }
    }
    field_free(field);
    return good;
}

static bool make_buses(struct field *field, const char *const *where, size_t count,
                       struct problem *problem)
{
    struct problem why = { 0 };
    if (count != field->map.bus_count) {
        problem_set(problem, "the device map has %zu buses, --bus is given %zu times",
                    field->map.bus_count, count);
        return false;
    }
    for (; field->bus_count < count; field->bus_count++) {
        struct bus_tty *bus = bus_tty_create(where[field->bus_count]);
        if (bus == NULL) {
            problem_set(problem, "out of memory");
            return false;
        }
        field->buses[field->bus_count] = bus;
        if (!bus_tty_try(bus, &why)) {
            log_warning("%s; it is tried again", why.text);
        }
    }
    return true;
}

struct field *field_open(const char *map, const char *const *buses, size_t bus_count,
                         int64_t late_max_ns, struct problem *problem)
{
    struct field *field = calloc(1, sizeof *field);
    const struct hal_bus *hals[DEVICE_MAP_BUSES_MAX] = { NULL };
    if (field == NULL) {
        problem_set(problem, "out of memory");
        return NULL;
    }
    if (!read_map(field, map, problem) || !make_buses(field, buses, bus_count, problem)) {
        field_free(field);
        return NULL;
    }
    for (size_t i = 0; i < field->bus_count; i++) {
        hals[i] = bus_tty_hal(field->buses[i]);
    }
    struct hub_options options = { SLACK, late_max_ns };
    hub_init(&field->hub, &field->map, hals, field->bus_count, NULL, &options);
    return field;
}

void field_free(struct field *field)
{
    if (field != NULL) {
        for (size_t i = 0; i < field->bus_count; i++) {
            bus_tty_free(field->buses[i]);
        }
        free(field->text);
        free(field);
    }
}

const struct device_point *field_find(const struct field *field, struct phusa_text parameter)
{
    return device_map_find(&field->map, parameter);
}

bool field_bind(struct field *field, const struct phusa_text *parameters, size_t count)
{
    return hub_bind(&field->hub, parameters, count);
}

struct hal_sensors field_sensors(struct field *field)
{
    return hub_sensors(&field->hub);
}

struct hub *field_hub(struct field *field)
{
    return &field->hub;
}

int64_t field_round_max_ns(const struct field *field)
{
    return hub_round_max_ns(&field->hub);
}

int64_t field_step(struct field *field, struct hal_time now)
{
    return hub_step(&field->hub, now);
}

void field_print(const struct field *field, FILE *out)
{
    static const char *const NAMES[] = {
        [HUB_SILENT] = "silent",         [HUB_NOISE] = "noise",
        [HUB_BAD_CRC] = "bad crc",       [HUB_BAD_ADDRESS] = "bad address",
        [HUB_BAD_ANSWER] = "bad answer", [HUB_REFUSED] = "refused",
        [HUB_NOT_FINITE] = "no number",  [HUB_BUS_FAILED] = "bus failed",
        [HUB_LEFT_ALONE] = "left alone",
    };
    for (size_t i = 0; i < field->map.device_count; i++) {
        struct phusa_text name = field->map.devices[i].name;
        const struct hub_device *device = hub_device(&field->hub, i);
        fprintf(out, "phusa-station: device %.*s: asked %lu, answered %lu", (int)name.length,
                name.data, (unsigned long)device->asked, (unsigned long)device->answered);
        for (size_t k = 0; k < HUB_TROUBLES; k++) {
            if (device->troubles[k] > 0) {
                fprintf(out, ", %s %lu", NAMES[k], (unsigned long)device->troubles[k]);
            }
        }
        fputc('\n', out);
    }
}
