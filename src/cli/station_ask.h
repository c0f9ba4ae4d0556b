/* phusa station ask. */
#ifndef CLI_STATION_ASK_H
#define CLI_STATION_ASK_H

/* Its usage and options, on stdout. */
void station_ask_help(void);

/* argv[0] is "phusa station", argv[1] "ask". Returns the exit code. */
int station_ask(int argc, char **argv);

#endif
