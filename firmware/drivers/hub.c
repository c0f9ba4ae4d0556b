#include "hub.h"

#include <string.h>

#include "current_loop.h"
#include "hub_inside.h"

#define MILLI     INT64_C(1000000)
#define SECOND    INT64_C(1000000000)
#define POLL      MILLI         /* while a line is in use: a character at 9,600 baud */
#define RATE_POLL (10 * SECOND) /* of pulses that do not bounce */
#define EXCHANGE_MAX                                                                               \
    (4 * SECOND) /* of Modbus beside its timeout: a busy line, sending, a babbler */
#define COMMANDS_MAX (30 * SECOND) /* of SDI-12 beside the wait: 11 commands, all repeated */
#define NO_ROUND     INT64_MIN

/* TT 10/2021: state of a device. */
enum { STATE_MEASURING = 0, STATE_CALIBRATING = 1, STATE_FAULT = 2 };

/* --- jobs --------------------------------------------------------------------------- */

/* True if a point can join the request of a job: it follows it without a gap. */
static bool joins(const struct device *device, const struct hub_job *job,
                  const struct device_point *point)
{
    size_t width = modbus_width((enum modbus_type)point->type);
    return job->count > 0 && point->function == job->request.function &&
           point->at == job->request.address + job->request.count &&
           job->request.count + width <= device->span;
}

static struct hub_job *add_job(struct hub *hub, size_t device, size_t point)
{
    struct hub_job *job = &hub->jobs[hub->job_count++];
    *job = (struct hub_job){ .device = (uint8_t)device, .first = (uint8_t)point };
    return job;
}

static struct hub_job *add_request(struct hub *hub, size_t device, size_t point)
{
    const struct device_point *at = &hub->map->points[point];
    struct hub_job *job = add_job(hub, device, point);
    job->request = (struct modbus_request){ .slave = hub->map->devices[device].slave,
                                            .function = at->function,
                                            .address = at->at };
    return job;
}

/* Points stand in the order of their devices, and every job has one at least: jobs suffice. */
static void make_jobs(struct hub *hub)
{
    struct hub_job *job = NULL;
    for (size_t i = 0; i < hub->map->point_count; i++) {
        const struct device_point *point = &hub->map->points[i];
        const struct device *device = &hub->map->devices[point->device];
        bool same = job != NULL && job->device == point->device;
        if (device->protocol == DEVICE_INPUTS) {
            continue;
        }
        if (device->protocol == DEVICE_SDI12) {
            job = same ? job : add_job(hub, point->device, i);
        } else {
            job = same && joins(device, job, point) ? job : add_request(hub, point->device, i);
            job->request.count =
                (uint16_t)(job->request.count + modbus_width((enum modbus_type)point->type));
        }
        job->count++;
    }
}

static const struct device *device_of(const struct hub *hub, const struct hub_job *job)
{
    return &hub->map->devices[job->device];
}

/* --- results ------------------------------------------------------------------------ */

static void count_trouble(struct hub *hub, size_t device, enum hub_trouble trouble)
{
    hub->devices[device].troubles[trouble]++;
}

static void set_points(struct hub *hub, const struct hub_job *job, enum hal_sample_kind kind)
{
    for (size_t i = job->first; i < (size_t)job->first + job->count; i++) {
        hub->samples[i] = (struct hal_sample){ .kind = kind };
    }
}

/* What a finite or not finite raw value says. */
static struct hal_sample judge_raw(struct hub *hub, const struct device_point *point, double raw)
{
    if (point->has_absent && raw == point->absent) {
        return (struct hal_sample){ .kind = HAL_SAMPLE_MISSING };
    }
    double value = device_point_value(point, raw);
    if (!(value - value == 0)) { /* neither NaN nor infinite */
        count_trouble(hub, point->device, HUB_NOT_FINITE);
        return (struct hal_sample){ .kind = HAL_SAMPLE_FAILED };
    }
    return (struct hal_sample){ .kind = HAL_SAMPLE_VALUE, .value = value };
}

static uint8_t state_from(const struct device *device, unsigned bits)
{
    if ((bits & device->state_fault) != 0) {
        return STATE_FAULT;
    }
    return (bits & device->state_calibrating) != 0 ? STATE_CALIBRATING : STATE_MEASURING;
}

