/* One transfer of libcurl at a time, that another thread can end: for http.c and smtp.c. */
#ifndef BASE_TRANSFER_H
#define BASE_TRANSFER_H

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdbool.h>

/*
 * Runs what was added to `multi` to its end, its time limit or the abort, which is
 * CURLE_ABORTED_BY_CALLBACK. The multi interface drives single transfers because only its wait can
 * be woken from another thread (curl_multi_wakeup), so that an abort takes effect at once.
 */
CURLcode transfer_run(CURLM *multi, const atomic_bool *aborted);

/* What both clients are to a server: no signals, no proxy of the environment, certificates and
 * names verified, keep-alive, time limits. ca_file: PEM; NULL or "" = the system's. False when out
 * of memory. */
bool transfer_options(CURL *easy, const char *schemes, const char *ca_file, long connect_ms,
                      long total_ms);

#endif
