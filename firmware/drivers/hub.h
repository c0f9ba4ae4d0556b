/*
 * All devices of a station's map behind one struct hal_sensors. Each scheduled moment is a round:
 * every device is asked once, the devices of one bus one after the other, the buses at the same
 * time. A channel is HAL_SAMPLE_PENDING until its device has answered or failed in this round.
 *
 * A device that does not answer costs the others nothing: it is asked again when all others were,
 * is asked once only while it stays silent, and after HUB_BACKOFF_AFTER such rounds is left alone
 * for a time that doubles; its channels fail at once meanwhile.
 *
 * A Modbus answer does not say what it answers: one that comes late would be taken for the answer
 * to the next request of as many registers. After a silence the same may be asked again at once,
 * but anything else of that device only when no answer can be on its way (twice its timeout).
 *
 * Values belong to the moment that was asked for, however long the line took. A moment further in
 * the past than late_max_ns cannot be measured any more: its channels are missing.
 *
 * Pulses are amounts: a value is what came since the round whose value was last asked for, so that
 * rounds that were missed, or in which nobody asked, lose none. It is a least amount if some of
 * them came faster than the counter can follow (rate= of the map).
 */
#ifndef FIRMWARE_HUB_H
#define FIRMWARE_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device_map.h"
#include "hal/hal.h"
#include "modbus_rtu.h"
#include "pulse.h"
#include "sdi12.h"

#define HUB_ATTEMPTS      3 /* at a request in a round, of a device that answered before */
#define HUB_MEASUREMENTS  2 /* the same of SDI-12, whose commands are repeated by themselves */
#define HUB_BACKOFF_AFTER 3 /* rounds without an answer */
#define HUB_BACKOFF_FIRST (INT64_C(30) * 1000000000)
#define HUB_BACKOFF_MAX   (INT64_C(600) * 1000000000)
#define HUB_JOBS_MAX      DEVICE_MAP_POINTS_MAX
#define HUB_CHANNELS_MAX  DEVICE_MAP_POINTS_MAX
#define HUB_NO_POINT      UINT8_MAX /* of a channel that the map does not give */

/* What may go wrong with a device; each is counted. */
enum hub_trouble {
    HUB_SILENT,
    HUB_NOISE,       /* something came that is no answer */
    HUB_BAD_CRC,     /* damaged on its way */
    HUB_BAD_ADDRESS, /* another device answered */
    HUB_BAD_ANSWER,  /* too short, too long, not in form */
    HUB_REFUSED,     /* the device says that it cannot (Modbus exception, SDI-12 without values) */
    HUB_NOT_FINITE,  /* a value that is no number */
    HUB_BUS_FAILED,  /* the port cannot send, or has no such bus */
    HUB_LEFT_ALONE,  /* rounds in which it was not asked */
    HUB_TROUBLES
};

struct hub_device {
    uint32_t asked, answered; /* requests */
    uint32_t troubles[HUB_TROUBLES];
    uint32_t failed_rounds; /* in a row, without any answer */
    int64_t alone_until_ns; /* monotonic: it is not asked before */
    int64_t begun_ns;       /* the last request */
    int64_t clean_ns;       /* no late answer to it or one before can come any more */
    uint8_t last;           /* the job of that request */
    bool ailing;            /* the last request failed */
    bool heard;             /* it answered in this round */
};

struct hub_options {
    int64_t slack_ns;    /* how late the port may hand bytes over; 0 on a board */
    int64_t late_max_ns; /* 0 = every moment is measured */
};

/* One exchange or measurement, and the points it gives. */
struct hub_job {
    uint8_t state; /* of a round */
    uint8_t device, first, count;
    uint8_t attempts; /* that are left in this round */
    uint8_t expected; /* values of a concurrent measurement */
    struct modbus_request request;
    int64_t due_ns; /* a concurrent measurement is to be collected */
};

struct hub_pulse {
    struct pulse pulse;
    struct pulse_rate rate;
    uint32_t taken;       /* its count when its value was last asked for */
    uint32_t begun;       /* its count at the round's begin */
    uint32_t least_taken; /* of these, those in least amounts */
    uint32_t least_begun;
    uint8_t point;
};

struct hub_lane {
    const struct hal_bus *bus; /* NULL = the port has none */
    bool configured;
    bool lent;    /* to whoever asks a device by hand (ask.h): rounds wait */
    uint8_t job;  /* under way; HUB_JOBS_MAX = none */
    uint8_t next; /* the job to look at first */
    union {
        struct modbus_master modbus;
        struct sdi12 sdi12;
    } machine;
};

/* The owner provides the memory and touches nothing in it. */
struct hub {
    const struct device_map *map;
    const struct hal_pins *pins;
    struct hub_options options;
    struct hal_time now; /* of the last step */
    bool stepped;        /* there was one */
    int64_t round_ns;    /* the moment of the round */
    struct hub_lane lanes[DEVICE_MAP_BUSES_MAX];
    struct hub_job jobs[HUB_JOBS_MAX];
    size_t job_count;
    struct hub_device devices[DEVICE_MAP_DEVICES_MAX];
    struct hal_sample samples[DEVICE_MAP_POINTS_MAX];
    struct hub_pulse pulses[DEVICE_MAP_PULSES_MAX];
    size_t pulse_count;
    uint8_t channels[HUB_CHANNELS_MAX]; /* the point of each channel of the station, or: */
    size_t channel_count;
};

/*
 * buses in the order of the map's; missing ones, and pins, may be NULL: what needs them fails.
 * All must outlive the hub. Pulses count from the first step on.
 */
void hub_init(struct hub *hub, const struct device_map *map, const struct hal_bus *const *buses,
              size_t bus_count, const struct hal_pins *pins, const struct hub_options *options);

/*
 * Says which parameters the station's channels are, in their order; those beyond HUB_CHANNELS_MAX
 * are left out. A channel that the map does not give has nothing at any moment. True if it gives
 * them all.
 */
bool hub_bind(struct hub *hub, const struct phusa_text *parameters, size_t count);

/* True if the map gives a channel. */
bool hub_gives(const struct hub *hub, size_t channel);

/* What the station core takes. The hub must not be moved any more. */
struct hal_sensors hub_sensors(struct hub *hub);

/*
 * Does what is due. To be called before station_step and as often as it asks for: returns the
 * monotonic time of the next step, INT64_MAX when there is nothing to do before the next round.
 */
int64_t hub_step(struct hub *hub, struct hal_time now);

/*
 * No round takes longer than this, whatever the devices do: how long a station should wait for one
 * (sample_wait_ns). Nearly all take a small part of it.
 */
int64_t hub_round_max_ns(const struct hub *hub);

/* How a device of the map does (index as in the map). */
const struct hub_device *hub_device(const struct hub *hub, size_t device);

#endif
