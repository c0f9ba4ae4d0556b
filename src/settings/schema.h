/* The tables of all groups: what the loader reads by, and what phusa.cfg(5) is checked against. */
#ifndef SETTINGS_SCHEMA_H
#define SETTINGS_SCHEMA_H

#include "base/config.h"

#define SCHEMA(title, keys)                                                                        \
    {                                                                                              \
        (title), (keys), sizeof(keys) / sizeof *(keys)                                             \
    }

extern const struct config_schema schema_outermost, schema_phusa;
extern const struct config_schema schema_broker, schema_journal, schema_store, schema_http,
    schema_channel, schema_pace, schema_quiet, schema_board, schema_alarms, schema_stop,
    schema_flapping, schema_maintenance, schema_silence, schema_windows;
extern const struct config_schema schema_messages_file, schema_template, schema_words,
    schema_actions;
extern const struct config_schema schema_parameters_file, schema_unit, schema_conversion,
    schema_parameter;
extern const struct config_schema schema_quality_file, schema_quality, schema_stuck_bus;
extern const struct config_schema schema_stations_file, schema_station, schema_station_qc,
    schema_derive, schema_trap;
extern const struct config_schema schema_rules_file, schema_rule, schema_level, schema_message,
    schema_window, schema_rate, schema_missing, schema_schedule, schema_escalate, schema_override;

/* All of them; NULL-terminated. */
extern const struct config_schema *const schemas[];

#endif
