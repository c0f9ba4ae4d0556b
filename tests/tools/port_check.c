/*
 * The check list of the porting guide over the network of a computer's port.
 *
 *   port_check BROKER-URI SITE STATION USER PASSWORD
 *
 * Prints its lines; exits 1 if one of them failed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "port/check.h"
#include "port/posix/network_mqtt.h"

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
        networks_wait(context, 1);
        networks_step(context, clock_mono().ns);
    }
    return true;
}

static void say(void *context, const char *line)
{
    (void)context;
    (void)puts(line);
}

static int check(struct networks *networks, struct network *network)
{
    struct check_tally tally;
    struct check_port port = { .context = networks,
                               .now = now,
                               .pause = pause_network,
                               .say = say,
                               .network = network_hal(network),
                               .network_ms = CONNECT_MS };
    (void)check_run(&port, &tally);
    network_goodbye(network);
    for (int i = 0; i < 100 && network_is_up(network); i++) {
        (void)pause_network(networks, 10, true);
    }
    return tally.failed > 0;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        (void)fputs("port_check BROKER-URI SITE STATION USER PASSWORD\n", stderr);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    struct network_options options = { .site = argv[2],
                                       .station = argv[3],
                                       .client_id = argv[3],
                                       .user = argv[4],
                                       .password = argv[5],
                                       .jitter = 1 };
    struct problem problem = { 0 };
    struct networks *networks = networks_create(1, argv[1], NULL, &problem);
    struct network *network =
        networks == NULL ? NULL : network_create(networks, &options, &problem);
    int code = 2;
    if (network != NULL && network_set_will(network, 1)) {
        code = check(networks, network);
    } else {
        (void)fprintf(stderr, "port_check: %s\n", problem.text);
    }
    networks_free(networks);
    return code;
}
