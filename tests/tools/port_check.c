/*
 * The check list of the porting guide over the network of a computer's port.
 *
 *   port_check BROKER-URI SITE STATION USER PASSWORD
 *
 * Prints its lines; exits 1 if one of them failed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "port/check.h"
#include "port/posix/network_paho.h"

#define CONNECT_MS 20000 /* within the second attempt, after a backoff */

static struct hal_time now(void *context)
{
    (void)context;
    return (struct hal_time){ clock_real().ns, clock_mono().ns, true, true };
}

static bool pause_network(void *context, uint32_t ms, bool feed)
{
    (void)feed;
    for (int64_t end = clock_mono().ns + (int64_t)ms * MILLI_NS; clock_mono().ns < end;) {
        network_poll(context, clock_mono().ns);
        clock_sleep_until((mono_time){ clock_mono().ns + MILLI_NS });
    }
    return true;
}

static void say(void *context, const char *line)
{
    (void)context;
    (void)puts(line);
}

static int check(const struct network_options *options)
{
    struct problem problem = { 0 };
    struct check_tally tally;
    struct network *network = network_create(options, &problem);
    if (network == NULL || !network_set_will(network, 1)) {
        (void)fprintf(stderr, "port_check: %s\n", problem.text);
        network_free(network);
        return 2;
    }
    struct check_port port = { .context = network,
                               .now = now,
                               .pause = pause_network,
                               .say = say,
                               .network = network_hal(network),
                               .network_ms = CONNECT_MS };
    (void)check_run(&port, &tally);
    network_goodbye(network);
    for (int i = 0; i < 100 && network_is_up(network); i++) {
        (void)pause_network(network, 10, true);
    }
    network_free(network);
    return tally.failed > 0;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        (void)fputs("port_check BROKER-URI SITE STATION USER PASSWORD\n", stderr);
        return 2;
    }
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct network_options options = { .uri = argv[1],
                                       .site = argv[2],
                                       .station = argv[3],
                                       .client_id = argv[3],
                                       .user = argv[4],
                                       .password = argv[5],
                                       .wake_fd = wake,
                                       .jitter = 1 };
    int code = wake < 0 ? 2 : check(&options);
    (void)close(wake);
    return code;
}