static void fill_registers(struct hub *hub, const struct hub_job *job, const uint8_t *data)
{
    for (size_t i = job->first; i < (size_t)job->first + job->count; i++) {
        const struct device_point *point = &hub->map->points[i];
        enum modbus_type type = (enum modbus_type)point->type;
        double raw = modbus_value(data, type, (enum modbus_order)point->order);
        if (point->source == DEVICE_STATE) {
            uint8_t state = state_from(device_of(hub, job), (unsigned)raw);
            hub->samples[i] = (struct hal_sample){ .kind = HAL_SAMPLE_VALUE, .state = state };
        } else {
            hub->samples[i] = judge_raw(hub, point, raw);
        }
        data += 2 * modbus_width(type);
    }
}

static void fill_values(struct hub *hub, const struct hub_job *job, const double *values,
                        size_t count)
{
    for (size_t i = job->first; i < (size_t)job->first + job->count; i++) {
        const struct device_point *point = &hub->map->points[i];
        if (point->at < count) {
            hub->samples[i] = judge_raw(hub, point, values[point->at]);
        } else {
            count_trouble(hub, point->device, HUB_BAD_ANSWER);
            hub->samples[i] = (struct hal_sample){ .kind = HAL_SAMPLE_FAILED };
        }
    }
}

/* --- devices that answer and devices that do not -------------------------------------------- */

static void hear(struct hub *hub, const struct hub_job *job)
{
    struct hub_device *device = &hub->devices[job->device];
    device->answered++;
    device->heard = true;
    device->ailing = false;
    device->failed_rounds = 0;
}

static void fail_job(struct hub *hub, struct hub_job *job)
{
    set_points(hub, job, HAL_SAMPLE_FAILED);
    job->state = JOB_DONE;
}

/* The device did not answer to anything in this round: nothing else is asked of it. */
static void give_up(struct hub *hub, size_t index, enum hub_trouble trouble)
{
    struct hub_device *device = &hub->devices[index];
    for (size_t i = 0; i < hub->job_count; i++) {
        if (hub->jobs[i].device == index && hub->jobs[i].state == JOB_TODO) {
            fail_job(hub, &hub->jobs[i]);
        }
    }
    if (trouble == HUB_BUS_FAILED) {
        return; /* which is not the device's fault, and costs no time */
    }
    device->failed_rounds += device->failed_rounds < UINT32_MAX;
    if (device->failed_rounds >= HUB_BACKOFF_AFTER) {
        uint32_t doublings = device->failed_rounds - HUB_BACKOFF_AFTER;
        int64_t pause = doublings < 5 ? HUB_BACKOFF_FIRST << doublings : HUB_BACKOFF_MAX;
        pause = pause < HUB_BACKOFF_MAX ? pause : HUB_BACKOFF_MAX;
        device->alone_until_ns = hub->now.mono_ns + pause;
    }
}

/* A request failed: it is put behind those of the others, or given up. */
static void fail_attempt(struct hub *hub, struct hub_job *job, enum hub_trouble trouble)
{
    struct hub_device *device = &hub->devices[job->device];
    count_trouble(hub, job->device, trouble);
    device->ailing = true;
    job->attempts--; /* at least 1 while a job is to be done */
    if (job->attempts > 0) {
        job->state = JOB_TODO;
        return;
    }
    fail_job(hub, job);
    if (!device->heard) {
        give_up(hub, job->device, trouble);
    }
}

/* The device answers, but will not do it. */
static void refuse(struct hub *hub, struct hub_job *job, bool later)
{
    hear(hub, job);
    count_trouble(hub, job->device, HUB_REFUSED);
    job->attempts--; /* at least 1 while a job is to be done */
    if (later && job->attempts > 0) {
        job->state = JOB_TODO;
        hub->devices[job->device].ailing = true; /* others first */
    } else {
        fail_job(hub, job);
    }
}

/* --- Modbus --------------------------------------------------------------------------------- */

bool hub_is_tainted(const struct hub *hub, const struct hub_job *job)
{
    const struct hub_device *device = &hub->devices[job->device];
    return hub->now.mono_ns < device->clean_ns && &hub->jobs[device->last] != job;
}

