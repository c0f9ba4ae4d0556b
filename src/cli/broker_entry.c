/* Read whole, replaced whole: the broker may read it at any moment. */
#include "cli/broker_entry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "cli/cli.h"
#include "cli/put_file.h"

#define PASSWORDS_MAX ((size_t)16 << 20) /* bytes of a file: 20,000 stations take 3 MiB */

struct passwords {
    char *text; /* what the file holds */
    size_t length;
    const char *entry;
};

/* False with errno. A file that is not there is empty. */
static bool read_passwords(const char *path, struct passwords *passwords)
{
    FILE *file = fopen(path, "rbe");
    passwords->text = calloc(1, PASSWORDS_MAX + 1);
    if (passwords->text == NULL || (file == NULL && errno != ENOENT)) {
        if (file != NULL) {
            (void)fclose(file);
        }
        return false;
    }
    if (file == NULL) {
        return true;
    }
    passwords->length = fread(passwords->text, 1, PASSWORDS_MAX + 1, file);
    bool good = ferror(file) == 0;
    if (passwords->length > PASSWORDS_MAX) {
        passwords->length = 0;
        errno = EFBIG;
        good = false;
    }
    (void)fclose(file);
    return good;
}

/* Whether a line begins as the entry does, up to the colon. */
static bool has_user(const struct passwords *passwords)
{
    size_t length = strcspn(passwords->entry, ":") + 1;
    const char *at = passwords->text, *end = at + passwords->length;
    while (at < end) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        if ((size_t)(end - at) >= length && memcmp(at, passwords->entry, length) == 0) {
            return true;
        }
        at = next == NULL ? end : next + 1;
    }
    return false;
}

static bool write_passwords(void *context, FILE *file)
{
    const struct passwords *passwords = context;
    bool open_line = passwords->length > 0 && passwords->text[passwords->length - 1] != '\n';
    return fwrite(passwords->text, 1, passwords->length, file) == passwords->length &&
           fprintf(file, "%s%s\n", open_line ? "\n" : "", passwords->entry) > 0;
}

static bool add_locked(const char *path, const char *entry, struct problem *problem)
{
    struct passwords passwords = { .entry = entry };
    bool good = false;
    if (!read_passwords(path, &passwords)) {
        problem_set(problem, "%s: %s", path, strerror(errno));
    } else if (has_user(&passwords)) {
        problem_set(problem, "%s: has a user \"%.*s\" already; choose another id", path,
                    (int)strcspn(entry, ":"), entry);
    } else {
        good = put_file_replace(path, write_passwords, &passwords, problem);
    }
    free(passwords.text);
    return good;
}

bool broker_entry_add(const char *path, const char *entry, struct problem *problem)
{
    char lock[CLI_PATH_MAX];
    bool fits = snprintf(lock, sizeof lock, "%s.lock", path) < (int)sizeof lock;
    int fd = fits ? files_lock(lock) : -1;
    if (fd < 0) {
        problem_set(problem, "%s.lock: %s", path,
                    !fits                  ? "the path is too long"
                    : errno == EWOULDBLOCK ? "somebody else is changing the passwords"
                                           : strerror(errno));
        return false;
    }
    bool good = add_locked(path, entry, problem);
    (void)close(fd);
    return good;
}
