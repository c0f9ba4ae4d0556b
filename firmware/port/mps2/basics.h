/* What every image of the board does around its work. */
#ifndef MPS2_BASICS_H
#define MPS2_BASICS_H

#include "board.h"
#include "keep.h"
#include "provision.h"

/* A line on the console. */
void say(const char *text);

/* Feeds the watchdog. */
void feed(void);

void light(enum board_pin pin, bool on);

/* Why the board started, in a word. */
const char *reset_text(void);

/* Nothing more can be done but say why. */
_Noreturn void stand_still(const char *why);

/* Counter and console first of all; then the page, without which a board stands still. */
void begin_image(const char *greeting, const struct hal_flash *page, struct provision *provision);

/*
 * Opens the small records and counts this start in them by itself: what is made of the count must
 * differ before the core has begun. Without them the station forgets settings and counts, and
 * works.
 */
uint32_t open_records(struct keep *keep);

#endif
