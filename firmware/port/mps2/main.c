/*
 * The station on the board: one loop that steps the network and the core, feeds the watchdog and
 * sleeps until the next interrupt. What a technician wants to know stands on the console.
 */
#include <string.h>

#include "basics.h"
#include "desk.h"
#include "entropy.h"
#include "flash.h"
#include "keep.h"
#include "light.h"
#include "network.h"
#include "port/lights.h"
#include "provision.h"
#include "random.h"
#include "report.h"
#include "sensors.h"
#include "station.h"
#include "uart.h"
#include "wallclock.h"

#define SECOND        INT64_C(1000000000)
#define MILLI         INT64_C(1000000)
#define STEP_MAX      (2 * MILLI) /* sensors and core are stepped at least this often */
#define RESEND_AFTER  (60 * SECOND)
#define SENDINGS_MAX  5
#define BACKLOG_PER_S 20

static struct {
    struct provision provision;
    struct keep keep;
    struct station_core core;
    uint32_t events, dropped; /* of the network, as told */
    uint64_t covered;
} station;

static struct lights lights = { .link = BOARD_PIN_LINK, .trouble = BOARD_PIN_TROUBLE };

static void fill_options(const struct report_channels *channels, struct station_options *options)
{
    const struct provision *provision = &station.provision;
    *options = (struct station_options){ .id = phusa_text_of(provision->station),
                                         .channel_count = channels->count,
                                         .every_ns = provision->every_ns,
                                         .phase_ns = provision->phase_ns,
                                         .sample_every_ns = provision->sample_every_ns,
                                         .fast_every_ns = provision->fast_every_ns,
                                         .event_steps = provision->event_steps,
                                         .firmware = PHUSA_VERSION,
                                         .hardware = "mps2-an385",
                                         .reset = reset_text(),
                                         .resend_after_ns = RESEND_AFTER,
                                         .sendings_max = SENDINGS_MAX,
                                         .backlog_per_s = BACKLOG_PER_S,
                                         .identify_pin = BOARD_PIN_IDENTIFY };
    memcpy(options->channels, channels->items, sizeof options->channels);
}

__attribute__((noinline)) static void start_core(const struct hal_flash *page, uint32_t start)
{
    struct report_channels channels;
    struct station_options options;
    const char *why = "";
    uint32_t unwired = 0;
    const struct provision *provision = &station.provision;
    if (!report_layout_read(provision->layout, provision->layout_length, &channels)) {
        stand_still("the channels of the provisioning page are not valid");
    }
    if (!light_start(provision, page, &station.keep, start, &why) ||
        !sensors_start(provision, page, &channels, &unwired, &why)) {
        stand_still(why);
    }
    struct station_ports ports = { .sensors = sensors_hal(),
                                   .flash = flash_area(FLASH_LOG_FIRST, FLASH_LOG_BLOCKS),
                                   .network = network_hal(),
                                   .random = random_hal(),
                                   .keep = &station.keep,
                                   .pins = board_pins(),
                                   .board = board_hal() };
    fill_options(&channels, &options);
    options.sample_wait_ns = sensors_wait_ns();
    options.unwired = unwired;
    if (!light_join(&channels, &ports.sensors, &options, &why)) {
        stand_still(why);
    }
    switch (station_init(&station.core, &options, &ports, wallclock_now())) {
    case STATION_OK:
        return;
    case STATION_BAD_OPTIONS:
        stand_still("the provisioning page has a setting that is not possible");
    case STATION_LOG_FAILED:
        stand_still("the log cannot be opened");
    }
}

static void show_link(void)
{
    struct hal_pins pins = board_pins();
    lights_step(&lights, &pins, network_hal().connection(NULL) != 0, network_events());
}

/* A line for each change of the link; the lights say the same. */
static void tell_link(int64_t mono_ns)
{
    if (network_events() == station.events) {
        return;
    }
    station.events = network_events();
    enum network_trouble trouble = network_trouble();
    console_text("link: ");
    console_text(network_trouble_text(trouble));
    if (trouble == NETWORK_GOOD) {
        console_text(" from ");
        say(network_address());
        return;
    }
    console_text(", ");
    console_number(network_counters()->troubles[trouble]);
    console_text(" times; next try in ");
    console_number(network_pause_s(mono_ns));
    say(" s");
}

static void tell_dropped(void)
{
    if (network_counters()->dropped != station.dropped) {
        station.dropped = network_counters()->dropped;
        console_text("link: messages too long, too many or cut, dropped: ");
        console_number(station.dropped);
        say("");
    }
}

static void tell_receipt(int64_t mono_ns)
{
    uint64_t covered = station_counters(&station.core)->covered;
    if (station.covered == 0 && covered > 0) {
        console_text("receipt: the first after ");
        console_number((uint64_t)(mono_ns / MILLI));
        console_text(" ms; stack free ");
        console_number(board_stack_free());
        say(" bytes");
    }
    station.covered = covered;
}

static _Noreturn void run(void)
{
    int64_t next = 0;
    for (;;) {
        struct hal_time now = wallclock_now();
        network_step(now.mono_ns);
        if (now.mono_ns >= next) {
            sensors_step(now);
            light_step(&station.core, now);
            int64_t wake = station_step(&station.core, now);
            next = wake < now.mono_ns + STEP_MAX ? wake : now.mono_ns + STEP_MAX;
        }
        desk_step(now);
        show_link();
        tell_link(now.mono_ns);
        tell_dropped();
        tell_receipt(now.mono_ns);
        feed();
        if (next > now.mono_ns) {
            board_sleep();
        }
    }
}

int main(void)
{
    const char *why = "";
    struct hal_flash page = flash_area(FLASH_PAGE_FIRST, FLASH_PAGE_BLOCKS);
    begin_image("Phu Sa station " PHUSA_VERSION, &page, &station.provision);
    uint32_t start = open_records(&station.keep);
    entropy_start(station.provision.seed, start);
    random_start(station.provision.seed, sizeof station.provision.seed, start);
    start_core(&page, start);
    console_text("station: ");
    console_text(station.provision.station);
    console_text(", boot ");
    console_number(start);
    console_text(", reset ");
    say(reset_text());
    if (!network_start(&station.provision, &page, station_log_id(&station.core), &why)) {
        stand_still(why);
    }
    desk_start(&station.provision, &station.core);
    run();
}