int64_t hub_late_until(const struct hub *hub, const struct hub_job *job)
{
    return hub->devices[job->device].begun_ns + 2 * MILLI * device_of(hub, job)->timeout_ms;
}

void hub_begin_modbus(struct hub *hub, struct hub_lane *lane, const struct hub_job *job)
{
    struct hub_device *device = &hub->devices[job->device];
    int64_t timeout = device_of(hub, job)->timeout_ms * MILLI;
    device->begun_ns = hub->now.mono_ns;
    device->last = (uint8_t)(job - hub->jobs);
    if (hub->now.mono_ns < device->clean_ns) {
        device->clean_ns =
            hub_late_until(hub, job); /* an earlier answer may come in place of this one's */
    }
    modbus_begin(&lane->machine.modbus, &job->request, timeout, hub->now.mono_ns);
}

static void refuse_exception(struct hub *hub, struct hub_lane *lane, struct hub_job *job)
{
    uint8_t code = modbus_exception(&lane->machine.modbus);
    refuse(hub, job, code == MODBUS_EXCEPTION_ACKNOWLEDGE || code == MODBUS_EXCEPTION_DEVICE_BUSY);
}

enum hub_trouble hub_modbus_trouble(enum modbus_result result)
{
    static const uint8_t TROUBLES[] = {
        [MODBUS_SILENT] = HUB_SILENT,         [MODBUS_NOISE] = HUB_NOISE,
        [MODBUS_BAD_CRC] = HUB_BAD_CRC,       [MODBUS_BAD_ADDRESS] = HUB_BAD_ADDRESS,
        [MODBUS_BAD_ANSWER] = HUB_BAD_ANSWER, [MODBUS_EXCEPTION] = HUB_REFUSED,
        [MODBUS_BUS_FAILED] = HUB_BUS_FAILED,
    };
    return (enum hub_trouble)TROUBLES[result];
}

/* False while it is under way. */
static bool step_modbus(struct hub *hub, struct hub_lane *lane, struct hub_job *job)
{
    enum modbus_result result = modbus_step(&lane->machine.modbus, hub->now.mono_ns);
    if (result == MODBUS_BUSY) {
        return false;
    }
    if (result == MODBUS_OK) {
        hear(hub, job);
        fill_registers(hub, job, modbus_data(&lane->machine.modbus));
        job->state = JOB_DONE;
    } else if (result == MODBUS_EXCEPTION) {
        refuse_exception(hub, lane, job);
    } else {
        hub->devices[job->device].clean_ns = hub_late_until(hub, job);
        lane->configured = result != MODBUS_BUS_FAILED;
        fail_attempt(hub, job, hub_modbus_trouble(result));
    }
    return true;
}

/* --- SDI-12 ------------------------------------------------------------------------- */

static void begin_sdi12(struct hub *hub, struct hub_lane *lane, const struct hub_job *job,
                        bool collect)
{
    const struct device *device = device_of(hub, job);
    struct sdi12 *sdi12 = &lane->machine.sdi12;
    if (collect) {
        sdi12_collect(sdi12, &device->measurement, job->expected, hub->now.mono_ns);
    } else {
        sdi12_start(sdi12, &device->measurement, device->wait_max_s, hub->now.mono_ns);
    }
}

static void take_measurement(struct hub *hub, struct hub_lane *lane, struct hub_job *job)
{
    size_t count = 0;
    const double *values = sdi12_values(&lane->machine.sdi12, &count);
    hear(hub, job);
    if (device_of(hub, job)->measurement.concurrent && count == 0) {
        job->expected = (uint8_t)sdi12_expected(&lane->machine.sdi12);
        job->due_ns = hub->now.mono_ns + (int64_t)sdi12_wait_s(&lane->machine.sdi12) * SECOND;
        job->state = JOB_WAITING;
        return;
    }
    fill_values(hub, job, values, count);
    job->state = JOB_DONE;
}

