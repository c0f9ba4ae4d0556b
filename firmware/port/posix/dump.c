#include "dump.h"

#include <errno.h>
#include <string.h>

#include "flash_file.h"
#include "phusa/number.h"
#include "report.h"

/* The names of the block that was read last. */
struct names {
    uint8_t layout[STATION_LOG_LAYOUT_MAX];
    struct report_channels channels;
    uint32_t block;
    bool read, good;
};

static bool find_names(const struct station_log *log, uint32_t block, struct names *names)
{
    if (!names->read || names->block != block) {
        size_t length = station_log_layout(log, block, names->layout, sizeof names->layout);
        names->good = report_layout_read(names->layout, length, &names->channels);
        names->block = block;
        names->read = true;
    }
    return names->good;
}

static void print_value(const struct station_record *record, size_t channel,
                        const struct station_channel *named, const char *before, FILE *out)
{
    char number[PHUSA_DOUBLE_CHARS];
    size_t length = phusa_double_print(record->values[channel], number);
    fprintf(out, "%s\"%.*s\":{\"value\":%.*s,\"st\":%d}", before, (int)named->name.length,
            named->name.data, (int)length, number, report_device_state(record, channel));
}

static void print_report(const struct station_log *log, const struct station_record *record,
                         const struct report_channels *channels, FILE *out)
{
    const char *before = "";
    fprintf(out, "{\"log\":\"%08lx\",\"seq\":%llu,\"time_ns\":%lld,\"boot\":%lu,\"values\":{",
            (unsigned long)log->id, (unsigned long long)record->seq, (long long)record->time_ns,
            (unsigned long)record->boot);
    for (size_t i = 0; channels != NULL && i < channels->count; i++) {
        if ((record->present >> i & 1u) != 0) {
            print_value(record, i, &channels->items[i], before, out);
            before = ",";
        }
    }
    fputs("}}\n", out);
}

static void print_reports(const struct station_log *log, FILE *out, struct dump_totals *totals)
{
    struct station_log_cursor cursor = { 0 };
    struct station_record record;
    static struct names names;
    names.read = false;
    for (uint64_t seq = log->first; seq < log->next && ferror(out) == 0; seq++) {
        if (station_log_read(log, &cursor, seq, &record) != STATION_LOG_OK) {
            totals->absent++;
            continue;
        }
        bool named = find_names(log, record.block, &names);
        print_report(log, &record, named ? &names.channels : NULL, out);
        totals->printed++;
        totals->nameless += !named;
    }
}

/* True if nothing was ever written: a station that never sampled. */
static bool is_blank(const struct hal_flash *flash)
{
    uint8_t block[FLASH_FILE_BLOCK];
    for (uint32_t i = 0; i < flash->block_count; i++) {
        if (flash->read(flash->context, i * FLASH_FILE_BLOCK, block, sizeof block) != HAL_OK) {
            return false;
        }
        for (size_t k = 0; k < sizeof block; k++) {
            if (block[k] != 0xff) {
                return false;
            }
        }
    }
    return true;
}

bool dump_log(const char *path, FILE *out, struct dump_totals *totals, struct problem *problem)
{
    *totals = (struct dump_totals){ 0 };
    struct flash_file *flash = flash_file_open_to_read(&files_posix, path, problem);
    if (flash == NULL) {
        return false;
    }
    struct station_log log;
    struct hal_flash hal = flash_file_hal(flash);
    bool good = station_log_open(&log, &hal, 0, NULL, 0) == STATION_LOG_OK;
    if (good && log.id == 0 && !is_blank(&hal)) {
        problem_set(problem, "%s: no log of a station (ID.log): none of its blocks has a header",
                    path);
        flash_file_close(flash);
        return false;
    }
    if (good) {
        print_reports(&log, out, totals);
    }
    if (!good || fflush(out) != 0 || ferror(out) != 0) {
        problem_set(problem, "%s: %s: %s", path, good ? "cannot print" : "cannot read",
                    strerror(errno));
        good = false;
    }
    flash_file_close(flash);
    return good;
}
