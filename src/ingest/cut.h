/* Cutting a connection off below Paho, which offers no way to withhold a PUBACK. */
#ifndef INGEST_CUT_H
#define INGEST_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The port of tcp://HOST:PORT or ssl://HOST:PORT; 0 if there is none. */
uint16_t cut_port(const char *uri);

/* Does a connection of this process lead to that port of any host? */
bool cut_possible(uint16_t port);

/* Ends them: from its return on nothing that is written to them leaves. Needs no memory and no
 * descriptor. Returns how many they were. */
size_t cut_off(uint16_t port);

#endif
