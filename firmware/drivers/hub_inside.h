/* What hub.c and ask.c share; nobody else includes it. */
#ifndef FIRMWARE_HUB_INSIDE_H
#define FIRMWARE_HUB_INSIDE_H

#include "hub.h"

#define NO_JOB HUB_JOBS_MAX

enum job_state { JOB_DONE, JOB_TODO, JOB_RUNNING, JOB_WAITING };

/* Sets a lane's bus up if it is not; false if the port cannot. */
bool hub_configure(struct hub *hub, size_t lane);

/* True if the answer to something else may still be on its way from the job's device. */
bool hub_is_tainted(const struct hub *hub, const struct hub_job *job);

/* Until when an answer to the device's last request may come. */
int64_t hub_late_until(const struct hub *hub, const struct hub_job *job);

/* Sends the request of a Modbus job. */
void hub_begin_modbus(struct hub *hub, struct hub_lane *lane, const struct hub_job *job);

/* What a failed exchange is called. */
enum hub_trouble hub_modbus_trouble(enum modbus_result result);
enum hub_trouble hub_sdi12_trouble(enum sdi12_result result);

#endif
