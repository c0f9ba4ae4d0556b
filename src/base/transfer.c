#include "base/transfer.h"

#define WAIT_MS     1000 /* longest sleep between two looks at the abort flag */
#define KEEPALIVE_S 30L  /* TCP keep-alive: a silent middlebox is noticed before the next one */

CURLcode transfer_run(CURLM *multi, const atomic_bool *aborted)
{
    int running = 1, messages = 0;
    while (running > 0) {
        if (atomic_load(aborted)) {
            return CURLE_ABORTED_BY_CALLBACK;
        }
        if (curl_multi_perform(multi, &running) != CURLM_OK) {
            return CURLE_OUT_OF_MEMORY;
        }
        if (running > 0 && curl_multi_poll(multi, NULL, 0, WAIT_MS, NULL) != CURLM_OK) {
            return CURLE_OUT_OF_MEMORY;
        }
    }
    const CURLMsg *message = curl_multi_info_read(multi, &messages);
    return message == NULL ? CURLE_OUT_OF_MEMORY : message->data.result;
}

bool transfer_options(CURL *easy, const char *schemes, const char *ca_file, long connect_ms,
                      long total_ms)
{
    bool good = curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, schemes) == CURLE_OK;
    if (ca_file != NULL && *ca_file != '\0') {
        good = good && curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
    }
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, total_ms);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S);
    return good;
}
