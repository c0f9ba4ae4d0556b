/* The plain image: for a link that is protected by other means, or to look into. */
#include "entropy.h"
#include "tls.h"

void entropy_start(const uint8_t seed[32], uint32_t boot)
{
    (void)seed;
    (void)boot;
}

bool tls_start(const struct provision *provision, const struct hal_flash *page, const char **why)
{
    (void)page;
    if (provision->ca_length != 0) {
        *why = "provisioned for TLS, which this image does not have";
        return false;
    }
    return true;
}

void tls_prepare(struct mqtt_connect_client_info_t *info)
{
    (void)info;
}

bool tls_expect(const mqtt_client_t *client, const char *host)
{
    (void)client;
    (void)host;
    return true;
}

enum network_trouble tls_finding(void)
{
    return NETWORK_GOOD;
}

bool tls_sound(const mqtt_client_t *client)
{
    (void)client;
    return true;
}

bool tls_needs_time(void)
{
    return false;
}

bool tls_dates_unchecked(void)
{
    return false;
}
