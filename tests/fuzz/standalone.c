/*
 * Runs a fuzz target without a fuzzer: over its seeds as they are, then over random
 * changes of them. Part of `make check`; `make fuzz` hunts with libFuzzer.
 *
 *   <target> [RUNS [SEED]]     default 20000 1
 *
 * Seeds are the files in tests/fuzz/seeds/<target>, from the project's root;
 * without any, the changes begin with an empty input. The same RUNS and SEED give the
 * same inputs. The input that ended the run badly is left in <target>.crash.
 */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_MAX   1024
#define INPUT_MAX   70000 /* bytes: just above the largest report */
#define RUNS        20000
#define CHANGES_MAX 8  /* of one input */
#define PIECE_MAX   64 /* bytes inserted, removed or repeated at once */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Asked for by the sanitizers: a finding ends in SIGABRT, where the input is kept. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

struct input {
    uint8_t *bytes;
    size_t size;
};

static struct input seeds[SEEDS_MAX];
static size_t seed_count;
static uint8_t current[INPUT_MAX];
static size_t current_size;
static char crash_path[4096];
static uint64_t state;

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t draw(void)
{
    uint64_t z = state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static size_t below(size_t limit)
{
    return limit == 0 ? 0 : (size_t)(draw() % limit);
}

const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}

const char *__ubsan_default_options(void)
{
    return "abort_on_error=1:print_stacktrace=1";
}

static void keep_input(void)
{
    FILE *file = fopen(crash_path, "wb");
    if (file != NULL) {
        (void)fwrite(current, 1, current_size, file);
        (void)fclose(file);
    }
}

static void on_abort(int number)
{
    keep_input();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* In a block of exactly its size, so that a sanitizer sees every read beyond it. */
static void run_current(void)
{
    uint8_t *exact = malloc(current_size > 0 ? current_size : 1);
    if (exact == NULL) {
        abort();
    }
    memcpy(exact, current, current_size);
    (void)LLVMFuzzerTestOneInput(exact, current_size);
    free(exact);
}

/* --- seeds ---------------------------------------------------------------------- */

static void read_seed(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return;
    }
    size_t size = fread(current, 1, INPUT_MAX, file);
    (void)fclose(file);
    struct input *seed = &seeds[seed_count];
    seed->bytes = malloc(size + 1);
    if (seed->bytes != NULL) {
        memcpy(seed->bytes, current, size);
        seed->size = size;
        seed_count++;
    }
}

static void read_seeds(const char *target)
{
    char folder[2048], path[4096];
    (void)snprintf(folder, sizeof folder, "tests/fuzz/seeds/%s", target);
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.' && seed_count < SEEDS_MAX) {
            (void)snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
            read_seed(path);
        }
        free(entries[i]);
    }
    free(entries);
}

/* --- changes --------------------------------------------------------------------- */

static void insert(size_t at, const uint8_t *bytes, size_t size)
{
    if (current_size + size > INPUT_MAX) {
        return;
    }
    memmove(current + at + size, current + at, current_size - at);
    memcpy(current + at, bytes, size);
    current_size += size;
}

static void insert_random(void)
{
    uint8_t piece[PIECE_MAX];
    size_t size = 1 + below(4);
    for (size_t i = 0; i < size; i++) {
        piece[i] = (uint8_t)draw();
    }
    insert(below(current_size + 1), piece, size);
}

/* A piece of this or another seed's text put anywhere. */
static void insert_piece(const uint8_t *from, size_t from_size)
{
    uint8_t piece[PIECE_MAX];
    size_t start = below(from_size);
    size_t size = 1 + below(PIECE_MAX);
    size = size > from_size - start ? from_size - start : size;
    memcpy(piece, from + start, size);
    insert(below(current_size + 1), piece, size);
}

static void take_out(void)
{
    size_t start = below(current_size);
    size_t size = 1 + below(PIECE_MAX);
    size = size > current_size - start ? current_size - start : size;
    memmove(current + start, current + start + size, current_size - start - size);
    current_size -= size;
}

static void change_byte(void)
{
    static const uint8_t telling[] = { 0,   1,    '"',  '\\', '[',  ']',  '{',  '}',  ',',
                                       ':', '-',  '+',  'e',  '.',  '0',  '9',  ' ',  '\n',
                                       '=', 0x7F, 0x80, 0x9F, 0xBF, 0xF4, 0xF9, 0xFB, 0xFF };
    uint8_t *byte = &current[below(current_size)];
    if (draw() % 2 == 0) {
        *byte ^= (uint8_t)(1u << below(8));
    } else {
        *byte = telling[below(sizeof telling)];
    }
}

static void change(void)
{
    const struct input *other = seed_count > 0 ? &seeds[below(seed_count)] : NULL;
    unsigned kind = (unsigned)below(8);
    if (current_size == 0 || kind == 0) {
        insert_random();
    } else if (kind == 1 && other != NULL && other->size > 0) {
        insert_piece(other->bytes, other->size);
    } else if (kind == 2) {
        insert_piece(current, current_size);
    } else if (kind == 3) {
        take_out();
    } else if (kind == 4 && below(4) == 0) {
        current_size = below(current_size);
    } else {
        change_byte();
    }
}

static void begin_with(const struct input *seed)
{
    current_size = seed == NULL ? 0 : seed->size;
    if (current_size > 0) {
        memcpy(current, seed->bytes, current_size);
    }
}

static void run_all(unsigned long runs)
{
    for (size_t i = 0; i < seed_count; i++) {
        begin_with(&seeds[i]);
        run_current();
    }
    for (unsigned long run = 0; run < runs; run++) {
        begin_with(seed_count > 0 ? &seeds[below(seed_count)] : NULL);
        for (size_t left = 1 + below(CHANGES_MAX); left > 0; left--) {
            change();
        }
        run_current();
    }
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *target = slash == NULL ? argv[0] : slash + 1;
    unsigned long runs = argc > 1 ? strtoul(argv[1], NULL, 10) : RUNS;
    unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    state = seed;
    (void)snprintf(crash_path, sizeof crash_path, "%s.crash", argv[0]);
    (void)signal(SIGABRT, on_abort);
    read_seeds(target);
    (void)printf("%s: %zu seeds, %lu runs, seed %lu\n", target, seed_count, runs, seed);
    (void)fflush(stdout);
    run_all(runs);
    for (size_t i = 0; i < seed_count; i++) {
        free(seeds[i].bytes);
    }
    return 0;
}
