/*
 * Files of `phusa rules test`: any bytes are run as tests of rules, or blamed; without line breaks
 * and quotes they are a line of input in a file that is right. What is printed goes nowhere.
 */
#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>

#include "cli/cli.h"
#include "fuzz.h"

#define CONFIG "tests/data/rules/phusa.cfg"

const char *__lsan_default_suppressions(void);

/* libconfig 1.5 does not free the string before a syntax error. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig\n";
}

static char path[] = "/tmp/phusa-rules-XXXXXX";

static void remove_file(void)
{
    (void)unlink(path);
}

/* The file is made once; what is told about the tests is not looked at. */
static int open_file(void)
{
    static int file = -1;
    if (file < 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        file = mkstemp(path);
        ENSURE(file >= 0 && nowhere >= 0 && atexit(remove_file) == 0);
        ENSURE(dup2(nowhere, STDOUT_FILENO) >= 0);
        (void)close(nowhere);
    }
    ENSURE(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0);
    return file;
}

static int run_tests(const char *head, const uint8_t *data, size_t size, const char *tail)
{
    char rules[] = "phusa rules", test[] = "test", option[] = "-c", config[] = CONFIG;
    char *words[] = { rules, test, option, config, path, NULL };
    int file = open_file(), nowhere = open("/dev/null", O_WRONLY), errors = dup(STDERR_FILENO);
    ENSURE(nowhere >= 0 && errors >= 0);
    ENSURE(write(file, head, strlen(head)) == (ssize_t)strlen(head));
    ENSURE(write(file, fuzz_text(data, size), size) == (ssize_t)size);
    ENSURE(write(file, tail, strlen(tail)) == (ssize_t)strlen(tail));
    (void)dup2(nowhere, STDERR_FILENO);
    optind = 0; /* getopt begins anew */
    int result = cli_rules(5, words);
    (void)dup2(errors, STDERR_FILENO);
    (void)close(errors);
    (void)close(nowhere);
    return result;
}

static bool is_plain(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] < ' ' || data[i] == '"' || data[i] == '\\') {
            return false;
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int result = is_plain(data, size)
                     ? run_tests("tests : ( { name = \"a\"; expect = []; input = [\"", data, size,
                                 "\"]; } );\n")
                     : run_tests("", data, size, "");
    ENSURE(result == CLI_GOOD || result == CLI_BAD);
    return 0;
}
