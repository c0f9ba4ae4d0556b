#include "notify/damage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_CHARS 4096

bool damage_met(sqlite3 *db)
{
    int code = db == NULL ? SQLITE_OK : sqlite3_errcode(db) & 0xFF;
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

enum damage damage_look(sqlite3 *db, struct problem *problem)
{
    sqlite3_stmt *check = NULL;
    enum damage damage = DAMAGE_UNKNOWN;
    if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &check, NULL) == SQLITE_OK &&
        sqlite3_step(check) == SQLITE_ROW && sqlite3_column_text(check, 0) != NULL) {
        const char *said = (const char *)sqlite3_column_text(check, 0);
        damage = strcmp(said, "ok") == 0 ? DAMAGE_NONE : DAMAGE_FOUND;
        if (damage == DAMAGE_FOUND) {
            problem_set(problem, "outbox: damaged: %.400s", said);
        }
    } else {
        damage = damage_met(db) ? DAMAGE_FOUND : DAMAGE_UNKNOWN;
        problem_set(problem, "outbox: %s", sqlite3_errmsg(db));
    }
    (void)sqlite3_finalize(check);
    return damage;
}

static bool is_free(const char *path)
{
    return access(path, F_OK) != 0 && errno == ENOENT;
}

/* The first name that is free. */
static bool find_place(const char *path, char place[PATH_CHARS])
{
    for (int n = 1; n <= DAMAGED_MAX; n++) {
        if (snprintf(place, PATH_CHARS, "%s.damaged-%d", path, n) >= PATH_CHARS) {
            return false;
        }
        if (is_free(place)) {
            break;
        }
    }
    return true;
}

/* One that is not there is fine. */
static bool move(const char *path, const char *place, const char *ending)
{
    char from[PATH_CHARS], to[PATH_CHARS];
    if (snprintf(from, sizeof from, "%s%s", path, ending) >= PATH_CHARS ||
        snprintf(to, sizeof to, "%s%s", place, ending) >= PATH_CHARS) {
        errno = ENAMETOOLONG;
        return false;
    }
    return rename(from, to) == 0 || errno == ENOENT;
}

/* The write-ahead log goes first: without its file it means nothing, but the file with another
 * file's log beside it would be damaged anew. */
bool damage_set_aside(const char *path, struct problem *problem)
{
    char place[PATH_CHARS];
    if (!find_place(path, place) || !move(path, place, "-wal") || !move(path, place, "-shm") ||
        !move(path, place, "")) {
        problem_set(problem, "outbox: %s is damaged and cannot be set aside: %s", path,
                    strerror(errno));
        return false;
    }
    return true;
}
