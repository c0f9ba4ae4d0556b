/* Where each kind of store wants its lines, and how it says that it restarted. Pure. */
#ifndef STORE_STORE_KIND_H
#define STORE_STORE_KIND_H

#include <stdbool.h>
#include <stdint.h>

#include "phusa/text.h"
#include "settings/settings.h"

#define STORE_URL_MAX    2048 /* bytes of a URL with its terminator */
#define STORE_HEADER_MAX 1024 /* bytes of the Authorization header with its terminator */

struct store_target {
    char write_url[STORE_URL_MAX];
    char create_url[STORE_URL_MAX];  /* POST there once makes the database; "" = nothing to make */
    char metrics_url[STORE_URL_MAX]; /* "" = it has none that we read */
    char authorization[STORE_HEADER_MAX]; /* a whole header; "" = none */
    bool gzip;
};

/*
 * victoria:  /write, times in nanoseconds; Bearer token or basic authentication
 * influxdb1: /write?db=; basic authentication; the database is created
 * influxdb2: /api/v2/write?org=&bucket=; Token (InfluxDB 2 and 3)
 * False if something is too long, or a control character stands in a secret.
 */
bool store_target_make(const struct store_settings *settings, struct store_target *target);

/* True if the URL's host is this machine's loopback by name or number. */
bool store_url_is_loopback(const char *url);

/* What VictoriaMetrics says of itself in /metrics. */
struct store_metrics {
    bool has_start;
    double start;                        /* vm_app_start_timestamp, seconds */
    uint64_t rows_invalid, rows_ignored; /* vm_rows_invalid_total, vm_rows_ignored_total, summed */
};

/* Reads the Prometheus text format; lines that are none are passed over. */
void store_metrics_read(struct phusa_text text, struct store_metrics *metrics);

#endif
