#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MAX   256
#define ENTRIES_MAX 128
#define OPEN_MAX    128
#define PATH_CHARS  64
#define SECTOR      512
#define FIRST_FD    (1 << 24) /* no descriptor of the system: what is tried on one fails */
#define DIRECTORY   (-1)      /* an entry's node */
#define CLASSES     5

const char *const disk_survival_names[DISK_SURVIVALS] = { "killed",
                                                          "nothing survives",
                                                          "everything survives",
                                                          "some survives",
                                                          "some data survives",
                                                          "torn sector",
                                                          "torn byte",
                                                          "zeros",
                                                          "garbage" };

struct bytes {
    uint8_t *data;
    size_t length, capacity;
};

/* A write, or a change of the size (data NULL), that no sync has carried yet. */
struct change {
    uint8_t *data;
    size_t offset, length; /* of a change of the size: offset is the new one */
};

struct node {
    struct bytes seen, durable;
    struct change *changes;
    size_t count, capacity;
};

struct entry {
    char path[PATH_CHARS];
    int node;
};

struct entries {
    struct entry items[ENTRIES_MAX];
    size_t count;
};

/* Some name gets a node, some name loses its own; a rename does both at once. */
struct entry_change {
    char gains[PATH_CHARS], loses[PATH_CHARS]; /* "" = none */
    int node;
};

struct open_file {
    bool used;
    int node, flags;
    size_t at;
};

struct disk {
    struct file_ops files;
    struct node nodes[NODES_MAX];
    int node_count;
    struct entries seen, durable;
    struct entry_change changes[ENTRIES_MAX];
    size_t change_count;
    struct open_file open[OPEN_MAX];
    struct disk_fault fault;
    unsigned long counts[CLASSES];
    unsigned long changes_since; /* the fault struck */
    bool struck, stopped, dropped;
    uint64_t limit, random;
};

/* --- help -------------------------------------------------------------------- */

