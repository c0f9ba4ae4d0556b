/*
 * A scan asks the devices of the hub one after the other, in the gaps of its rounds (ask.h). Beside
 * it stands how long ago the rounds had a good answer: that is noticed here, at each step.
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
    const struct hal_network *network = &station->ports.network;
    for (int i = 0; network->troubles != NULL && i < HAL_TROUBLES; i++) {
        facts->troubles[i] = network->troubles(network->context, (enum hal_trouble)i);
    }
}

/* --- the scan --------------------------------------------------------------------------- */

/* Answers with values: devices that refuse answer, too. */
static uint32_t good_answers(const struct hub_device *device)
{
    return device->answered - device->troubles[HUB_REFUSED];
}

static void notice_measurements(struct technician *technician)
{
    const struct hub *hub = technician->parts.hub;
    for (size_t i = 0; hub != NULL && i < hub->map->device_count; i++) {
        struct technician_measured *measured = &technician->measured[i];
        uint32_t good = good_answers(hub_device(hub, i));
        if (good != measured->good) {
            *measured = (struct technician_measured){ good, technician->now.mono_ns };
        }
    }
}

static void fill_round(const struct technician *technician, size_t index,
                       struct field_device *device)
{
    const struct technician_measured *measured = &technician->measured[index];
    if (device->bus == FIELD_INPUT) {
        return; /* read without being asked */
    }
    if (measured->good > 0) {
        device->round = FIELD_GOOD;
        device->age_ns = technician->now.mono_ns - measured->at_ns;
    } else {
        bool asked = hub_device(technician->parts.hub, index)->asked > 0;
        device->round = asked ? FIELD_NEVER_GOOD : FIELD_NOT_ASKED;
    }
}

static void fill_place(struct technician *technician, size_t index, struct field_device *device)
{
    const struct device *wired = &technician->parts.hub->map->devices[index];
    device->name = wired->name;
    if (wired->protocol == DEVICE_MODBUS) {
        device->bus = FIELD_MODBUS;
        device->address = (struct phusa_text){ technician->digits,
                                               phusa_uint_print(wired->slave, technician->digits) };
    } else if (wired->protocol == DEVICE_SDI12) {
        device->bus = FIELD_SDI12;
        device->address = (struct phusa_text){ &wired->measurement.address, 1 };
    } else {
        device->bus = FIELD_INPUT;
    }
}

static enum field_answer failure(enum hub_trouble trouble)
{
    switch (trouble) {
    case HUB_NOISE:
        return FIELD_NOISE;
    case HUB_BAD_CRC:
        return FIELD_DAMAGED;
    case HUB_BAD_ADDRESS:
        return FIELD_STRANGER;
    case HUB_BAD_ANSWER:
        return FIELD_MALFORMED;
    case HUB_REFUSED:
        return FIELD_REFUSED;
    case HUB_BUS_FAILED:
        return FIELD_NOT_SENT;
    default:
        return FIELD_SILENT;
    }
}

static void fill_answer(const struct technician *technician, struct field_device *device)
{
    const struct ask *ask = &technician->ask;
    const struct technician_measured *measured = &technician->measured[ask->device];
    device->exception = ask->exception;
    device->milliamperes = ask->current_ua / 1000.0;
    switch (ask->result) {
    case ASK_ANSWERS:
        device->answer = ask->has_current ? FIELD_CURRENT : FIELD_ANSWERS;
        break;
    case ASK_NOTHING:
        device->answer = FIELD_NOTHING;
        break;
    case ASK_BAD_CURRENT:
        device->answer = FIELD_BAD_CURRENT;
        break;
    case ASK_LINE_TAKEN: /* but a round may have asked it meanwhile */
        device->answer = measured->good > 0 && measured->at_ns >= technician->asked_ns
                             ? FIELD_ANSWERS
                             : FIELD_LINE_TAKEN;
        break;
    default:
        device->answer = failure(ask->trouble);
    }
}

/* The trap's classifier stands behind the devices of the hub; it speaks without being asked. */
static enum hal_result find_classifier(const struct technician_parts *parts, size_t index,
                                       struct field_device *device)
{
    size_t devices = parts->hub != NULL ? parts->hub->map->device_count : 0;
    const struct classifier *classifier = parts->classifier;
    if (classifier == NULL || index != devices) {
        return HAL_GONE;
    }
    int64_t now_ns = parts->trap->now.mono_ns;
    bool alive = classifier_alive(classifier, now_ns);
    *device = (struct field_device){ .bus = FIELD_UART,
                                     .name = PHUSA_TEXT("classifier"),
                                     .answer = alive ? FIELD_ANSWERS : FIELD_SILENT,
                                     .round = classifier->heard ? FIELD_GOOD : FIELD_NEVER_GOOD,
                                     .age_ns = now_ns - classifier->heard_ns };
    return HAL_OK;
}

static enum hal_result scan(void *context, size_t index, struct field_device *device)
{
    struct technician *technician = context;
    struct hub *hub = technician->parts.hub;
    if (hub == NULL || index >= hub->map->device_count) {
        return find_classifier(&technician->parts, index, device);
    }
    if (!technician->asking) {
        ask_begin(&technician->ask, hub, index);
        technician->asking = true;
        technician->asked_ns = technician->now.mono_ns;
    }
    bool over = ask_step(&technician->ask) != ASK_UNDER_WAY;
    technician->asking = !over;
    if (!over || technician->ask.device != index) { /* another one, of a scan that was given up */
        return HAL_AGAIN;
    }
    *device = (struct field_device){ .round = FIELD_NO_ROUND };
    fill_place(technician, index, device);
    fill_round(technician, index, device);
    fill_answer(technician, device);
    return HAL_OK;
}

/* A scan was given up: the device that was being asked may still use the line. */
static void let_end(struct technician *technician)
{
    if (technician->asking && !technician->console.scanning) {
        technician->asking = ask_step(&technician->ask) == ASK_UNDER_WAY;
    }
}

/* --- the port of the console -------------------------------------------------------------- */

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
    notice_measurements(technician);
    (void)field_console_step(&technician->console, now);
    let_end(technician);
}

void technician_greet(struct technician *technician)
{
    struct field_port port = technician->console.port;
    field_console_init(&technician->console, &port);
}

void technician_take(struct technician *technician, const void *bytes, size_t length,
                     struct hal_time now)
{
    technician->now = now;
    field_console_take(&technician->console, bytes, length, now);
}
