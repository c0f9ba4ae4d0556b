/* The files that a configuration names. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "settings/load.h"

#define FOLDER_FILES_MAX 20000 /* *.cfg files taken from one folder */
#define SECRET_MAX       4096  /* bytes of a secret's file */

const char *source_path(struct loader *loader, const char *name)
{
    return name[0] == '/' ? arena_text(loader->arena, name)
                          : arena_print(loader->arena, "%s%s", loader->folder, name);
}

/* ---- a file or a folder of files ---- */

struct folder {
    struct arena *arena;
    const char **names;
    size_t count, capacity;
    bool too_many;
};

static bool is_configuration(const char *name)
{
    size_t length = strlen(name);
    return name[0] != '.' && length > 4 && strcmp(name + length - 4, ".cfg") == 0;
}

static void take_name(void *visitor, const char *name)
{
    struct folder *folder = visitor;
    if (!is_configuration(name)) {
        return;
    }
    folder->too_many = folder->count == FOLDER_FILES_MAX;
    const char **names = folder->too_many
                             ? NULL
                             : arena_extend(folder->arena, folder->names, folder->count,
                                            &folder->capacity, sizeof *names);
    if (names != NULL) {
        folder->names = names;
        folder->names[folder->count++] = arena_text(folder->arena, name);
    }
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static bool read_file(struct loader *loader, const struct config_node *phusa, const char *key,
                      const char *path, source_read *read, void *context)
{
    struct config *config = NULL;
    struct problem problem = { "" };
    enum config_status status = config_open(path, &loader->sink, &config, &problem);
    if (status == CONFIG_UNREADABLE) {
        config_complain_at(phusa, key, "\"%s\" names %s, which %s", key, path, problem.text);
    } else if (status == CONFIG_NO_MEMORY) {
        loader->arena->failed = true;
    }
    if (status != CONFIG_OK) {
        return false;
    }
    loader->open_file = path;
    read(loader, context, config_root(config));
    config_close(config);
    return true;
}

static bool read_folder(struct loader *loader, const struct config_node *phusa, const char *key,
                        const char *path, source_read *read, void *context)
{
    struct folder folder = { .arena = loader->arena };
    if (files_posix.list(files_posix.context, path, take_name, &folder) != 0) {
        config_complain_at(phusa, key, "\"%s\" names %s, which cannot be listed: %s", key, path,
                           strerror(errno));
        return false;
    }
    if (folder.count == 0 || folder.too_many) {
        config_complain_at(phusa, key, "\"%s\" names the folder %s, which holds %s *.cfg file%s",
                           key, path, folder.too_many ? "too many" : "no",
                           folder.too_many ? "s" : "");
        return false;
    }
    qsort(folder.names, folder.count, sizeof *folder.names, compare_names);
    const char *joint = path[strlen(path) - 1] == '/' ? "" : "/";
    bool whole = true;
    for (size_t i = 0; i < folder.count; i++) {
        const char *file = arena_print(loader->arena, "%s%s%s", path, joint, folder.names[i]);
        whole = read_file(loader, phusa, key, file, read, context) && whole;
    }
    return whole;
}

bool source_each(struct loader *loader, const struct config_node *phusa, const char *key,
                 const char *name, source_read *read, void *context)
{
    const char *path = source_path(loader, name);
    struct stat found;
    bool folder = stat(path, &found) == 0 && S_ISDIR(found.st_mode);
    return folder ? read_folder(loader, phusa, key, path, read, context)
                  : read_file(loader, phusa, key, path, read, context);
}

/* ---- secrets and certificates ---- */

static const char *why_no_secret(const char *text, size_t length)
{
    if (length == 0) {
        return "is empty; put the secret on its first line";
    }
    if (length > SECRET_MAX) {
        return "is too long for a secret";
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f) {
            return "holds more than one line or a control character; put only the secret there";
        }
    }
    return NULL;
}

static size_t without_line_end(const char *text, size_t length)
{
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r')) {
        length--;
    }
    return length;
}

const char *source_secret(struct loader *loader, const struct config_node *group, const char *key,
                          const char *name)
{
    if (name[0] == '\0') {
        return "";
    }
    char text[SECRET_MAX + 2];
    const char *path = source_path(loader, name);
    FILE *file = fopen(path, "rbe");
    size_t length = file == NULL ? 0 : fread(text, 1, SECRET_MAX + 1, file);
    bool failed = file == NULL || ferror(file) != 0;
    if (failed) {
        config_complain_at(group, key, "\"%s\" names %s, which cannot be read: %s", key, path,
                           strerror(errno));
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    length = without_line_end(text, length);
    const char *why = failed ? NULL : why_no_secret(text, length);
    if (why != NULL) {
        config_complain_at(group, key, "\"%s\" names %s, which %s", key, path, why);
    }
    text[length] = '\0';
    const char *secret = failed || why != NULL ? "" : arena_text(loader->arena, text);
    explicit_bzero(text, sizeof text);
    return secret;
}

const char *source_readable(struct loader *loader, const struct config_node *group, const char *key,
                            const char *name)
{
    if (name[0] == '\0') {
        return "";
    }
    const char *path = source_path(loader, name);
    if (access(path, R_OK) != 0) {
        config_complain_at(group, key, "\"%s\" names %s, which cannot be read: %s", key, path,
                           strerror(errno));
    }
    return path;
}
