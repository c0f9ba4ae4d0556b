/*
 * A module that tells insects apart (a camera, a wing-beat sensor) on a UART. Its protocol, one
 * line of ASCII a message, 8 data bits, no parity, 1 stop bit:
 *
 *   $INS,1,5f3a09c1,217,0,3,120,4,0*1A6D<CR><LF>
 *        | |        |   | | |       CRC
 *        | |        |   | | the count of each class
 *        | |        |   | how many classes follow: 1 .. 16
 *        | |        |   state: 0 counting, 1 warming up, 2 crowded (more than it can tell apart:
 *        | |        |          the counts are least ones), 3 fault
 *        | |        number of the line: 0 .. 65535, one more each line, 0 after 65535
 *        | session: 8 hex digits, another one after each start of the module
 *        version of the protocol
 *
 * Counts run since the session's start, 0 .. 4294967295, and wrap: a line that is lost or
 * comes twice changes nothing. Numbers are decimal, without sign, blank or leading zeros (a
 * single 0 excepted). CRC: CRC-16/CCITT-FALSE (polynomial 0x1021, begins at 0xFFFF, not reflected;
 * "123456789" gives 29B1) of what stands between $ and *, 4 hex digits, upper or lower case as the
 * session's. At most CLASSIFIER_LINE_MAX characters from $ to the CRC. CR, LF or both end a line.
 *
 * The module sends at least once a minute, at most once a second; after "?" and CR LF at once.
 * What is not such a line is counted and dropped; noise before a $ costs nothing.
 */
#ifndef FIRMWARE_CLASSIFIER_H
#define FIRMWARE_CLASSIFIER_H

#include "hal/hal.h"
#include "phusa/text.h"

#define CLASSIFIER_CLASSES  16
#define CLASSIFIER_LINE_MAX 224 /* "$INS,1," 8 "," 5 ",0,16" 16 x 11 "*" 4, with room */
#define CLASSIFIER_BAUD     9600
#define CLASSIFIER_SILENT   (INT64_C(150) * 1000000000) /* no line for so long: it is gone */
#define CLASSIFIER_ASK      (INT64_C(30) * 1000000000)  /* asked when silent so long, and again */
#define CLASSIFIER_READ_MAX 512                         /* bytes taken in one step */

enum classifier_state {
    CLASSIFIER_COUNTING,
    CLASSIFIER_WARMING,
    CLASSIFIER_CROWDED,
    CLASSIFIER_FAULT
};

struct classifier_line {
    uint32_t session;
    uint16_t number;
    enum classifier_state state;
    size_t classes; /* 1 .. CLASSIFIER_CLASSES */
    uint32_t counts[CLASSIFIER_CLASSES];
};

/* Reads one line, without its end. False: it is none, *line is undefined. */
bool classifier_parse(struct phusa_text text, struct classifier_line *line);

/* Read latest and the numbers; change nothing. */
struct classifier {
    struct hal_bus bus;
    char text[CLASSIFIER_LINE_MAX]; /* the line that is coming in */
    size_t length;
    bool overlong; /* dropped up to its end */
    bool heard;    /* latest holds a line */
    struct classifier_line latest;
    int64_t heard_ns, asked_ns;
    uint32_t lines, bad; /* taken, dropped */
    uint32_t lost;       /* by the gaps in their numbers */
    uint32_t sessions;   /* how many were seen */
};

/* Sets the line up. HAL_FAILED if the port cannot. bus is copied. */
enum hal_result classifier_init(struct classifier *classifier, const struct hal_bus *bus,
                                int64_t now_ns);

/* Takes in what came, and asks when there was nothing for long. now_ns is monotonic. */
void classifier_step(struct classifier *classifier, int64_t now_ns);

/* True if the latest line is not older than CLASSIFIER_SILENT. */
bool classifier_alive(const struct classifier *classifier, int64_t now_ns);

/* The checksum of a line, for those who build modules and tests. */
uint16_t classifier_crc(struct phusa_text text);

#endif
