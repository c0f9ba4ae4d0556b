/*
 * CSV through a formula: a table on one side in, the same table with results appended out.
 *
 * The first line names the columns; their order is free and others pass through. Cells may
 * stand in double quotes; a cell that goes over several lines is not understood. What cannot be
 * computed stays in the table with empty results and is named on stderr with its line's number.
 */
#ifndef CLI_CALC_CSV_H
#define CLI_CALC_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "phusa/text.h"

#define CALC_CSV_LINE_MAX     65536 /* bytes of a line; a longer one passes through, not computed */
#define CALC_CSV_CELLS_MAX    256   /* columns of a table; one with more is refused */
#define CALC_CSV_COLUMNS_MAX  16    /* columns that a formula asks for */
#define CALC_CSV_MESSAGES_MAX 20    /* lines named on stderr; the rest is only counted */

struct calc_csv_column {
    const char *name;
    bool required;
};

/* What a formula reads and writes; everything outlives the table. */
struct calc_csv_plan {
    const char *command; /* for messages, "calc salinity" */
    FILE *in, *out;
    const struct calc_csv_column *columns;
    size_t column_count; /* at most CALC_CSV_COLUMNS_MAX */
    const char *const *results;
    size_t result_count; /* as many at most */
};

enum calc_cell {
    CALC_CELL_NUMBER,
    CALC_CELL_EMPTY, /* or the table has no such column */
    CALC_CELL_BAD,   /* no finite number */
};

struct calc_csv;

/*
 * Reads the header. NULL, with a message, if a required column is missing, one is there twice,
 * there is no header or no memory.
 */
struct calc_csv *calc_csv_open(const struct calc_csv_plan *plan);
void calc_csv_free(struct calc_csv *csv);

/* Whether the table has this column (its index in the plan). */
bool calc_csv_has(const struct calc_csv *csv, size_t column);

/* Writes the header with the results' names; before the first row. */
void calc_csv_begin(struct calc_csv *csv);

/*
 * The next row; false at the end. Each one is to be answered by one calc_csv_write. Blank
 * lines and rows whose cells do not fit the header are dealt with here.
 */
bool calc_csv_next(struct calc_csv *csv);

/* A cell of the row without quotes and blanks around it; empty if there is none. Lives until next.
 */
struct phusa_text calc_csv_cell(const struct calc_csv *csv, size_t column);
enum calc_cell calc_csv_number(const struct calc_csv *csv, size_t column, double *value);

/* Writes the row with its results, as many as the plan has; NULL for a row without any. */
void calc_csv_write(struct calc_csv *csv, const struct phusa_text *results);

/* Says something about the row; calc_csv_refuse also counts it as not computed. */
void calc_csv_remark(struct calc_csv *csv, const char *what);
void calc_csv_refuse(struct calc_csv *csv, const char *why);

/*
 * After the last row; the exit code: CLI_GOOD, or CLI_BAD if a row was refused or reading or
 * writing failed.
 */
int calc_csv_finish(struct calc_csv *csv);

#endif
