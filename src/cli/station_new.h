/* phusa station new. */
#ifndef CLI_STATION_NEW_H
#define CLI_STATION_NEW_H

#include "cli/enrol.h"

/* As on the command line; NULL = not given. */
struct station_new {
    struct enrolment wish;
    const char *config;
    const char *out;              /* the provisioning file, "-" = stdout; default ID.provision */
    const char *password_file;    /* the password alone */
    const char *broker_passwords; /* mosquitto's password file; without it the entry is printed */
    const char *ca;               /* PEM */
};

/* Makes the station in settings, which have all of SETTINGS_ALL. Returns the exit code. */
int station_new(const struct station_new *options, const struct settings *settings);

#endif