enum hub_trouble hub_sdi12_trouble(enum sdi12_result result)
{
    static const uint8_t TROUBLES[] = {
        [SDI12_SILENT] = HUB_SILENT,         [SDI12_BAD_ADDRESS] = HUB_BAD_ADDRESS,
        [SDI12_BAD_CRC] = HUB_BAD_CRC,       [SDI12_BAD_ANSWER] = HUB_BAD_ANSWER,
        [SDI12_ABORTED] = HUB_REFUSED,       [SDI12_TOO_SLOW] = HUB_REFUSED,
        [SDI12_BUS_FAILED] = HUB_BUS_FAILED,
    };
    return (enum hub_trouble)TROUBLES[result];
}

static bool step_sdi12(struct hub *hub, struct hub_lane *lane, struct hub_job *job)
{
    enum sdi12_result result = sdi12_step(&lane->machine.sdi12, hub->now.mono_ns);
    if (result == SDI12_BUSY) {
        return false;
    }
    if (result == SDI12_OK) {
        take_measurement(hub, lane, job);
    } else if (result == SDI12_ABORTED || result == SDI12_TOO_SLOW) {
        refuse(hub, job, result == SDI12_ABORTED); /* how many values come has no checksum */
    } else {
        lane->configured = result != SDI12_BUS_FAILED;
        fail_attempt(hub, job, hub_sdi12_trouble(result));
    }
    return true;
}

/* --- a bus -------------------------------------------------------------------------- */

static bool on_lane(const struct hub *hub, const struct hub_job *job, size_t lane)
{
    return device_of(hub, job)->bus == lane;
}

/* A sensor that measures beside others must not be spoken to meanwhile. */
static bool measures(const struct hub *hub, size_t lane, char address)
{
    for (size_t i = 0; i < hub->job_count; i++) {
        const struct hub_job *job = &hub->jobs[i];
        if (job->state == JOB_WAITING && on_lane(hub, job, lane) &&
            device_of(hub, job)->measurement.address == address) {
            return true;
        }
    }
    return false;
}

static bool may_begin(const struct hub *hub, const struct hub_job *job, size_t lane, bool ailing)
{
    const struct device *device = device_of(hub, job);
    if (job->state != JOB_TODO || hub->devices[job->device].ailing != ailing) {
        return false;
    }
    return device->protocol == DEVICE_MODBUS ? !hub_is_tainted(hub, job)
                                             : !measures(hub, lane, device->measurement.address);
}

static bool is_due(const struct hub *hub, const struct hub_job *job)
{
    return job->state == JOB_WAITING && hub->now.mono_ns >= job->due_ns;
}

/* What is to be collected goes first, then healthy devices, then those that failed. */
static size_t pick(const struct hub *hub, size_t lane)
{
    size_t healthy = NO_JOB, ailing = NO_JOB;
    for (size_t i = 0; i < hub->job_count; i++) {
        size_t index = (hub->lanes[lane].next + i) % hub->job_count;
        const struct hub_job *job = &hub->jobs[index];
        if (!on_lane(hub, job, lane)) {
            continue;
        }
        if (is_due(hub, job)) {
            return index;
        }
        if (healthy == NO_JOB && may_begin(hub, job, lane, false)) {
            healthy = index;
        }
        if (ailing == NO_JOB && may_begin(hub, job, lane, true)) {
            ailing = index;
        }
    }
    return healthy != NO_JOB ? healthy : ailing;
}

bool hub_configure(struct hub *hub, size_t index)
{
    struct hub_lane *lane = &hub->lanes[index];
    const struct device_bus *bus = &hub->map->buses[index];
    if (lane->configured) {
        return true;
    }
    if (lane->bus == NULL || lane->bus->configure(lane->bus->context, &bus->line) != HAL_OK) {
        return false;
    }
    lane->configured = true;
    if (bus->protocol == DEVICE_MODBUS) {
        modbus_init(&lane->machine.modbus, lane->bus, &bus->line, hub->options.slack_ns);
    } else {
        sdi12_init(&lane->machine.sdi12, lane->bus, hub->options.slack_ns);
    }
    return true;
}

static void begin_job(struct hub *hub, size_t index, size_t number)
{
    struct hub_lane *lane = &hub->lanes[index];
    struct hub_job *job = &hub->jobs[number];
    bool collect = job->state == JOB_WAITING;
    lane->next = (uint8_t)((number + 1) % hub->job_count);
    if (!hub_configure(hub, index)) {
        fail_attempt(hub, job, HUB_BUS_FAILED);
        return;
    }
    lane->job = (uint8_t)number;
    job->state = JOB_RUNNING;
    hub->devices[job->device].asked++;
    if (hub->map->buses[index].protocol == DEVICE_MODBUS) {
        hub_begin_modbus(hub, lane, job);
    } else {
        begin_sdi12(hub, lane, job, collect);
    }
}

