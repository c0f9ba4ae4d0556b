/* The page's stylesheet. Colours come with words everywhere; text has a contrast of 4.5:1 at least.
 */
#ifndef CONSOLE_STYLE_H
#define CONSOLE_STYLE_H

/* In parts, one after the other; ends with NULL. */
extern const char *const console_style[];

#endif
