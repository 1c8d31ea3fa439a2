/* The report: one JSON document on everything that an analysis knows. */
#ifndef LA_REPORT_REPORT_H
#define LA_REPORT_REPORT_H

#include "account/overview.h"
#include "base/error.h"
#include "decode/decode.h"
#include "report/output.h"
#include "result/result.h"

#define LA_REPORT_SCHEMA "urn:lastack:report-1"

enum { LA_REPORT_HOSTS = 20 }; /* hosts named for each kind */

/* What the report is made of; all borrowed. */
struct la_report {
    const struct la_result *result;
    const struct la_overview *overview; /* of its accounts */
    const struct la_input *const *inputs;
    size_t input_count;
    const struct la_decode_counts *counts;
    const struct la_hosts *hosts; /* whose settings were given; NULL: nobody's */
    uint64_t diagnoses;           /* those that were run: 1 << enum la_kind */
    bool interrupted;
};

/* Writes the report to `output`. LA_ENOMEM (nothing was written), or LA_OK: whether it arrived is
 * what la_output_commit() says. */
enum la_status la_report_write(const struct la_report *report, struct la_output *output,
                               struct la_error *err);

/* The same bytes as a string, which the caller frees with free(). LA_ENOMEM: `*text` is NULL. */
enum la_status la_report_text(const struct la_report *report, char **text, struct la_error *err);

#endif
