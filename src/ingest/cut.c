#include "ingest/cut.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "phusa/number.h"

#define DESCRIPTORS_MAX 65536 /* looked at; the system gives the lowest that is free */

uint16_t cut_port(const char *uri)
{
    const char *colon = strrchr(uri, ':');
    struct phusa_decimal decimal;
    uint64_t port = 0;
    size_t length = colon == NULL ? 0 : strlen(colon + 1);
    if (length == 0 || phusa_decimal_scan(colon + 1, length, &decimal) != length ||
        !phusa_decimal_to_uint(&decimal, &port) || port > UINT16_MAX) {
        return 0;
    }
    return (uint16_t)port;
}

static bool leads_to(int fd, uint16_t port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage room;
    } peer;
    socklen_t size = sizeof peer;
    if (getpeername(fd, &peer.any, &size) != 0) {
        return false;
    }
    switch (peer.any.sa_family) {
    case AF_INET:
        return ntohs(peer.v4.sin_port) == port;
    case AF_INET6:
        return ntohs(peer.v6.sin6_port) == port;
    default:
        return false;
    }
}

static int descriptor_limit(void)
{
    struct rlimit limit;
    bool less = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS_MAX;
    return less ? (int)limit.rlim_cur : DESCRIPTORS_MAX;
}

bool cut_possible(uint16_t port)
{
    bool found = false;
    for (int fd = 0, limit = descriptor_limit(); fd < limit && !found; fd++) {
        found = leads_to(fd, port);
    }
    return found;
}

size_t cut_off(uint16_t port)
{
    size_t count = 0;
    for (int fd = 0, limit = descriptor_limit(); fd < limit; fd++) {
        if (leads_to(fd, port)) {
            (void)shutdown(fd, SHUT_RDWR);
            count++;
        }
    }
    return count;
}
