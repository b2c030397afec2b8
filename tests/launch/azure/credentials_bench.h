/*
 * credentials_bench.h - a folder as home, an environment without accounts, and sentences that are
 * searched for secrets, for tests of launch/azure/credentials.h.
 */
#ifndef BEOFARM_TESTS_LAUNCH_AZURE_CREDENTIALS_BENCH_H
#define BEOFARM_TESTS_LAUNCH_AZURE_CREDENTIALS_BENCH_H

#include "launch/azure/credentials.h"

#define BENCH_KEY       "VE9QU0VDUkVUS0VZVE9QU0VDUkVUS0VZ" /* base64 */
#define BENCH_SECRET    "TOPSECRETvalue~1"
#define BENCH_TOKEN     "TOPSECRETtoken"
#define BENCH_BATCH_URL "https://henry.eastus.batch.azure.com"

/* For each test: the home, which is also all of PATH. */
int bench_setup(void **state);
int bench_teardown(void **state);
const char *bench_folder(void);

#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

/* A file in it; its path, until the next one. */
char *bench_write(const char *name, const char *text);

/* Fails where a secret of the tests is in text. */
void bench_search(const char *text);

/* Opens and checks every sentence. NULL where it fails; the error is then in *ret_error. */
struct credentials *bench_open(const struct credentials_wishes *wishes,
                               struct error *ret_error);

void bench_check_described(const struct credentials *credentials,
                           enum credentials_audience audience, const char *expected);

#endif
