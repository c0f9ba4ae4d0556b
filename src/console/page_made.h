/* The part of a station's card above its readings. Pure. */
#ifndef CONSOLE_PAGE_MADE_H
#define CONSOLE_PAGE_MADE_H

#include "console/console.h"

/* What is made of the station's readings; nothing where there is nothing. */
void add_made(const struct console_view *view, const struct console_station *station,
              struct text_buffer *out);

#endif
