/* Written beside its place under another name, synced, and only then put there. */
#include "cli/put_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "cli/cli.h"

struct rights {
    uid_t user;
    gid_t group;
    mode_t mode;
};

static const char *folder_of(const char *path, char buffer[CLI_PATH_MAX])
{
    (void)snprintf(buffer, CLI_PATH_MAX, "%s", path);
    return dirname(buffer);
}

static bool find_rights(const char *path, struct rights *rights)
{
    char buffer[CLI_PATH_MAX];
    struct stat found;
    if (stat(path, &found) == 0) {
        *rights = (struct rights){ found.st_uid, found.st_gid,
                                   PUT_FILE_PRIVATE | (found.st_mode & S_IRGRP) };
        return true;
    }
    if (stat(folder_of(path, buffer), &found) == 0) {
        *rights = (struct rights){ found.st_uid, found.st_gid, PUT_FILE_PRIVATE };
        return true;
    }
    return false;
}

/* Only root can give a file away; others write what is theirs already. */
static bool hand_over(int fd, const struct rights *rights)
{
    bool given = geteuid() != 0 || fchown(fd, rights->user, rights->group) == 0;
    return given && fchmod(fd, rights->mode) == 0;
}

static FILE *open_private(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, PUT_FILE_PRIVATE);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (file == NULL && fd >= 0) {
        (void)close(fd);
    }
    return file;
}

static bool write_fresh(const char *path, const struct rights *rights, put_content *write,
                        void *context)
{
    FILE *file = open_private(path);
    if (file == NULL) {
        return false;
    }
    bool good = write(context, file) && fflush(file) == 0 && hand_over(fileno(file), rights) &&
                fsync(fileno(file)) == 0;
    return fclose(file) == 0 && good;
}

static bool sync_folder(const char *path)
{
    char buffer[CLI_PATH_MAX];
    return files_posix.sync_directory(files_posix.context, folder_of(path, buffer)) == 0;
}

bool put_file_replace(const char *path, put_content *write, void *context, struct problem *problem)
{
    char fresh[CLI_PATH_MAX];
    struct rights rights;
    if (snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh) {
        problem_set(problem, "%s: the path is too long", path);
        return false;
    }
    (void)unlink(fresh); /* of a run that was killed; the caller is alone */
    if (find_rights(path, &rights) && write_fresh(fresh, &rights, write, context) &&
        rename(fresh, path) == 0) {
        (void)sync_folder(path);
        return true;
    }
    problem_set(problem, "%s: %s", path, strerror(errno));
    (void)unlink(fresh);
    return false;
}

bool put_file_new(const char *path, unsigned mode, put_content *write, void *context,
                  struct problem *problem)
{
    char fresh[CLI_PATH_MAX];
    struct rights rights = { geteuid(), getegid(), (mode_t)mode };
    /* Another process that makes the same file has a name of its own. */
    if (snprintf(fresh, sizeof fresh, "%s.%ld.new", path, (long)getpid()) >= (int)sizeof fresh) {
        problem_set(problem, "%s: the path is too long", path);
        return false;
    }
    (void)unlink(fresh);
    bool good = write_fresh(fresh, &rights, write, context) && link(fresh, path) == 0;
    if (!good) {
        problem_set(problem, "%s: %s", path,
                    errno == EEXIST ? "is there already; nothing is overwritten" : strerror(errno));
    }
    (void)unlink(fresh);
    if (good && !sync_folder(path)) {
        problem_set(problem, "%s: %s", path, strerror(errno));
        (void)unlink(path);
        good = false;
    }
    return good;
}
