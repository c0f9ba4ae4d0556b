/* The page's stylesheet. Colours come with words everywhere; text has a contrast of 4.5:1 at least. */
#ifndef CONSOLE_STYLE_H
#define CONSOLE_STYLE_H

extern const char console_style[];

#endif