static void give_up(const char *why)
{
    (void)fprintf(stderr, "disk: %s\n", why);
    abort();
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static bool chance(uint64_t *state)
{
    return (next_random(state) >> 20 & 1) != 0;
}

static uint64_t seeded(uint64_t seed)
{
    uint64_t state = seed * 2654435769u + 88172645463325252u;
    (void)next_random(&state);
    return state;
}

/* Also shortens; what is new are zeros. */
static void resize(struct bytes *bytes, size_t length)
{
    if (length > bytes->capacity) {
        bytes->capacity = length < 256 ? 256 : length * 2;
        bytes->data = realloc(bytes->data, bytes->capacity);
        if (bytes->data == NULL) {
            give_up("out of memory");
        }
    }
    if (length > bytes->length) {
        memset(bytes->data + bytes->length, 0, length - bytes->length);
    }
    bytes->length = length;
}

static void put(struct bytes *bytes, size_t offset, const uint8_t *data, size_t length)
{
    if (length == 0) {
        return;
    }
    if (offset + length > bytes->length) {
        resize(bytes, offset + length);
    }
    memcpy(bytes->data + offset, data, length);
}

static void copy_bytes(struct bytes *to, const struct bytes *from)
{
    resize(to, from->length);
    put(to, 0, from->data, from->length);
}

static uint8_t *duplicate(const void *bytes, size_t length)
{
    uint8_t *copy = malloc(length + 1);
    if (copy == NULL) {
        give_up("out of memory");
    }
    if (length > 0) {
        memcpy(copy, bytes, length);
    }
    return copy;
}

static void add_change(struct node *node, struct change change)
{
    if (node->count == node->capacity) {
        node->capacity = node->capacity == 0 ? 16 : node->capacity * 2;
        node->changes = realloc(node->changes, node->capacity * sizeof *node->changes);
        if (node->changes == NULL) {
            give_up("out of memory");
        }
    }
    node->changes[node->count++] = change;
}

static void drop_changes(struct node *node)
{
    for (size_t i = 0; i < node->count; i++) {
        free(node->changes[i].data);
    }
    node->count = 0;
}

static void apply(struct bytes *bytes, const struct change *change)
{
    if (change->data == NULL) {
        resize(bytes, change->offset);
    } else {
        put(bytes, change->offset, change->data, change->length);
    }
}

/* --- entries ------------------------------------------------------------------ */

static struct entry *find(struct entries *entries, const char *path)
{
    for (size_t i = 0; i < entries->count; i++) {
        if (strcmp(entries->items[i].path, path) == 0) {
            return &entries->items[i];
        }
    }
    return NULL;
}

static void name_into(char to[PATH_CHARS], const char *path)
{
    if (snprintf(to, PATH_CHARS, "%s", path) >= PATH_CHARS) {
        give_up("the path is too long");
    }
}

static void set_entry(struct entries *entries, const char *path, int node)
{
    struct entry *entry = find(entries, path);
    if (entry == NULL) {
        if (entries->count == ENTRIES_MAX) {
            give_up("too many entries");
        }
        entry = &entries->items[entries->count++];
        name_into(entry->path, path);
    }
    entry->node = node;
}

static void remove_entry(struct entries *entries, const char *path)
{
    struct entry *entry = find(entries, path);
    if (entry != NULL) {
        *entry = entries->items[--entries->count];
    }
}

static void apply_entry(struct entries *entries, const struct entry_change *change)
{
    if (change->loses[0] != '\0') {
        remove_entry(entries, change->loses);
    }
    if (change->gains[0] != '\0') {
        set_entry(entries, change->gains, change->node);
    }
}

static void change_entry(struct disk *disk, const char *gains, const char *loses, int node)
{
    if (disk->change_count == ENTRIES_MAX) {
        give_up("too many changes without a sync of the directory");
    }
    struct entry_change *change = &disk->changes[disk->change_count++];
    name_into(change->gains, gains);
    name_into(change->loses, loses);
    change->node = node;
    apply_entry(&disk->seen, change);
}

/* Length of the folder's part of a path; 0 for the root. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path);
}

static bool stands_in(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    length -= length > 0 && folder[length - 1] == '/' ? 1 : 0;
    return folder_length(path) == length && strncmp(path, folder, length) == 0;
}

static bool is_folder(struct entries *entries, const char *path)
{
    char folder[PATH_CHARS];
    name_into(folder, path);
    size_t length = strlen(folder);
    if (length > 0 && folder[length - 1] == '/') {
        folder[length - 1] = '\0';
    }
    const struct entry *entry = find(entries, folder);
    return folder[0] == '\0' || (entry != NULL && entry->node == DIRECTORY);
}

static bool folder_is_there(struct entries *entries, const char *path)
{
    char folder[PATH_CHARS];
    size_t length = folder_length(path);
    memcpy(folder, path, length);
    folder[length] = '\0';
    return length == 0 || is_folder(entries, folder);
}

static int new_node(struct disk *disk)
{
    if (disk->node_count == NODES_MAX) {
        give_up("too many files");
    }
    return disk->node_count++;
}

/* --- faults --------------------------------------------------------------------- */

static unsigned class_index(unsigned class)
{
    unsigned index = 0;
    while ((1u << index) != class) {
        index++;
    }
    return index;
}

unsigned long disk_count(const struct disk *disk, unsigned classes)
{
    unsigned long sum = 0;
    for (unsigned i = 0; i < CLASSES; i++) {
        sum += (classes >> i & 1) != 0 ? disk->counts[i] : 0;
    }
    return sum;
}

static enum disk_fault_kind stop_now(struct disk *disk)
{
    disk->stopped = true;
    errno = EIO;
    return DISK_CRASH;
}

/* Counts an operation; what is to happen to it. errno is set for a failure. */
static enum disk_fault_kind begin(struct disk *disk, unsigned class)
{
    const struct disk_fault *fault = &disk->fault;
    if (disk->stopped) {
        errno = EIO;
        return DISK_ERROR;
    }
    disk->counts[class_index(class)]++;
    if (disk->struck && (class & DISK_CHANGES) != 0 && fault->crash_after > 0 &&
        ++disk->changes_since == fault->crash_after) {
        return stop_now(disk);
    }
    unsigned long number = disk_count(disk, fault->classes);
    unsigned times = fault->times > 0 ? fault->times : 1;
    if (fault->kind == DISK_NO_FAULT || (fault->classes & class) == 0 || number < fault->at ||
        number - fault->at >= times) {
        return DISK_NO_FAULT;
    }
    disk->struck = true;
    if (fault->kind == DISK_CRASH) {
        return stop_now(disk);
    }
    errno = fault->error != 0 ? fault->error : EIO;
    return fault->kind;
}

/* For operations that are done or not: true if this one is to be done, *fails if it says it is not.
 */
static bool happens(struct disk *disk, unsigned class, bool *fails)
{
    enum disk_fault_kind fault = begin(disk, class);
    *fails = fault == DISK_ERROR || fault == DISK_TORN || fault == DISK_CRASH;
    return !*fails || fault == DISK_CRASH;
}

static int ended(bool fails, int error)
{
    if (fails) {
        errno = error;
    }
    return fails ? -1 : 0;
}

/* --- files ------------------------------------------------------------------------ */

static struct open_file *file_of(struct disk *disk, int fd)
{
    int index = fd - FIRST_FD;
    if (index < 0 || index >= OPEN_MAX || !disk->open[index].used) {
        give_up("not an open descriptor");
    }
    return &disk->open[index];
}

static struct node *node_of(struct disk *disk, int fd)
{
    return &disk->nodes[file_of(disk, fd)->node];
}

static int new_descriptor(struct disk *disk, int node, int flags)
{
    for (int i = 0; i < OPEN_MAX; i++) {
        if (!disk->open[i].used) {
            disk->open[i] = (struct open_file){ .used = true, .node = node, .flags = flags };
            return FIRST_FD + i;
        }
    }
    errno = EMFILE;
    return -1;
}

static void set_size(struct node *node, size_t length)
{
    struct change change = { .offset = length };
    apply(&node->seen, &change);
    add_change(node, change);
}

static int disk_open(void *context, const char *path, int flags, unsigned mode)
{
    struct disk *disk = context;
    const struct entry *entry = find(&disk->seen, path);
    bool creates = entry == NULL && (flags & O_CREAT) != 0;
    bool fails;
    (void)mode;
    bool done = happens(disk, creates ? DISK_ENTRIES : DISK_READS, &fails);
    int error = errno;
    if (!done) {
        return ended(true, error);
    }
    if (entry == NULL && !creates) {
        return ended(true, ENOENT);
    }
    if (!creates && (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) {
        return ended(true, EEXIST);
    }
    if (!folder_is_there(&disk->seen, path)) {
        return ended(true, ENOENT);
    }
    if (entry != NULL && entry->node == DIRECTORY) {
        return ended(true, EISDIR);
    }
    int node = creates ? new_node(disk) : entry->node;
    if (creates) {
        change_entry(disk, path, "", node);
    } else if ((flags & O_TRUNC) != 0 && disk->nodes[node].seen.length > 0) {
        set_size(&disk->nodes[node], 0);
    }
    return fails ? ended(true, error) : new_descriptor(disk, node, flags);
}

static int disk_close(void *context, int fd)
{
    struct disk *disk = context;
    bool fails;
    file_of(disk, fd)->used = false;
    (void)happens(disk, DISK_CLOSES, &fails);
    return fails ? -1 : 0;
}

/* Bytes in the files that have a name. */
static uint64_t used_bytes(const struct disk *disk)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < disk->seen.count; i++) {
        int node = disk->seen.items[i].node;
        sum += node == DIRECTORY ? 0 : disk->nodes[node].seen.length;
    }
    return sum;
}

