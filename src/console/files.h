/*
 * Files that other rooms make, served as they are: the CAP messages and their feed, under /cap/.
 * Only names that such a file can have are looked for: "alerts.atom" and [0-9a-f-]+.xml; no
 * links are followed. A file is replaced as a whole by who makes it, so what is open stays whole.
 * Where nobody makes them the feed is there all the same, and empty.
 */
#ifndef CONSOLE_FILES_H
#define CONSOLE_FILES_H

#include <microhttpd.h>

#define FILES_PATH     "/cap/"
#define FILES_NAME_MAX 96         /* characters of a name */
#define FILES_SIZE_MAX (16 << 20) /* bytes; a larger file is none of ours */

/*
 * The response to a request for a path below FILES_PATH, with Content-Type, ETag, Last-Modified and
 * Cache-Control; *code receives its status, which is 304 when the request's conditions say
 * that the client has it. NULL with 404 when there is no such file, with 500 when out of memory.
 * folder may be NULL: there is only the empty feed.
 */
struct MHD_Response *files_respond(const char *folder, const char *path,
                                   struct MHD_Connection *connection, unsigned *code);

#endif
