/* Reads a group `qc`: its tables of keys, for files of their own and inside of other groups. */
#ifndef SETTINGS_LOAD_QC_H
#define SETTINGS_LOAD_QC_H

#include "base/config.h"
#include "settings/qc.h"
#include "settings/settings.h"

extern const struct config_schema schema_qc_file, schema_qc, schema_qc_gross, schema_qc_spike,
    schema_qc_rate, schema_qc_flat_line, schema_qc_attenuated;

/*
 * Reads a group over what stands in qc (qc_none at first): each test that the group names
 * replaces that test as a whole, the others stay. So a station's group is read over its
 * parameter's. False if there was a mistake, which is reported at its line; such a test stays as it
 * was.
 */
bool load_qc(const struct config_node *group, struct qc_settings *qc);

/*
 * A file that holds nothing but `qc : { ... };`. On SETTINGS_BAD errors holds every mistake as
 * "file:line: what, and what would be right"; it must be zero-initialised and cleared with
 * settings_errors_clear.
 */
enum settings_status load_qc_file(const char *file, struct qc_settings *qc,
                                  struct settings_errors *errors);

#endif