/* How much of a write fits. */
static size_t room_for(const struct disk *disk, const struct node *node, size_t offset,
                       size_t length)
{
    if (disk->limit == 0 || offset + length <= node->seen.length) {
        return length;
    }
    uint64_t used = used_bytes(disk);
    uint64_t end = node->seen.length + (used < disk->limit ? disk->limit - used : 0);
    uint64_t room = end > offset ? end - offset : 0;
    return room < length ? (size_t)room : length;
}

static ssize_t write_at(struct disk *disk, struct node *node, const void *bytes, size_t length,
                        size_t offset)
{
    enum disk_fault_kind fault = begin(disk, DISK_WRITES);
    int error = errno;
    if (fault == DISK_ERROR) {
        return ended(true, error);
    }
    size_t part = room_for(disk, node, offset, length);
    if (part == 0 && length > 0) {
        return ended(true, ENOSPC);
    }
    if ((fault == DISK_SHORT || fault == DISK_TORN) && length > 1) {
        size_t some = 1 + (size_t)(next_random(&disk->random) % (length - 1));
        part = some < part ? some : part;
    }
    struct change change = { duplicate(bytes, part), offset, part };
    apply(&node->seen, &change);
    add_change(node, change);
    return fault == DISK_TORN || fault == DISK_CRASH ? ended(true, error) : (ssize_t)part;
}

