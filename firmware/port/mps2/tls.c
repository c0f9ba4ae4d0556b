/*
 * TLS between lwIP's MQTT client and TCP. lwIP 2.1.3 asks mbedTLS to verify the server but goes on
 * when that fails (MBEDTLS_SSL_VERIFY_OPTIONAL), and never says which host is meant. Both are put
 * right on each connection before its first byte leaves (tls_expect).
 *
 * Without a clock nobody can say whether a certificate has expired. The first attempt waits a
 * little for the time; if nobody tells it, the certificate is taken for good if all else is, and
 * the connection is made anew as soon as the time is known (network.c).
 */
#include "tls.h"

#include <string.h>
#include <time.h>

#include "board.h"
#include "entropy.h"
#include "wallclock.h"
#include <altcp_tls_mbedtls_mem.h>
#include <altcp_tls_mbedtls_structs.h>
#include <lwip/altcp_tls.h>
#include <lwip/apps/mqtt_priv.h>
#include <mbedtls/memory_buffer_alloc.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/ssl.h>

#define MEMORY_BYTES (40u << 10) /* a handshake's most, with room; measured: 33 KiB */
#define SECOND       INT64_C(1000000000)
#define DAY_S        86400
#define DATE_FLAGS   (MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE)

static uint8_t tls_memory[MEMORY_BYTES] __attribute__((aligned(8)));
static struct altcp_tls_config *config;
static uint32_t findings; /* MBEDTLS_X509_BADCERT_... of the latest handshake */
static bool dates_unchecked;

/* --- memory, for lwIP's side of TLS and for mbedTLS alike -------------------------------- */

void altcp_mbedtls_mem_init(void)
{
    /* tls_start has done it. */
}

altcp_mbedtls_state_t *altcp_mbedtls_alloc(void *conf)
{
    altcp_mbedtls_state_t *state = mbedtls_calloc(1, sizeof *state);
    if (state != NULL) {
        state->conf = conf;
    }
    return state;
}

void altcp_mbedtls_free(void *conf, altcp_mbedtls_state_t *state)
{
    (void)conf;
    mbedtls_free(state);
}

void *altcp_mbedtls_alloc_config(size_t size)
{
    return mbedtls_calloc(1, size);
}

void altcp_mbedtls_free_config(void *item)
{
    mbedtls_free(item);
}

_Noreturn void tls_failed(void)
{
    board_reset_because(HAL_RESET_OTHER);
}

/* --- time ------------------------------------------------------------------------- */

int64_t tls_time(int64_t *time)
{
    struct hal_time now = wallclock_now();
    int64_t seconds = now.wall_set ? now.wall_ns / SECOND : 0;
    if (time != NULL) {
        *time = seconds;
    }
    return seconds;
}

/* Civil date of a day since 1970 (Howard Hinnant, "chrono-compatible low-level date algorithms").
 */
struct tm *mbedtls_platform_gmtime_r(const mbedtls_time_t *tt, struct tm *tm_buf)
{
    int64_t days = *tt / DAY_S + 719468; /* since 0000-03-01 */
    int32_t second = (int32_t)(*tt % DAY_S);
    int32_t era = (int32_t)(days / 146097), of_era = (int32_t)(days % 146097);
    int32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int32_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int32_t month = (5 * of_year + 2) / 153; /* from March */
    *tm_buf = (struct tm){ .tm_mday = of_year - (153 * month + 2) / 5 + 1,
                           .tm_mon = month < 10 ? month + 2 : month - 10,
                           .tm_year = era * 400 + year + (month >= 10) - 1900,
                           .tm_hour = second / 3600,
                           .tm_min = second / 60 % 60,
                           .tm_sec = second % 60 };
    return tm_buf;
}

/* --- the certificate ----------------------------------------------------------------- */

/* Called for each certificate of the chain; what flags says in the end decides. */
static int on_certificate(void *context, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
    (void)context;
    (void)certificate;
    (void)depth;
    if (!wallclock_now().wall_set) {
        dates_unchecked = true;
        *flags &= ~(uint32_t)DATE_FLAGS;
    }
    findings |= *flags;
    return 0;
}

enum network_trouble tls_finding(void)
{
    if ((findings & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0) {
        return NETWORK_WRONG_AUTHORITY;
    }
    if ((findings & MBEDTLS_X509_BADCERT_CN_MISMATCH) != 0) {
        return NETWORK_WRONG_HOST;
    }
    if ((findings & DATE_FLAGS) != 0) {
        return NETWORK_WRONG_DATE;
    }
    return findings != 0 ? NETWORK_NO_TLS : NETWORK_GOOD;
}

bool tls_needs_time(void)
{
    return true;
}

bool tls_dates_unchecked(void)
{
    return dates_unchecked;
}

/* --- connections -------------------------------------------------------------------------- */

bool tls_start(const struct provision *provision, const struct hal_flash *page, const char **why)
{
    static uint8_t certificate[PROVISION_CA_MAX];
    size_t length = provision->ca_length;
    if (length == 0 ||
        page->read(page->context, provision->ca_offset, certificate, length) != HAL_OK) {
        *why = "no authority's certificate is provisioned: no broker could be trusted";
        return false;
    }
    mbedtls_memory_buffer_alloc_init(tls_memory, sizeof tls_memory);
    config = altcp_tls_create_config_client(certificate, length);
    if (config == NULL) {
        *why = "the authority's certificate is not valid";
    }
    return config != NULL;
}

void tls_prepare(struct mqtt_connect_client_info_t *info)
{
    findings = 0;
    dates_unchecked = false;
    info->tls_config = config;
}

static mbedtls_ssl_context *context_of(const mqtt_client_t *client)
{
    return altcp_tls_context(client->conn);
}

bool tls_expect(const mqtt_client_t *client, const char *host)
{
    mbedtls_ssl_context *tls = context_of(client);
    if (tls == NULL || mbedtls_ssl_set_hostname(tls, host) != 0) {
        return false;
    }
    mbedtls_ssl_config *settings = (mbedtls_ssl_config *)tls->conf; /* config's, which is ours */
    mbedtls_ssl_conf_authmode(settings, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_verify(settings, on_certificate, NULL);
    mbedtls_ssl_conf_min_version(settings, MBEDTLS_SSL_MAJOR_VERSION_3,
                                 MBEDTLS_SSL_MINOR_VERSION_3);
    return true;
}

bool tls_sound(const mqtt_client_t *client)
{
    const mbedtls_ssl_context *tls = context_of(client);
    return tls == NULL || tls->out_left == 0;
}
