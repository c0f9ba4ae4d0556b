#include "console/files.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FEED        "alerts.atom"
#define MESSAGE_END ".xml"
#define TAG_MAX     64
#define DATE_MAX    40
#define FEED_TYPE   "application/atom+xml; charset=utf-8"

/* RFC 4287, section 4.1.1. It is the same everywhere and at all times, and so are its id and its
 * time. Not const only since the library wants it so; it does not write there. */
static char empty_feed[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"vi-VN\">\n"
    "<id>urn:uuid:5a3c7ed6-b1f2-4bd7-9464-1f83584229fa</id>\n"
    "<title>Cảnh báo</title>\n"
    "<subtitle>Chưa có kênh CAP nào – no channel of kind cap is configured</subtitle>\n"
    "<updated>1970-01-01T00:00:00Z</updated>\n"
    "<author><name>Phù Sa</name></author>\n"
    "<link rel=\"self\" type=\"application/atom+xml\" href=\"" FEED "\"/>\n"
    "<generator>Phù Sa</generator>\n"
    "</feed>\n";

/* What an answer says about a file. */
struct facts {
    const char *type;
    size_t size;
    char tag[TAG_MAX], modified[DATE_MAX];
};

/* The media type that goes with the name; NULL when no file of ours can have it. */
static const char *type_of(const char *name)
{
    if (strcmp(name, FEED) == 0) {
        return FEED_TYPE;
    }
    size_t length = strspn(name, "0123456789abcdef-");
    return length > 0 && length <= FILES_NAME_MAX && strcmp(name + length, MESSAGE_END) == 0
               ? "application/cap+xml; charset=utf-8"
               : NULL;
}

/* False if it is no plain file. */
static bool look_at(int fd, struct facts *facts)
{
    struct stat found;
    struct tm parts;
    if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode) || found.st_size < 0 ||
        found.st_size > FILES_SIZE_MAX || gmtime_r(&found.st_mtim.tv_sec, &parts) == NULL) {
        return false;
    }
    facts->size = (size_t)found.st_size;
    (void)snprintf(facts->tag, TAG_MAX, "\"%llx-%llx-%lx\"", (unsigned long long)found.st_ino,
                   (unsigned long long)found.st_mtim.tv_sec, (unsigned long)found.st_mtim.tv_nsec);
    (void)strftime(facts->modified, DATE_MAX, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return true;
}

static int open_file(const char *folder, const char *name, struct facts *facts)
{
    char path[PATH_MAX];
    if (folder == NULL || (facts->type = type_of(name)) == NULL ||
        snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) {
        return -1;
    }
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && !look_at(fd, facts)) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

/* RFC 9110, section 13.2.2: If-Modified-Since counts only without If-None-Match. */
static bool has_it(struct MHD_Connection *connection, const struct facts *facts)
{
    const char *tags =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
    const char *since =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_MODIFIED_SINCE);
    if (tags != NULL) {
        return strcmp(tags, "*") == 0 || strstr(tags, facts->tag) != NULL;
    }
    return since != NULL && strcmp(since, facts->modified) == 0;
}

static void describe(struct MHD_Response *response, const struct facts *facts)
{
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, facts->type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, facts->tag);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_LAST_MODIFIED, facts->modified);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
}

static struct MHD_Response *respond_empty(struct MHD_Connection *connection, struct facts *facts,
                                          bool *known)
{
    *facts = (struct facts){ .type = FEED_TYPE,
                             .tag = "\"empty\"",
                             .modified = "Thu, 01 Jan 1970 00:00:00 GMT" };
    *known = has_it(connection, facts);
    return MHD_create_response_from_buffer(*known ? 0 : sizeof empty_feed - 1, empty_feed,
                                           MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *respond_file(struct MHD_Connection *connection, int fd,
                                         const struct facts *facts, bool *known)
{
    *known = has_it(connection, facts);
    struct MHD_Response *response =
        *known ? MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT)
               : MHD_create_response_from_fd(facts->size, fd);
    if (*known || response == NULL) { /* else the response closes it */
        (void)close(fd);
    }
    return response;
}

struct MHD_Response *files_respond(const char *folder, const char *path,
                                   struct MHD_Connection *connection, unsigned *code)
{
    const char *name = path + strlen(FILES_PATH);
    struct facts facts = { .type = NULL };
    bool empty = folder == NULL && strcmp(name, FEED) == 0, known = false;
    int fd = empty ? -1 : open_file(folder, name, &facts);
    if (!empty && fd < 0) {
        *code = MHD_HTTP_NOT_FOUND;
        return NULL;
    }
    struct MHD_Response *response = empty ? respond_empty(connection, &facts, &known)
                                          : respond_file(connection, fd, &facts, &known);
    *code = response == NULL ? MHD_HTTP_INTERNAL_SERVER_ERROR
            : known          ? MHD_HTTP_NOT_MODIFIED
                             : MHD_HTTP_OK;
    if (response != NULL) {
        describe(response, &facts);
    }
    return response;
}