static ssize_t disk_write(void *context, int fd, const void *bytes, size_t length)
{
    struct disk *disk = context;
    struct open_file *file = file_of(disk, fd);
    struct node *node = &disk->nodes[file->node];
    size_t offset = (file->flags & O_APPEND) != 0 ? node->seen.length : file->at;
    ssize_t written = write_at(disk, node, bytes, length, offset);
    if (written > 0) {
        file->at = offset + (size_t)written;
    }
    return written;
}

static ssize_t disk_pwrite(void *context, int fd, const void *bytes, size_t length, int64_t offset)
{
    return write_at(context, node_of(context, fd), bytes, length, (size_t)offset);
}

static ssize_t disk_pread(void *context, int fd, void *bytes, size_t length, int64_t offset)
{
    struct disk *disk = context;
    const struct node *node = node_of(disk, fd);
    enum disk_fault_kind fault = begin(disk, DISK_READS);
    if (fault != DISK_NO_FAULT && fault != DISK_SHORT) {
        return -1;
    }
    size_t from = (size_t)offset;
    size_t there = node->seen.length > from ? node->seen.length - from : 0;
    size_t part = there < length ? there : length;
    if (fault == DISK_SHORT && part > 1) {
        part = 1 + (size_t)(next_random(&disk->random) % (part - 1));
    }
    if (part > 0) {
        memcpy(bytes, node->seen.data + from, part);
    }
    return (ssize_t)part;
}

static void carry(struct node *node)
{
    for (size_t i = 0; i < node->count; i++) {
        apply(&node->durable, &node->changes[i]);
    }
    drop_changes(node);
}

static int disk_fdatasync(void *context, int fd)
{
    struct disk *disk = context;
    struct node *node = node_of(disk, fd);
    enum disk_fault_kind fault = begin(disk, DISK_SYNCS);
    int error = errno;
    if (disk->stopped) {
        return ended(true, error); /* what it carried is the survivor's choice */
    }
    if (fault == DISK_ERROR || fault == DISK_TORN) {
        for (size_t i = 0; fault == DISK_TORN && i < node->count; i++) {
            if (chance(&disk->random)) {
                apply(&node->durable, &node->changes[i]);
            }
        }
        disk->dropped |= node->count > 0;
        drop_changes(node);
        return ended(true, error);
    }
    carry(node);
    return 0;
}

static int disk_allocate(void *context, int fd, int64_t length)
{
    struct disk *disk = context;
    struct node *node = node_of(disk, fd);
    bool fails;
    bool done = happens(disk, DISK_WRITES, &fails);
    int error = errno;
    size_t have = node->seen.length;
    if (done && (size_t)length > have) {
        if (room_for(disk, node, have, (size_t)length - have) < (size_t)length - have) {
            return ended(true, ENOSPC);
        }
        set_size(node, (size_t)length);
    }
    return ended(fails, error);
}

static int disk_ftruncate(void *context, int fd, int64_t length)
{
    struct disk *disk = context;
    bool fails;
    bool done = happens(disk, DISK_WRITES, &fails);
    int error = errno;
    if (done) {
        set_size(node_of(disk, fd), (size_t)length);
    }
    return ended(fails, error);
}

