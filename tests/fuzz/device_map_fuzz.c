/* Device maps: one that is accepted is whole and makes a hub; one that is not says where and why.
 */
#include "../unit/hub_round.h"
#include "fuzz.h"

static bool inside(struct phusa_text part, struct phusa_text whole)
{
    return part.length == 0 ||
           (part.data >= whole.data && part.data + part.length <= whole.data + whole.length);
}

static void check_point(const struct device_map *map, const struct device_point *point)
{
    ENSURE(point->device < map->device_count);
    ENSURE(point->name.length <= DEVICE_MAP_NAME_MAX && point->unit.length <= DEVICE_MAP_UNIT_MAX);
    ENSURE(point->divide != 0 && point->decimals <= DEVICE_MAP_DECIMALS_MAX);
    enum device_protocol protocol = map->devices[point->device].protocol;
    ENSURE((protocol == DEVICE_SDI12) == (point->source == DEVICE_VALUE));
    ENSURE((protocol == DEVICE_MODBUS) ==
           (point->source == DEVICE_REGISTER || point->source == DEVICE_STATE));
    ENSURE(point->source == DEVICE_STATE || device_map_find(map, point->name) == point);
    (void)device_point_value(point, 12345.6789);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct device_map map;
    static struct hub hub;
    struct device_map_error error;
    struct phusa_text text = { fuzz_text(data, size), size };
    if (!device_map_parse(&map, text, &error)) {
        ENSURE(error.what != NULL && error.line <= size + 1 && inside(error.word, text));
        return 0;
    }
    for (size_t i = 0; i < map.point_count; i++) {
        check_point(&map, &map.points[i]);
        ENSURE(inside(map.points[i].name, text) && inside(map.points[i].unit, text));
        ENSURE(i == 0 || map.points[i].device >= map.points[i - 1].device);
    }
    hub_init(&hub, &map, NULL, 0, NULL, &(struct hub_options){ 0, 0 });
    struct hal_sensors sensors = hub_sensors(&hub);
    sensors.begin(sensors.context, 0);
    for (int steps = 0; !round_is_over(&hub); steps++) {
        ENSURE(steps < 1000);
        (void)hub_step(&hub, (struct hal_time){ 0 });
    }
    return 0;
}