/* Goes on with the job under way; true if there is none (any more). */
static bool step_job(struct hub *hub, struct hub_lane *lane, size_t index)
{
    if (lane->job == NO_JOB) {
        return true;
    }
    struct hub_job *job = &hub->jobs[lane->job];
    bool ended = hub->map->buses[index].protocol == DEVICE_MODBUS ? step_modbus(hub, lane, job)
                                                                  : step_sdi12(hub, lane, job);
    if (ended) {
        lane->job = NO_JOB;
    }
    return ended;
}

/* When a bus that does nothing has something to collect, or may ask on. */
static int64_t next_due(const struct hub *hub, size_t lane)
{
    int64_t next = INT64_MAX;
    bool modbus = hub->map->buses[lane].protocol == DEVICE_MODBUS;
    for (size_t i = 0; i < hub->job_count; i++) {
        const struct hub_job *job = &hub->jobs[i];
        int64_t due = INT64_MAX;
        if (!on_lane(hub, job, lane)) {
            continue;
        }
        if (job->state == JOB_WAITING) {
            due = job->due_ns;
        } else if (job->state == JOB_TODO && modbus) {
            due = hub->devices[job->device].clean_ns;
        }
        next = due < next ? due : next;
    }
    return next;
}

static int64_t step_lane(struct hub *hub, size_t index)
{
    struct hub_lane *lane = &hub->lanes[index];
    if (lane->lent || !step_job(hub, lane, index)) {
        return hub->now.mono_ns + POLL;
    }
    size_t number = pick(hub, index);
    if (number == NO_JOB) {
        return next_due(hub, index);
    }
    begin_job(hub, index, number);
    return hub->now.mono_ns;
}

/* --- inputs ------------------------------------------------------------------------- */

static struct hal_sample read_loop(struct hub *hub, const struct device_point *point)
{
    int32_t current = 0;
    if (hub->pins == NULL || hub->pins->current_ua == NULL ||
        hub->pins->current_ua(hub->pins->context, point->at, &current) != HAL_OK) {
        count_trouble(hub, point->device, HUB_BUS_FAILED);
        return (struct hal_sample){ .kind = HAL_SAMPLE_FAILED };
    }
    struct hal_sample sample =
        judge_raw(hub, point, current_loop_value(current, point->zero, point->full));
    if (current_loop_state(current) != CURRENT_LOOP_MEASURING) {
        sample.state = STATE_FAULT;
    }
    return sample;
}

static uint32_t edges_of(const struct hub *hub, const struct hub_pulse *pulse)
{
    return hub->pins->edges(hub->pins->context, hub->map->points[pulse->point].at);
}

static void init_pulse(const struct hub *hub, struct hub_pulse *input)
{
    const struct device_point *point = &hub->map->points[input->point];
    pulse_init(&input->pulse, point->debounce_ms * MILLI, edges_of(hub, input), hub->now.mono_ns);
    input->rate = (struct pulse_rate){ .most = point->rate, .minute_ns = hub->now.mono_ns };
}

/* When an input must be looked at again, so as to tell bounces and what is too fast. */
static int64_t look_again(const struct hub *hub, const struct device_point *point)
{
    if (point->debounce_ms > 0) {
        return hub->now.mono_ns + point->debounce_ms * MILLI;
    }
    return point->rate > 0 ? hub->now.mono_ns + RATE_POLL : INT64_MAX;
}

/* Looks at the pulse inputs; returns when they must be looked at again. */
static int64_t poll_pulses(struct hub *hub)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < hub->pulse_count; i++) {
        struct hub_pulse *input = &hub->pulses[i];
        const struct device_point *point = &hub->map->points[input->point];
        if (!hub->stepped) {
            init_pulse(hub, input);
        }
        uint32_t came = pulse_poll(&input->pulse, edges_of(hub, input), hub->now.mono_ns);
        pulse_rate_poll(&input->rate, came, hub->now.mono_ns);
        int64_t again = look_again(hub, point);
        next = again < next ? again : next;
    }
    return next;
}

