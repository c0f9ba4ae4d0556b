#include "bus_tty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"

#define SOCKET_PREFIX "unix:"
#define PTY_FIRST     136 /* major numbers of pseudo terminals (Linux, devices.txt) */
#define PTY_LAST      143

struct bus_tty {
    const char *where;
    struct hal_bus hal;
    int fd;               /* -1 = not open */
    bool serial;          /* a port with a real line behind it */
    bool breaking;        /* the line is held until then */
    int64_t until_ns;     /* monotonic: what was written has left, the break is over */
    int64_t character_ns; /* how long one takes */
};

static void hang_up(struct bus_tty *bus)
{
    if (bus->fd >= 0) {
        close(bus->fd);
    }
    bus->fd = -1;
    bus->breaking = false;
}

/* --- opening ------------------------------------------------------------------------ */

static bool open_socket(struct bus_tty *bus, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(address.sun_path, path, length + 1);
    bus->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bus->fd < 0) {
        return false;
    }
    if (connect(bus->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        fcntl(bus->fd, F_SETFL, O_NONBLOCK) != 0) {
        int why = errno;
        hang_up(bus);
        errno = why;
        return false;
    }
    bus->serial = false;
    return true;
}

static bool open_device(struct bus_tty *bus)
{
    struct stat about;
    bus->fd = open(bus->where, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (bus->fd < 0) {
        return false;
    }
    if (fstat(bus->fd, &about) != 0 || !isatty(bus->fd)) {
        hang_up(bus);
        errno = ENOTTY;
        return false;
    }
    bus->serial = major(about.st_rdev) < PTY_FIRST || major(about.st_rdev) > PTY_LAST;
    return true;
}

static bool open_line(struct bus_tty *bus)
{
    if (bus->fd >= 0) {
        return true;
    }
    size_t prefix = sizeof SOCKET_PREFIX - 1;
    return strncmp(bus->where, SOCKET_PREFIX, prefix) == 0 ? open_socket(bus, bus->where + prefix)
                                                           : open_device(bus);
}

/* --- the contract --------------------------------------------------------------------------- */

static speed_t speed_of(uint32_t baud)
{
    static const struct {
        uint32_t baud;
        speed_t speed;
    } SPEEDS[] = { { 1200, B1200 },   { 1800, B1800 },   { 2400, B2400 },
                   { 4800, B4800 },   { 9600, B9600 },   { 19200, B19200 },
                   { 38400, B38400 }, { 57600, B57600 }, { 115200, B115200 } };
    for (size_t i = 0; i < sizeof SPEEDS / sizeof SPEEDS[0]; i++) {
        if (SPEEDS[i].baud == baud) {
            return SPEEDS[i].speed;
        }
    }
    return B0;
}

/* Bytes with a wrong parity or frame are dropped: what is left is too short to be believed. */
static bool set_up(int fd, const struct hal_line *line)
{
    struct termios set;
    speed_t speed = speed_of(line->baud);
    if (speed == B0 || tcgetattr(fd, &set) != 0) {
        return false;
    }
    cfmakeraw(&set);
    set.c_iflag |= line->parity == HAL_PARITY_NONE ? IGNPAR : IGNPAR | INPCK;
    set.c_cflag &= (tcflag_t) ~(CSIZE | CSTOPB | PARENB | PARODD | CRTSCTS);
    set.c_cflag |= CLOCAL | CREAD;
    set.c_cflag |= line->data_bits == 7 ? CS7 : CS8;
    set.c_cflag |= line->stop_bits == 2 ? CSTOPB : 0;
    set.c_cflag |= line->parity == HAL_PARITY_NONE ? 0 : PARENB;
    set.c_cflag |= line->parity == HAL_PARITY_ODD ? PARODD : 0;
    return cfsetispeed(&set, speed) == 0 && cfsetospeed(&set, speed) == 0 &&
           tcsetattr(fd, TCSANOW, &set) == 0 && tcflush(fd, TCIOFLUSH) == 0;
}

static size_t read_bytes(void *context, void *bytes, size_t capacity)
{
    struct bus_tty *bus = context;
    if (bus->fd < 0) {
        return 0;
    }
    ssize_t got = read(bus->fd, bytes, capacity);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        hang_up(bus);
    }
    return got > 0 ? (size_t)got : 0;
}

