/*
 * A scan tells how the devices did in the latest round of the hub: asking them in between would
 * take what its pulse inputs counted from the next report.
 */
#include "technician.h"

#include "delivery.h"

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)

static void give_facts(void *context, struct field_facts *facts)
{
    const struct technician *technician = context;
    const struct technician_parts *parts = &technician->parts;
    const struct station_core *station = parts->station;
    const struct station_counters *counters = station_counters(station);
    const struct station_log *log = &station->log;
    const struct station_channel *unwired = station_unwired(station);
    uint64_t uncovered = delivery_covered_below(&station->delivery);
    uncovered = uncovered > log->first ? uncovered : log->first;
    *facts = (struct field_facts){
        .site = parts->site,
        .id = station->options.id,
        .firmware = phusa_text_of(station->options.firmware),
        .hardware = phusa_text_of(station->options.hardware),
        .boot = station->options.boot,
        .why = station->starts.why,
        .up_ns = technician->now.mono_ns - station->boot_mono_ns,
        .utc_offset_s = parts->utc_offset_s,
        .log_errors = counters->log_errors,
        .keep_errors = counters->keep_errors + (parts->trap != NULL ? parts->trap->keep_errors : 0),
        .overwritten = counters->overwritten,
        .held = log->next - log->first,
        .waiting = log->next > uncovered ? log->next - uncovered : 0,
        .days_held = station_log_days(log),
        .erases = parts->keep != NULL ? keep_erases(parts->keep) : 0,
        .unwired = unwired != NULL ? unwired->name : (struct phusa_text){ NULL, 0 },
        .connected = station->connection != 0,
        .connections = technician->connections,
        .receipted = technician->receipts > 0,
        .receipt_ns = technician->receipt_ns,
        .every_ns = station->settings.every_ns,
        .trap = parts->trap,
    };
}

/* The trap's classifier stands behind the devices of the hub. */
static enum hal_result find_classifier(const struct technician_parts *parts, size_t index,
                                       struct field_device *device)
{
    size_t devices = parts->hub != NULL ? parts->hub->map->device_count : 0;
    if (parts->classifier == NULL || index != devices) {
        return HAL_GONE;
    }
    *device = (struct field_device){ .bus = PHUSA_TEXT("uart"),
                                     .name = PHUSA_TEXT("classifier"),
                                     .answers = classifier_alive(parts->classifier,
                                                                 parts->trap->now.mono_ns) };
    return HAL_OK;
}

static enum hal_result scan(void *context, size_t index, struct field_device *device)
{
    static const struct phusa_text buses[] = { [DEVICE_MODBUS] = { "modbus", 6 },
                                               [DEVICE_SDI12] = { "sdi12", 5 },
                                               [DEVICE_INPUTS] = { "inputs", 6 } };
    const struct technician_parts *parts = &((const struct technician *)context)->parts;
    const struct hub *hub = parts->hub;
    if (hub == NULL || index >= hub->map->device_count) {
        return find_classifier(parts, index, device);
    }
    if (!hub_idle(hub)) {
        return HAL_AGAIN;
    }
    const struct device *wired = &hub->map->devices[index];
    *device = (struct field_device){ .bus = buses[wired->protocol],
                                     .name = wired->name,
                                     .address = wired->slave,
                                     .answers = hub_device(hub, index)->heard };
    if (wired->protocol == DEVICE_SDI12) { /* an address is a character, nearly always a digit */
        device->address = (uint32_t)(uint8_t)wired->measurement.address -
                          (wired->measurement.address <= '9' ? '0' : 0);
    }
    return HAL_OK;
}

static bool last(void *context, size_t index, struct field_reading *reading)
{
    const struct station_core *station = ((const struct technician *)context)->parts.station;
    const struct sampling *sampling = &station->sampling;
    if (index >= station->options.channel_count || sampling->reported_known == 0) {
        return false;
    }
    const struct station_channel *channel = &station->options.channels[index];
    *reading = (struct field_reading){ .name = channel->name,
                                       .unit = channel->unit,
                                       .value = sampling->reported[index],
                                       .present = (sampling->reported_known >> index & 1) != 0,
                                       .state = sampling->states[index] };
    return true;
}

static enum field_lamp lamp(void *context, enum trap_order order, uint32_t minutes)
{
    const struct technician *technician = context;
    struct trap *trap = technician->parts.trap;
    if (trap == NULL) {
        return FIELD_LAMP_NONE;
    }
    if (order == TRAP_ON && trap_refusal(trap) != NULL) {
        return FIELD_LAMP_BATTERY;
    }
    trap_order(trap, order, trap->now.mono_ns + minutes * MINUTE); /* by the trap's own clock */
    return FIELD_LAMP_ORDERED;
}

static void set_light(struct technician *technician, int64_t until_ns)
{
    const struct technician_parts *parts = &technician->parts;
    parts->pins.set(parts->pins.context, parts->light, until_ns != 0);
    technician->light_until_ns = until_ns;
}

static void identify(void *context, uint32_t seconds)
{
    struct technician *technician = context;
    set_light(technician, technician->now.mono_ns + seconds * SECOND);
}

static void write_out(void *context, const char *bytes, size_t length)
{
    const struct technician_parts *parts = &((const struct technician *)context)->parts;
    parts->write(parts->context, bytes, length);
}

void technician_init(struct technician *technician, const struct technician_parts *parts,
                     struct hal_time now)
{
    *technician = (struct technician){ .parts = *parts, .now = now };
    struct field_port port = { .context = technician,
                               .write = write_out,
                               .facts = give_facts,
                               .scan = scan,
                               .last = last,
                               .lamp = lamp,
                               .identify = parts->pins.set != NULL ? identify : NULL };
    field_console_init(&technician->console, &port);
}

void technician_step(struct technician *technician, struct hal_time now)
{
    const struct station_core *station = technician->parts.station;
    uint64_t receipts = station_counters(station)->receipts;
    technician->now = now;
    if (receipts != technician->receipts) {
        technician->receipts = receipts;
        technician->receipt_ns = now.mono_ns;
    }
    technician->connections +=
        station->connection != technician->connection && station->connection != 0;
    technician->connection = station->connection;
    if (technician->light_until_ns != 0 && now.mono_ns >= technician->light_until_ns) {
        set_light(technician, 0);
    }
    (void)field_console_step(&technician->console, now);
}

void technician_take(struct technician *technician, const void *bytes, size_t length,
                     struct hal_time now)
{
    technician->now = now;
    field_console_take(&technician->console, bytes, length, now);
}
