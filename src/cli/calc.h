/* The formulas of `phusa calc` that have files of their own; each as a command of cli.h. */
#ifndef CLI_CALC_H
#define CLI_CALC_H

#include <stdio.h>

/* What `phusa calc --help` prints. */
void calc_print_usage(FILE *out);

int cli_calc_vn_aqi(int argc, char **argv);

/* Its part of that. */
void calc_print_vn_aqi_usage(FILE *out);

#endif