/* Pulses that nobody was given. */
static void read_pulses(struct hub *hub)
{
    (void)poll_pulses(hub);
    for (size_t i = 0; i < hub->pulse_count; i++) {
        struct hub_pulse *input = &hub->pulses[i];
        const struct device_point *point = &hub->map->points[input->point];
        struct hal_sample *sample = &hub->samples[input->point];
        input->begun = input->pulse.count;
        input->least_begun = input->rate.least;
        *sample = judge_raw(hub, point, input->begun - input->taken);
        sample->least = input->least_begun != input->least_taken;
    }
}

static bool has_edges(const struct hub *hub)
{
    return hub->pins != NULL && hub->pins->edges != NULL;
}

static void read_inputs(struct hub *hub)
{
    for (size_t i = 0; i < hub->map->point_count; i++) {
        const struct device_point *point = &hub->map->points[i];
        if (point->source == DEVICE_LOOP) {
            hub->samples[i] = read_loop(hub, point);
        } else if (point->source == DEVICE_PULSE && !has_edges(hub)) {
            count_trouble(hub, point->device, HUB_BUS_FAILED);
            hub->samples[i] = (struct hal_sample){ .kind = HAL_SAMPLE_FAILED };
        }
    }
    read_pulses(hub);
}

/* --- rounds ------------------------------------------------------------------------- */

static bool too_late(const struct hub *hub, int64_t at_ns)
{
    return hub->options.late_max_ns > 0 && hub->now.wall_set &&
           hub->now.wall_ns - at_ns > hub->options.late_max_ns;
}

static bool is_left_alone(const struct hub *hub, size_t index)
{
    const struct hub_device *device = &hub->devices[index];
    return device->failed_rounds >= HUB_BACKOFF_AFTER && hub->now.mono_ns < device->alone_until_ns;
}

/* What is under way goes on and counts for the new round. */
static void begin_again(struct hub *hub, struct hub_job *job)
{
    bool sdi12 = device_of(hub, job)->protocol == DEVICE_SDI12;
    bool once = hub->devices[job->device].failed_rounds > 0;
    job->attempts = once ? 1 : sdi12 ? HUB_MEASUREMENTS : HUB_ATTEMPTS;
    set_points(hub, job, HAL_SAMPLE_PENDING);
    if (job->state == JOB_RUNNING || job->state == JOB_WAITING) {
        return;
    }
    job->state = JOB_TODO;
    if (is_left_alone(hub, job->device)) {
        fail_job(hub, job);
    }
}

static void begin(void *context, int64_t at_ns)
{
    struct hub *hub = context;
    if (too_late(hub, at_ns)) {
        hub->round_ns = NO_ROUND;
        return;
    }
    hub->round_ns = at_ns;
    for (size_t i = 0; i < hub->map->device_count; i++) {
        hub->devices[i].heard = false;
        hub->devices[i].troubles[HUB_LEFT_ALONE] += is_left_alone(hub, i);
    }
    for (size_t i = 0; i < hub->job_count; i++) {
        begin_again(hub, &hub->jobs[i]);
    }
    read_inputs(hub);
}

/* The device's state, pending until it is known; unknown for good, it counts as a fault. */
static enum hal_sample_kind state_of(const struct hub *hub, size_t device, uint8_t *state)
{
    for (size_t i = 0; i < hub->map->point_count; i++) {
        const struct device_point *point = &hub->map->points[i];
        if (point->device == device && point->source == DEVICE_STATE) {
            const struct hal_sample *sample = &hub->samples[i];
            *state = sample->kind == HAL_SAMPLE_VALUE ? sample->state : STATE_FAULT;
            return sample->kind;
        }
    }
    return HAL_SAMPLE_VALUE;
}

/* The value of a point is handed out: pulses are given once. */
static void give(struct hub *hub, size_t index)
{
    for (size_t i = 0; i < hub->pulse_count; i++) {
        if (hub->pulses[i].point == index) {
            hub->pulses[i].taken = hub->pulses[i].begun;
            hub->pulses[i].least_taken = hub->pulses[i].least_begun;
        }
    }
}

