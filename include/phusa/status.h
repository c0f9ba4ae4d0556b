/* What a call of the shared library can come to. */
#ifndef PHUSA_STATUS_H
#define PHUSA_STATUS_H

enum phusa_status {
    PHUSA_OK = 0,
    PHUSA_ERR_SYNTAX,    /* the bytes are not of the format */
    PHUSA_ERR_TRUNCATED, /* right so far, but the input ends too early */
    PHUSA_ERR_OVERSIZED, /* more bytes than the contract allows */
    PHUSA_ERR_TOO_MANY,  /* more records than the contract or the caller's array allows */
    PHUSA_ERR_VERSION,   /* a SenML version we do not know (bver > 10) */
    PHUSA_ERR_LABEL,     /* a label ending in '_' that must be understood (RFC 8428 section 4.4) */
    PHUSA_ERR_TYPE,      /* a known label with a value of the wrong type */
    PHUSA_ERR_RANGE,     /* a number outside what its label allows */
    PHUSA_ERR_SPACE      /* the caller's buffer is too small */
};

/* A short lower-case English name such as "truncated"; never NULL. */
const char *phusa_status_name(enum phusa_status status);

/*
 * Why a reading or a whole message was set aside. The names are the values of
 * the label `reason` in /metrics and in the quarantine, so they never change.
 */
enum phusa_reason {
    PHUSA_REASON_NONE = 0,
    PHUSA_REASON_TOPIC,     /* topic not of the form phusa/1/<site>/<station>/<leaf> */
    PHUSA_REASON_STATION,   /* the registry has no such station */
    PHUSA_REASON_SITE,      /* the station belongs to another site */
    PHUSA_REASON_SYNTAX,    /* neither SenML JSON nor SenML CBOR */
    PHUSA_REASON_TRUNCATED, /* the payload ends too early */
    PHUSA_REASON_OVERSIZED, /* more than 64 KiB */
    PHUSA_REASON_TOO_MANY,  /* more than 256 records */
    PHUSA_REASON_VERSION,   /* unknown SenML version */
    PHUSA_REASON_LABEL,     /* unknown label that must be understood */
    PHUSA_REASON_TYPE,      /* a label with a value of the wrong type, or out of its range */
    PHUSA_REASON_NAME,      /* what stands before the parameter is not this station's */
    PHUSA_REASON_PARAMETER, /* not in the catalogue */
    PHUSA_REASON_UNIT,      /* unknown, or not one of the parameter's */
    PHUSA_REASON_VALUE,     /* not a finite number */
    PHUSA_REASON_TIME,      /* no usable time: not finite, or out of representable range */
    PHUSA_REASON_CONFLICT,  /* another value for this station, parameter and time came first */
    PHUSA_REASON_STORE,     /* the store refused the line for ever */
    PHUSA_REASON_SPOOL,     /* its line went with the oldest part of a full spool */
    PHUSA_REASON_COUNT
};

/* The reason's name as it stands in metrics and the quarantine; never NULL. */
const char *phusa_reason_name(enum phusa_reason reason);

/* The reason that a failed decode stands for (PHUSA_OK gives PHUSA_REASON_NONE). */
enum phusa_reason phusa_reason_of(enum phusa_status status);

#endif