static void drain(struct bus_tty *bus)
{
    uint8_t bytes[256];
    for (int i = 0; i < 64 && read_bytes(bus, bytes, sizeof bytes) > 0; i++) {
    }
}

static enum hal_result configure(void *context, const struct hal_line *line)
{
    struct bus_tty *bus = context;
    if (!open_line(bus)) {
        return HAL_FAILED;
    }
    if (isatty(bus->fd) && !set_up(bus->fd, line)) {
        hang_up(bus);
        return HAL_FAILED;
    }
    int64_t bits = 1 + line->data_bits + (line->parity != HAL_PARITY_NONE) + line->stop_bits;
    bus->character_ns = bits * SECOND_NS / (int64_t)line->baud;
    bus->until_ns = 0;
    drain(bus);
    return bus->fd >= 0 ? HAL_OK : HAL_FAILED;
}

/* True when the break is over, which it ends. */
static bool break_over(struct bus_tty *bus)
{
    if (bus->breaking && clock_mono().ns >= bus->until_ns) {
        (void)ioctl(bus->fd, TIOCCBRK);
        bus->breaking = false;
    }
    return !bus->breaking;
}

static bool sent(void *context)
{
    struct bus_tty *bus = context;
    int waiting = 0;
    if (bus->fd < 0 || !bus->serial) {
        return true;
    }
    return break_over(bus) && clock_mono().ns >= bus->until_ns &&
           (ioctl(bus->fd, TIOCOUTQ, &waiting) != 0 || waiting == 0);
}

static enum hal_result write_bytes(void *context, const void *bytes, size_t length)
{
    struct bus_tty *bus = context;
    if (bus->fd < 0) {
        return HAL_FAILED;
    }
    if (!sent(bus)) {
        return HAL_AGAIN;
    }
    ssize_t done = write(bus->fd, bytes, length);
    if (done < 0 && (errno == EAGAIN || errno == EINTR)) {
        return HAL_AGAIN;
    }
    if (done != (ssize_t)length) { /* half a request is none */
        hang_up(bus);
        return HAL_FAILED;
    }
    bus->until_ns = clock_mono().ns + (int64_t)length * bus->character_ns;
    return HAL_OK;
}

static enum hal_result send_break(void *context, uint32_t us)
{
    struct bus_tty *bus = context;
    if (bus->fd < 0) {
        return HAL_FAILED;
    }
    if (!bus->serial) {
        return write_bytes(bus, "", 1);
    }
    if (ioctl(bus->fd, TIOCSBRK) != 0) {
        return HAL_FAILED;
    }
    bus->breaking = true;
    bus->until_ns = clock_mono().ns + (int64_t)us * (SECOND_NS / 1000000);
    return HAL_OK;
}

/* --- the bus ------------------------------------------------------------------------ */

struct bus_tty *bus_tty_create(const char *where)
{
    struct bus_tty *bus = calloc(1, sizeof *bus);
    if (bus != NULL) {
        bus->where = where;
        bus->fd = -1;
        bus->hal = (struct hal_bus){ bus, configure, write_bytes, sent, read_bytes, send_break };
    }
    return bus;
}

void bus_tty_free(struct bus_tty *bus)
{
    if (bus != NULL) {
        hang_up(bus);
        free(bus);
    }
}

bool bus_tty_try(struct bus_tty *bus, struct problem *problem)
{
    if (!open_line(bus)) {
        problem_set(problem, "%s: %s", bus->where, strerror(errno));
        return false;
    }
    return true;
}

bool bus_tty_is_open(const struct bus_tty *bus)
{
    return bus->fd >= 0;
}

const struct hal_bus *bus_tty_hal(const struct bus_tty *bus)
{
    return &bus->hal;
}
