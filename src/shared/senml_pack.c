/* What RFC 8428 and the contract say about labels, records and their resolution. */
#include "shared/senml_pack.h"

#include <math.h>

#include "shared/hex.h"
#include "shared/wide.h"

#define BIT(label)   ((uint32_t)1 << (label))
#define VALUE_LABELS (BIT(SENML_V) | BIT(SENML_VS) | BIT(SENML_VB) | BIT(SENML_VD))

static const struct {
    enum senml_want want;
    const char *wrong; /* what to say of a value of another type */
} labels[] = {
    [SENML_BN] = { SENML_WANT_TEXT, "label 'bn' wants a string" },
    [SENML_BT] = { SENML_WANT_TIME, "label 'bt' wants a number" },
    [SENML_BU] = { SENML_WANT_TEXT, "label 'bu' wants a string" },
    [SENML_BV] = { SENML_WANT_NUMBER, "label 'bv' wants a number" },
    [SENML_BS] = { SENML_WANT_NUMBER, "label 'bs' wants a number" },
    [SENML_BVER] = { SENML_WANT_INTEGER, "label 'bver' wants a positive integer" },
    [SENML_N] = { SENML_WANT_TEXT, "label 'n' wants a string" },
    [SENML_U] = { SENML_WANT_TEXT, "label 'u' wants a string" },
    [SENML_V] = { SENML_WANT_NUMBER, "label 'v' wants a number" },
    [SENML_VS] = { SENML_WANT_TEXT, "label 'vs' wants a string" },
    [SENML_VB] = { SENML_WANT_BOOLEAN, "label 'vb' wants true or false" },
    [SENML_VD] = { SENML_WANT_DATA, "label 'vd' wants a string of bytes" },
    [SENML_S] = { SENML_WANT_NUMBER, "label 's' wants a number" },
    [SENML_T] = { SENML_WANT_TIME, "label 't' wants a number" },
    [SENML_UT] = { SENML_WANT_TIME, "label 'ut' wants a number" },
    [SENML_ST] = { SENML_WANT_INTEGER, "label 'st' wants 0, 1 or 2" },
    [SENML_LOG] = { SENML_WANT_TEXT, "label 'log' wants a string of 8 hexadecimal digits" },
    [SENML_SEQ] = { SENML_WANT_INTEGER, "label 'seq' wants an integer from 1 to 2^53 - 1" },
    [SENML_BOOT] = { SENML_WANT_INTEGER, "label 'boot' wants an integer from 0 to 2^32 - 1" },
    [SENML_UP] = { SENML_WANT_NUMBER, "label 'up' wants a number of seconds, not negative" },
    [SENML_UNKNOWN] = { SENML_WANT_ANYTHING, "" },
};

bool senml_fail(struct senml_pack *pack, enum phusa_status status, const char *what)
{
    pack->status = status;
    pack->what = what;
    return false;
}

bool senml_wrong_type(struct senml_pack *pack, enum senml_label label)
{
    return senml_fail(pack, PHUSA_ERR_TYPE, labels[label].wrong);
}

static bool wrong_range(struct senml_pack *pack, enum senml_label label)
{
    return senml_fail(pack, PHUSA_ERR_RANGE, labels[label].wrong);
}

void senml_pack_begin(struct senml_pack *pack, struct phusa_report *report,
                      struct phusa_senml_scratch *scratch, int64_t now_ns)
{
    *report = (struct phusa_report){ .readings = report->readings, .capacity = report->capacity };
    scratch->used = 0;
    *pack = (struct senml_pack){
        .report = report, .scratch = scratch, .now_ns = now_ns, .base_time = { 0, true }
    };
}

bool senml_pack_end(struct senml_pack *pack)
{
    return pack->records > 0 || senml_fail(pack, PHUSA_ERR_SYNTAX, "a pack without records");
}

bool senml_record_begin(struct senml_pack *pack)
{
    if (pack->records == PHUSA_REPORT_READINGS_MAX) {
        return senml_fail(pack, PHUSA_ERR_TOO_MANY, "more than 256 records");
    }
    pack->record = (struct senml_record){ .time = { 0, true } };
    return true;
}

/* Section 4.5.3: base and own time are added; what is then below 2^28 s counts from now. */
static struct senml_time resolve_time(const struct senml_pack *pack, bool *relative)
{
    const struct senml_time own = pack->record.time;
    struct senml_time time = { 0, pack->base_time.valid && own.valid };