static int64_t disk_size(void *context, int fd)
{
    struct disk *disk = context;
    bool fails;
    (void)happens(disk, DISK_READS, &fails);
    return fails ? -1 : (int64_t)node_of(disk, fd)->seen.length;
}

static int disk_rename(void *context, const char *from, const char *to)
{
    struct disk *disk = context;
    bool fails;
    bool done = happens(disk, DISK_ENTRIES, &fails);
    int error = errno;
    const struct entry *entry = find(&disk->seen, from);
    if (done && (entry == NULL || !folder_is_there(&disk->seen, to))) {
        return ended(true, ENOENT);
    }
    if (done) {
        if (entry->node == DIRECTORY) {
            give_up("renaming a directory is not simulated");
        }
        change_entry(disk, to, from, entry->node);
    }
    return ended(fails, error);
}

static int disk_unlink(void *context, const char *path)
{
    struct disk *disk = context;
    bool fails;
    bool done = happens(disk, DISK_ENTRIES, &fails);
    int error = errno;
    const struct entry *entry = find(&disk->seen, path);
    if (done && (entry == NULL || entry->node == DIRECTORY)) {
        return ended(true, entry == NULL ? ENOENT : EISDIR);
    }
    if (done) {
        change_entry(disk, "", path, 0);
    }
    return ended(fails, error);
}

static int disk_mkdir(void *context, const char *path, unsigned mode)
{
    struct disk *disk = context;
    bool fails;
    (void)mode;
    bool done = happens(disk, DISK_ENTRIES, &fails);
    int error = errno;
    if (done && find(&disk->seen, path) == NULL) {
        if (!folder_is_there(&disk->seen, path)) {
            return ended(true, ENOENT);
        }
        change_entry(disk, path, "", DIRECTORY);
    }
    return ended(fails, error);
}

static bool concerns(const struct entry_change *change, const char *folder)
{
    return stands_in(change->gains[0] != '\0' ? change->gains : change->loses, folder);
}

static int disk_sync_directory(void *context, const char *path)
{
    struct disk *disk = context;
    bool fails;
    (void)happens(disk, DISK_SYNCS, &fails);
    if (fails) {
        return -1;
    }
    if (!is_folder(&disk->seen, path)) {
        return ended(true, ENOENT);
    }
    size_t kept = 0;
    for (size_t i = 0; i < disk->change_count; i++) {
        if (concerns(&disk->changes[i], path)) {
            apply_entry(&disk->durable, &disk->changes[i]);
        } else {
            disk->changes[kept++] = disk->changes[i];
        }
    }
    disk->change_count = kept;
    return 0;
}

static int disk_list(void *context, const char *path,
                     void (*visit)(void *visitor, const char *name), void *visitor)
{
    struct disk *disk = context;
    bool fails;
    (void)happens(disk, DISK_READS, &fails);
    if (fails) {
        return -1;
    }
    if (!is_folder(&disk->seen, path)) {
        return ended(true, ENOENT);
    }
    for (size_t i = 0; i < disk->seen.count; i++) {
        if (stands_in(disk->seen.items[i].path, path)) {
            visit(visitor, strrchr(disk->seen.items[i].path, '/') + 1);
        }
    }
    return 0;
}

/* --- the disk as a whole ------------------------------------------------------------ */

struct disk *disk_create(uint64_t seed)
{
    struct disk *disk = calloc(1, sizeof *disk);
    if (disk == NULL) {
        give_up("out of memory");
    }
    disk->random = seeded(seed);
    disk->files = (struct file_ops){ .context = disk,
                                     .open = disk_open,
                                     .close = disk_close,
                                     .write = disk_write,
                                     .pread = disk_pread,
                                     .pwrite = disk_pwrite,
                                     .fdatasync = disk_fdatasync,
                                     .allocate = disk_allocate,
                                     .ftruncate = disk_ftruncate,
                                     .size = disk_size,
                                     .rename = disk_rename,
                                     .unlink = disk_unlink,
                                     .mkdir = disk_mkdir,
                                     .sync_directory = disk_sync_directory,
                                     .list = disk_list };
    set_entry(&disk->seen, "/d", DIRECTORY);
    set_entry(&disk->durable, "/d", DIRECTORY);
    return disk;
}