static struct hal_sample sample(void *context, size_t channel, int64_t at_ns)
{
    struct hub *hub = context;
    if (!hub_gives(hub, channel) || at_ns != hub->round_ns) {
        return (struct hal_sample){ .kind = HAL_SAMPLE_MISSING };
    }
    size_t index = hub->channels[channel];
    struct hal_sample sample = hub->samples[index];
    uint8_t device = hub->map->points[index].device;
    if (sample.kind == HAL_SAMPLE_VALUE && hub->map->devices[device].has_state &&
        state_of(hub, device, &sample.state) == HAL_SAMPLE_PENDING) {
        sample.kind = HAL_SAMPLE_PENDING;
    }
    if (sample.kind == HAL_SAMPLE_VALUE) {
        give(hub, index);
    }
    return sample;
}

static bool is_sum(void *context, size_t channel)
{
    const struct hub *hub = context;
    return hub_gives(hub, channel) &&
           hub->map->points[hub->channels[channel]].source == DEVICE_PULSE;
}

/* --- the hub -------------------------------------------------------------------------------- */

void hub_init(struct hub *hub, const struct device_map *map, const struct hal_bus *const *buses,
              size_t bus_count, const struct hal_pins *pins, const struct hub_options *options)
{
    memset(hub, 0, sizeof *hub);
    hub->map = map;
    hub->pins = pins;
    hub->options = *options;
    hub->round_ns = NO_ROUND;
    for (size_t i = 0; i < map->bus_count; i++) {
        hub->lanes[i].bus = i < bus_count ? buses[i] : NULL;
        hub->lanes[i].job = NO_JOB;
    }
    for (size_t i = 0; i < map->point_count; i++) {
        hub->samples[i].kind = HAL_SAMPLE_MISSING;
        if (map->points[i].source == DEVICE_PULSE && has_edges(hub)) {
            hub->pulses[hub->pulse_count++].point = (uint8_t)i;
        }
    }
    make_jobs(hub);
}

bool hub_bind(struct hub *hub, const struct phusa_text *parameters, size_t count)
{
    bool all = count <= HUB_CHANNELS_MAX;
    hub->channel_count = all ? count : HUB_CHANNELS_MAX;
    for (size_t i = 0; i < hub->channel_count; i++) {
        const struct device_point *point = device_map_find(hub->map, parameters[i]);
        hub->channels[i] = point != NULL ? (uint8_t)(point - hub->map->points) : HUB_NO_POINT;
        all &= point != NULL;
    }
    return all;
}

bool hub_gives(const struct hub *hub, size_t channel)
{
    return channel < hub->channel_count && hub->channels[channel] != HUB_NO_POINT;
}

struct hal_sensors hub_sensors(struct hub *hub)
{
    return (
        struct hal_sensors){ .context = hub, .begin = begin, .sample = sample, .is_sum = is_sum };
}

int64_t hub_step(struct hub *hub, struct hal_time now)
{
    hub->now = now;
    int64_t next = poll_pulses(hub);
    hub->stepped = true;
    for (size_t i = 0; i < hub->map->bus_count; i++) {
        int64_t wake = hub->job_count > 0 ? step_lane(hub, i) : INT64_MAX;
        next = wake < next ? wake : next;
    }
    return next;
}

const struct hub_device *hub_device(const struct hub *hub, size_t device)
{
    return &hub->devices[device];
}

int64_t hub_round_max_ns(const struct hub *hub)
{
    int64_t longest = SECOND;
    for (size_t lane = 0; lane < hub->map->bus_count; lane++) {
        int64_t sum = 0;
        for (size_t i = 0; i < hub->job_count; i++) {
            const struct device *device = device_of(hub, &hub->jobs[i]);
            if (!on_lane(hub, &hub->jobs[i], lane)) {
                continue;
            }
            sum += device->protocol == DEVICE_MODBUS
                       ? HUB_ATTEMPTS * (device->timeout_ms * MILLI + EXCHANGE_MAX)
                       : HUB_MEASUREMENTS * (device->wait_max_s * SECOND + COMMANDS_MAX);
        }
        longest = sum > longest ? sum : longest;
    }
    return longest;
}