    time.valid = time.valid && wide_add(pack->base_time.ns, own.ns, &time.ns);
    *relative = time.valid && time.ns < SENML_RELATIVE_S * SENML_NANOS_IN_S;
    if (*relative) {
        time.valid = wide_add(time.ns, pack->now_ns, &time.ns);
    }
    return time;
}

/* Without a base the value stays as it is: 0 + -0 would be 0. */
static double add(double base, double value)
{
    return base != 0 ? base + value : value;
}

bool senml_record_end(struct senml_pack *pack)
{
    const struct senml_record *record = &pack->record;
    struct phusa_report *report = pack->report;

    pack->records++;
    if ((record->seen & (VALUE_LABELS | BIT(SENML_S))) == 0) {
        return true;
    }
    if (report->count == report->capacity) {
        return senml_fail(pack, PHUSA_ERR_TOO_MANY, "more readings than there is room for");
    }

    bool relative;
    struct senml_time time = resolve_time(pack, &relative);
    bool is_number = record->kind == PHUSA_VALUE_NUMBER,
         has_sum = (record->seen & BIT(SENML_S)) != 0;

    report->readings[report->count++] = (struct phusa_reading){
        .base_name = pack->base_name,
        .name = record->name,
        .unit = record->unit.length > 0 ? record->unit : pack->base_unit,
        .string = record->string,
        .time_ns = time.valid ? time.ns : 0,
        .value = is_number ? add(pack->base_value, record->value) : record->value,
        .sum = has_sum ? add(pack->base_sum, record->sum) : 0,
        .has_sum = has_sum,
        .time_valid = time.valid,
        .time_relative = relative,
        .kind = record->kind,
        .device_state = record->device_state,
    };
    return true;
}

#define TWO(a, b)        ((uint32_t)(a) << 8 | (uint32_t)(b))
#define THREE(a, b, c)   (TWO(a, b) << 8 | (uint32_t)(c))
#define FOUR(a, b, c, d) (THREE(a, b, c) << 8 | (uint32_t)(d))

enum senml_label senml_label_of(struct phusa_text key)
{
    uint32_t word = 0;

    if (key.length == 0 || key.length > 4) {
        return SENML_UNKNOWN;
    }
    for (size_t i = 0; i < key.length; i++) {
        word = word << 8 | (uint8_t)key.data[i];
    }
    switch (word) {
    case 'n':
        return SENML_N;
    case 'u':
        return SENML_U;
    case 'v':
        return SENML_V;
    case 's':
        return SENML_S;
    case 't':
        return SENML_T;
    case TWO('b', 'n'):
        return SENML_BN;
    case TWO('b', 't'):
        return SENML_BT;
    case TWO('b', 'u'):
        return SENML_BU;
    case TWO('b', 'v'):
        return SENML_BV;
    case TWO('b', 's'):
        return SENML_BS;
    case TWO('v', 's'):
        return SENML_VS;
    case TWO('v', 'b'):
        return SENML_VB;
    case TWO('v', 'd'):
        return SENML_VD;
    case TWO('u', 't'):
        return SENML_UT;
    case TWO('s', 't'):
        return SENML_ST;
    case TWO('u', 'p'):
        return SENML_UP;
    case THREE('l', 'o', 'g'):
        return SENML_LOG;
    case THREE('s', 'e', 'q'):
        return SENML_SEQ;
    case FOUR('b', 'v', 'e', 'r'):
        return SENML_BVER;
    case FOUR('b', 'o', 'o', 't'):
        return SENML_BOOT;
    default:
        return SENML_UNKNOWN;
    }
}

enum senml_label senml_label_of_integer(int64_t key)
{
    static const enum senml_label by_number[] = {
        SENML_BS, SENML_BV, SENML_BU, SENML_BT, SENML_BN, SENML_BVER, /* -6 .. -1 */
        SENML_N,  SENML_U,  SENML_V,  SENML_VS, SENML_VB, SENML_S,    /* 0 .. 5 */
        SENML_T,  SENML_UT, SENML_VD                                  /* 6 .. 8 */
    };

    return key < -6 || key > 8 ? SENML_UNKNOWN : by_number[key + 6];
}

bool senml_label_begin(struct senml_pack *pack, struct phusa_text key, enum senml_label *label)
{
    struct senml_record *record = &pack->record;

    if (*label >= SENML_LOG && pack->records > 0) {
        *label = SENML_UNKNOWN;
    }
    if (*label == SENML_UNKNOWN) {
        if (key.length > 0 && key.data[key.length - 1] == '_') {
            return senml_fail(pack, PHUSA_ERR_LABEL, "a label ending in '_' that we do not know");
        }
        return true;
    }

    uint32_t bit = BIT(*label);

    if ((record->seen & bit) != 0) {
        return senml_fail(pack, PHUSA_ERR_SYNTAX, "a label stands twice in one record");
    }
    if ((bit & VALUE_LABELS) != 0 && (record->seen & VALUE_LABELS) != 0) {
        return senml_fail(pack, PHUSA_ERR_SYNTAX, "a record with more than one value");
    }
    record->seen |= bit;
    return true;
}