void disk_free(struct disk *disk)
{
    if (disk == NULL) {
        return;
    }
    for (int i = 0; i < disk->node_count; i++) {
        struct node *node = &disk->nodes[i];
        drop_changes(node);
        free(node->changes);
        free(node->seen.data);
        free(node->durable.data);
    }
    free(disk);
}

const struct file_ops *disk_files(struct disk *disk)
{
    return &disk->files;
}

void disk_plan(struct disk *disk, const struct disk_fault *fault)
{
    disk->fault = fault != NULL ? *fault : (struct disk_fault){ .kind = DISK_NO_FAULT };
    memset(disk->counts, 0, sizeof disk->counts);
    disk->struck = false;
    disk->changes_since = 0;
}

bool disk_struck(const struct disk *disk)
{
    return disk->struck;
}

bool disk_stopped(const struct disk *disk)
{
    return disk->stopped;
}

bool disk_dropped(const struct disk *disk)
{
    return disk->dropped;
}

void disk_limit(struct disk *disk, uint64_t bytes)
{
    disk->limit = bytes;
}

size_t disk_open_files(const struct disk *disk)
{
    size_t count = 0;
    for (size_t i = 0; i < OPEN_MAX; i++) {
        count += disk->open[i].used ? 1 : 0;
    }
    return count;
}

uint8_t *disk_bytes(struct disk *disk, const char *path, size_t *length)
{
    const struct entry *entry = find(&disk->seen, path);
    if (entry == NULL || entry->node == DIRECTORY) {
        return NULL;
    }
    *length = disk->nodes[entry->node].seen.length;
    return disk->nodes[entry->node].seen.data;
}

void disk_put(struct disk *disk, const char *path, const void *bytes, size_t length)
{
    const struct entry *entry = find(&disk->seen, path);
    int node = entry != NULL ? entry->node : new_node(disk);
    drop_changes(&disk->nodes[node]);
    resize(&disk->nodes[node].seen, length);
    put(&disk->nodes[node].seen, 0, bytes, length);
    copy_bytes(&disk->nodes[node].durable, &disk->nodes[node].seen);
    set_entry(&disk->seen, path, node);
    set_entry(&disk->durable, path, node);
}

/* --- what survives -------------------------------------------------------------------- */

/*
 * How many of a file's changes one sector of it (or its size: SIZE_MAX) has seen when it went to
 * disk: a sector holds what was written up to some moment, never a later write without an earlier.
 */
static size_t moment_of(size_t sector, size_t changes, uint64_t seed)
{
    uint64_t random = seeded(seed ^ (sector + 1) * 0x9e3779b97f4a7c15u);
    switch (next_random(&random) >> 30 & 3) {
    case 0:
        return 0;
    case 1:
        return changes;
    default:
        return (size_t)((next_random(&random) >> 8) % (changes + 1));
    }
}

/* Each sector as of a moment of its own. */
static void survive_some(struct bytes *bytes, const struct node *node, uint64_t seed)
{
    for (size_t i = 0; i < node->count; i++) {
        const struct change *change = &node->changes[i];
        if (change->data == NULL && i < moment_of(SIZE_MAX, node->count, seed)) {
            apply(bytes, change);
        }
        for (size_t done = 0; change->data != NULL && done < change->length;) {
            size_t at = change->offset + done;
            size_t part = SECTOR - at % SECTOR;
            part = change->length - done < part ? change->length - done : part;
            if (i < moment_of(at / SECTOR, node->count, seed)) {
                put(bytes, at, change->data + done, part);
            }
            done += part;
        }
    }
}

