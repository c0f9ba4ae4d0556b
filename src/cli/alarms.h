/* What the files of `phusa alarms` share: phusad's answers for people. */
#ifndef CLI_ALARMS_H
#define CLI_ALARMS_H

#include <jansson.h>

#include "cli/ask.h"
#include "cli/cli.h"

/* Each prints an answer of the API (console/alarms.h) as a table. */
void alarms_print_list(const json_t *root, int32_t utc_offset_s);
void alarms_print_history(const json_t *root, int32_t utc_offset_s);
void alarms_print_load(const json_t *root, int32_t utc_offset_s);
void alarms_print_messages(const json_t *root, int32_t utc_offset_s);

#endif