enum senml_want senml_want_of(enum senml_label label)
{
    return labels[label].want;
}

bool senml_put_number(struct senml_pack *pack, enum senml_label label, double value)
{
    switch (label) {
    case SENML_V:
        pack->record.value = value;
        pack->record.kind = PHUSA_VALUE_NUMBER;
        break;
    case SENML_S:
        pack->record.sum = value;
        break;
    case SENML_BV:
        pack->base_value = value;
        break;
    case SENML_BS:
        pack->base_sum = value;
        break;
    default: /* SENML_UP */
        if (!(value >= 0 && isfinite(value))) {
            return wrong_range(pack, label);
        }
        pack->report->up = value;
        pack->report->has_up = true;
    }
    return true;
}

static bool check_version(struct senml_pack *pack, bool fits, uint64_t version)
{
    if (!fits || version == 0) {
        return wrong_range(pack, SENML_BVER);
    }
    return version <= SENML_VERSION_MAX ||
           senml_fail(pack, PHUSA_ERR_VERSION, "a SenML version above 10");
}

bool senml_put_integer(struct senml_pack *pack, enum senml_label label, bool fits, uint64_t value)
{
    struct phusa_report *report = pack->report;

    switch (label) {
    case SENML_BVER:
        return check_version(pack, fits, value);
    case SENML_ST:
        if (!fits || value > PHUSA_DEVICE_FAULT) {
            return wrong_range(pack, label);
        }
        pack->record.device_state = (uint8_t)value;
        return true;
    case SENML_SEQ:
        if (!fits || value == 0 || value > SENML_SEQ_MAX) {
            return wrong_range(pack, label);
        }
        report->seq = value;
        report->has_seq = true;
        return true;
    default: /* SENML_BOOT */
        if (!fits || value > UINT32_MAX) {
            return wrong_range(pack, label);
        }
        report->boot = (uint32_t)value;
        report->has_boot = true;
        return true;
    }
}

void senml_put_time(struct senml_pack *pack, enum senml_label label, struct senml_time time)
{
    if (label == SENML_BT) {
        pack->base_time = time;
    } else if (label == SENML_T) {
        pack->record.time = time;
    }
    /* ut only says when the next report is due: nobody here waits by it. */
}

bool senml_put_text(struct senml_pack *pack, enum senml_label label, struct phusa_text text)
{
    switch (label) {
    case SENML_BN:
        pack->base_name = text;
        break;
    case SENML_BU:
        pack->base_unit = text;
        break;
    case SENML_N:
        pack->record.name = text;
        break;
    case SENML_U:
        pack->record.unit = text;
        break;
    case SENML_VS:
    case SENML_VD:
        pack->record.string = text;
        pack->record.kind = label == SENML_VS ? PHUSA_VALUE_STRING : PHUSA_VALUE_DATA;
        break;
    default: /* SENML_LOG */
        if (!hex_log_parse(text, &pack->report->log)) {
            return wrong_range(pack, label);
        }
        pack->report->has_log = true;
    }
    return true;
}

void senml_put_boolean(struct senml_pack *pack, bool value)
{
    pack->record.value = value ? 1 : 0;
    pack->record.kind = PHUSA_VALUE_BOOLEAN;
}

char *senml_free_space(struct senml_pack *pack, size_t *capacity)
{
    *capacity = PHUSA_SENML_SCRATCH - pack->scratch->used;
    return pack->scratch->bytes + pack->scratch->used;
}

struct phusa_text senml_keep(struct senml_pack *pack, size_t length)
{
    struct phusa_text kept = { pack->scratch->bytes + pack->scratch->used, length };

    pack->scratch->used += length;
    return kept;
}

bool senml_no_space(struct senml_pack *pack)
{
    return senml_fail(pack, PHUSA_ERR_TOO_MANY,
                      "more text in escapes or chunks than there is room for");
}

enum phusa_status senml_conclude(struct phusa_report *report, enum phusa_status status,
                                 const char *what, size_t offset, struct phusa_senml_error *error)
{
    if (status != PHUSA_OK) {
        report->count = 0;
    }
    if (error != NULL) {
        *error = (struct phusa_senml_error){ offset, status == PHUSA_OK ? "" : what };
    }
    return status;
}