/* The last write up to a boundary of sectors, or to any byte of it. */
static void survive_torn(struct bytes *bytes, const struct change *change, size_t unit,
                         uint64_t *random)
{
    if (change->data == NULL || change->length == 0) {
        return;
    }
    size_t first = (change->offset + unit) / unit * unit - change->offset; /* behind its begin */
    if (first >= change->length) {
        return; /* there is no boundary in it: nothing of it */
    }
    size_t boundaries = (change->length - first - 1) / unit + 1;
    size_t end = first + unit * (size_t)(next_random(random) % boundaries);
    put(bytes, change->offset, change->data, end);
}

static void survive_empty(struct bytes *bytes, const struct change *change, bool garbage,
                          uint64_t *random)
{
    size_t end = change->offset + change->length;
    if (change->data == NULL || end > bytes->length) {
        resize(bytes, end);
    }
    for (size_t i = 0; i < change->length; i++) {
        bytes->data[change->offset + i] = garbage ? (uint8_t)(next_random(random) >> 24) : 0;
    }
}

static void survive_change(struct bytes *bytes, const struct change *change,
                           enum disk_survival survival, bool last, uint64_t *random)
{
    switch (survival) {
    case DISK_NOTHING:
    case DISK_SOME: /* not by changes: survive_some */
    case DISK_SOME_DATA:
        break;
    case DISK_SIZE_ZEROS:
    case DISK_SIZE_GARBAGE:
        survive_empty(bytes, change, survival == DISK_SIZE_GARBAGE, random);
        break;
    case DISK_TORN_SECTOR:
    case DISK_TORN_BYTE:
        if (last) {
            survive_torn(bytes, change, survival == DISK_TORN_BYTE ? 1 : SECTOR, random);
            break;
        }
        /* fall through */
    case DISK_KILLED:
    case DISK_EVERYTHING:
        apply(bytes, change);
        break;
    }
}

static void survive_node(struct node *to, const struct node *from, enum disk_survival survival,
                         uint64_t *random)
{
    copy_bytes(&to->durable, &from->durable);
    if (survival == DISK_KILLED) {
        copy_bytes(&to->seen, &from->seen);
        for (size_t i = 0; i < from->count; i++) {
            struct change change = from->changes[i];
            if (change.data != NULL) {
                change.data = duplicate(change.data, change.length);
            }
            add_change(to, change);
        }
        return;
    }
    if (survival == DISK_SOME || survival == DISK_SOME_DATA) {
        survive_some(&to->durable, from, next_random(random));
    }
    for (size_t i = 0; i < from->count; i++) {
        survive_change(&to->durable, &from->changes[i], survival, i + 1 == from->count, random);
    }
    copy_bytes(&to->seen, &to->durable);
}

/* What stands in a directory that did not survive is gone. */
static void drop_orphans(struct entries *entries)
{
    for (size_t i = 0; i < entries->count;) {
        if (folder_is_there(entries, entries->items[i].path)) {
            i++;
        } else {
            entries->items[i] = entries->items[--entries->count];
            i = 0;
        }
    }
}

static void survive_entries(struct disk *to, const struct disk *from, enum disk_survival survival)
{
    to->durable = from->durable;
    if (survival == DISK_KILLED) {
        to->seen = from->seen;
        to->change_count = from->change_count;
        memcpy(to->changes, from->changes, sizeof to->changes);
        return;
    }
    for (size_t i = 0; i < from->change_count && survival != DISK_NOTHING; i++) {
        if (survival != DISK_SOME || chance(&to->random)) {
            apply_entry(&to->durable, &from->changes[i]);
        }
    }
    drop_orphans(&to->durable);
    to->seen = to->durable;
}

struct disk *disk_survivor(const struct disk *disk, enum disk_survival survival, uint64_t seed)
{
    struct disk *survivor = disk_create(seed);
    survivor->limit = disk->limit;
    survivor->dropped = disk->dropped && survival == DISK_KILLED;
    survivor->node_count = disk->node_count;
    for (int i = 0; i < disk->node_count; i++) {
        survive_node(&survivor->nodes[i], &disk->nodes[i], survival, &survivor->random);
    }
    survive_entries(survivor, disk, survival);
    return survivor;
}
