#include "ask.h"

#include "current_loop.h"
#include "hub_inside.h"

static const struct device *device_of(const struct ask *ask)
{
    return &ask->hub->map->devices[ask->device];
}

static size_t first_job(const struct hub *hub, size_t device)
{
    for (size_t i = 0; i < hub->job_count; i++) {
        if (hub->jobs[i].device == device) {
            return i;
        }
    }
    return NO_JOB;
}

static enum ask_result fail(struct ask *ask, enum hub_trouble trouble)
{
    ask->trouble = trouble;
    return ASK_FAILED;
}

/* --- inputs ------------------------------------------------------------------------- */

static enum ask_result measure_loop(struct ask *ask, unsigned input)
{
    const struct hal_pins *pins = ask->hub->pins;
    if (pins == NULL || pins->current_ua == NULL ||
        pins->current_ua(pins->context, input, &ask->current_ua) != HAL_OK) {
        return fail(ask, HUB_BUS_FAILED);
    }
    ask->has_current = true;
    enum current_loop_state state = current_loop_state(ask->current_ua);
    bool bad = state == CURRENT_LOOP_FAULT_BELOW || state == CURRENT_LOOP_FAULT_ABOVE;
    return bad ? ASK_BAD_CURRENT : ASK_ANSWERS;
}

/* All loops of the device, up to the first that is bad. */
static enum ask_result measure_inputs(struct ask *ask)
{
    const struct device_map *map = ask->hub->map;
    enum ask_result result = ASK_NOTHING;
    for (size_t i = 0; i < map->point_count; i++) {
        const struct device_point *point = &map->points[i];
        if (point->device == ask->device && point->source == DEVICE_LOOP) {
            result = measure_loop(ask, point->at);
            if (result != ASK_ANSWERS) {
                break;
            }
        }
    }
    return result;
}

/* --- lines -------------------------------------------------------------------------- */

/* True if no round has anything to do on the lane. */
static bool is_free(const struct hub *hub, size_t index)
{
    const struct hub_lane *lane = &hub->lanes[index];
    if (lane->lent || lane->job != NO_JOB) {
        return false;
    }
    for (size_t i = 0; i < hub->job_count; i++) {
        if (hub->map->devices[hub->jobs[i].device].bus == index && hub->jobs[i].state != JOB_DONE) {
            return false;
        }
    }
    return true;
}

static enum ask_result begin_talk(struct ask *ask)
{
    struct hub *hub = ask->hub;
    const struct device *device = device_of(ask);
    struct hub_lane *lane = &hub->lanes[device->bus];
    const struct hub_job *job = &hub->jobs[ask->job];
    bool modbus = device->protocol == DEVICE_MODBUS;
    if (!is_free(hub, device->bus) || (modbus && hub_is_tainted(hub, job))) {
        return hub->now.mono_ns < ask->until_ns ? ASK_UNDER_WAY
               : ask->tried                     ? ASK_FAILED
                                                : ASK_LINE_TAKEN;
    }
    if (!hub_configure(hub, device->bus)) {
        return fail(ask, HUB_BUS_FAILED);
    }
    lane->lent = ask->talking = ask->tried = true;
    if (modbus) {
        hub_begin_modbus(hub, lane, job);
    } else {
        sdi12_ping(&lane->machine.sdi12, device->measurement.address, hub->now.mono_ns);
    }
    return ASK_UNDER_WAY;
}

static enum ask_result talk_modbus(struct ask *ask, struct hub_lane *lane)
{
    struct hub *hub = ask->hub;
    struct modbus_master *modbus = &lane->machine.modbus;
    enum modbus_result result = modbus_step(modbus, hub->now.mono_ns);
    if (result == MODBUS_BUSY) {
        return ASK_UNDER_WAY;
    }
    if (result == MODBUS_OK) {
        return ASK_ANSWERS;
    }
    if (result == MODBUS_EXCEPTION) {
        ask->exception = modbus_exception(modbus);
    } else {
        hub->devices[ask->device].clean_ns = hub_late_until(hub, &hub->jobs[ask->job]);
    }
    lane->configured = result != MODBUS_BUS_FAILED;
    return fail(ask, hub_modbus_trouble(result));
}

static enum ask_result talk_sdi12(struct ask *ask, struct hub_lane *lane)
{
    struct sdi12 *sdi12 = &lane->machine.sdi12;
    enum sdi12_result result = sdi12_step(sdi12, ask->hub->now.mono_ns);
    if (result == SDI12_BUSY) {
        return ASK_UNDER_WAY;
    }
    if (result == SDI12_OK) {
        return sdi12_text(sdi12).length == 0 ? ASK_ANSWERS : fail(ask, HUB_BAD_ANSWER);
    }
    lane->configured = result != SDI12_BUS_FAILED;
    return fail(ask, hub_sdi12_trouble(result));
}

/* An exchange has ended: the line goes back, and there may be another one. */
static enum ask_result end_talk(struct ask *ask, struct hub_lane *lane, enum ask_result result)
{
    lane->lent = ask->talking = false;
    if (result == ASK_ANSWERS) {
        ask->hub->devices[ask->device].failed_rounds = 0;
        return result;
    }
    if (--ask->attempts == 0) {
        return result;
    }
    ask->until_ns = ask->hub->now.mono_ns + ASK_LINE_NS;
    return ASK_UNDER_WAY;
}

static enum ask_result step(struct ask *ask)
{
    const struct device *device = device_of(ask);
    struct hub_lane *lane = &ask->hub->lanes[device->bus];
    if (!ask->talking) {
        return begin_talk(ask);
    }
    enum ask_result result =
        device->protocol == DEVICE_MODBUS ? talk_modbus(ask, lane) : talk_sdi12(ask, lane);
    return result == ASK_UNDER_WAY ? result : end_talk(ask, lane, result);
}

void ask_begin(struct ask *ask, struct hub *hub, size_t device)
{
    *ask = (struct ask){ .hub = hub,
                         .device = device,
                         .job = first_job(hub, device),
                         .until_ns = hub->now.mono_ns + ASK_LINE_NS };
    enum device_protocol protocol = device_of(ask)->protocol;
    ask->attempts = protocol == DEVICE_MODBUS ? ASK_ATTEMPTS : 1;
    if (protocol == DEVICE_INPUTS) {
        ask->result = measure_inputs(ask);
    } else if (ask->job == NO_JOB) {
        ask->result = ASK_NOTHING;
    }
}

enum ask_result ask_step(struct ask *ask)
{
    if (ask->result == ASK_UNDER_WAY) {
        ask->result = step(ask);
    }
    return ask->result;
}
