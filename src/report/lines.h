/* One JSON object a line: every connection, or every instance of every finding, in an order that
 * does not depend on the order of their arrival. */
#ifndef LA_REPORT_LINES_H
#define LA_REPORT_LINES_H

#include "capture/capture.h"
#include "diagnose/finding.h"
#include "report/output.h"
#include "track/connection.h"

struct la_lines;

/* `inputs` and `hosts` (whose settings findings name; NULL: nobody's) are borrowed until
 * la_lines_free(). NULL when out of memory; owned by the caller. */
struct la_lines *la_lines_of_connections(const struct la_input *const *inputs, size_t input_count);
struct la_lines *la_lines_of_findings(const struct la_input *const *inputs, size_t input_count,
                                      const struct la_hosts *hosts);
void la_lines_free(struct la_lines *lines);

/* Whether what was found of an attempt of that client, which began then, was taken back. */
typedef bool la_took_back(const void *context, const struct la_addr *client, int64_t first_ns);

/* Each to lines of its own sort; connections of different shards by several threads at a time. A
 * failure is remembered, and told by la_lines_write(). */
void la_lines_add_connection(struct la_lines *lines, unsigned shard,
                             const struct la_connection *connection);
void la_lines_add_finding(struct la_lines *lines, const struct la_finding *finding);

struct la_lines_how {
    struct la_output *output;
    unsigned threads;        /* at least one; the lines do not depend on it */
    la_took_back *took_back; /* asked of connections, by any thread; NULL: nothing was */
    const void *context;
};

/* Writes all lines in their order, once everything was read. LA_ENOMEM, LA_EOUTPUT when the
 * temporary file failed, or LA_OK: whether they arrived is what la_output_commit() says. */
enum la_status la_lines_write(struct la_lines *lines, const struct la_lines_how *how,
                              struct la_error *err);

/* The inputs that lines name, and the hosts; borrowed. */
struct la_inputs {
    const struct la_input *const *items;
    size_t count;
    const struct la_hosts *hosts; /* whose settings findings name; NULL: nobody's */
};

/* One such line by itself, as soon as it is known: no newline, and times with nine digits, because
 * how many the inputs give is not known before their end. The caller frees it; NULL when out of
 * memory. */
char *la_line_of_connection(const struct la_inputs *inputs, const struct la_connection *connection,
                            size_t *length);
char *la_line_of_finding(const struct la_inputs *inputs, const struct la_finding *finding,
                         size_t *length);

#endif
