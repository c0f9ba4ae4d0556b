#include "console_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct console_socket {
    const char *path;
    int listener, client; /* client -1 = nobody */
};

static bool is_socket(const char *path)
{
    struct stat about;
    return lstat(path, &about) == 0 && S_ISSOCK(about.st_mode);
}

static bool listen_at(int fd, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(address.sun_path, path, length + 1);
    if (is_socket(path)) {
        (void)unlink(path);
    }
    mode_t before = umask(077);
    int bound = bind(fd, (const struct sockaddr *)&address, sizeof address);
    (void)umask(before);
    return bound == 0 && listen(fd, 1) == 0;
}

struct console_socket *console_socket_open(const char *path, struct problem *problem)
{
    struct console_socket *console = calloc(1, sizeof *console);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (console == NULL || fd < 0 || !listen_at(fd, path)) {
        problem_set(problem, "--console %s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        free(console);
        return NULL;
    }
    *console = (struct console_socket){ path, fd, -1 };
    return console;
}

static void hang_up(struct console_socket *console)
{
    if (console->client >= 0) {
        close(console->client);
    }
    console->client = -1;
}

void console_socket_close(struct console_socket *console)
{
    if (console != NULL) {
        hang_up(console);
        close(console->listener);
        (void)unlink(console->path);
        free(console);
    }
}

bool console_socket_accept(struct console_socket *console)
{
    if (console->client >= 0) {
        return false;
    }
    console->client = accept4(console->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return console->client >= 0;
}

size_t console_socket_read(struct console_socket *console, char *bytes, size_t capacity)
{
    if (console->client < 0) {
        return 0;
    }
    ssize_t got = read(console->client, bytes, capacity);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        hang_up(console);
    }
    return got > 0 ? (size_t)got : 0;
}

void console_socket_write(void *console, const char *bytes, size_t length)
{
    const struct console_socket *to = console;
    if (to->client >= 0) {
        ssize_t done = send(to->client, bytes, length, MSG_NOSIGNAL);
        (void)done; /* a client that is gone shows when it is read */
    }
}
