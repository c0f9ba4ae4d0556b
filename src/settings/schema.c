#include "settings/schema.h"

const struct config_schema *const schemas[] = {
    &schema_outermost,  &schema_phusa,           &schema_broker,
    &schema_journal,    &schema_store,           &schema_http,
    &schema_channel,    &schema_parameters_file, &schema_unit,
    &schema_conversion, &schema_parameter,       &schema_stations_file,
    &schema_station,    &schema_rules_file,      &schema_rule,
    &schema_level,      &schema_message,         &schema_window,
    &schema_windows,    &schema_maintenance,     NULL,
};
