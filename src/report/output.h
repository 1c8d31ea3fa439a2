/* Where results go: standard output, or a file that is written whole or not at all.
 *
 * A regular (or new) file is written beside its place and moved there by la_output_commit(); until
 * then, and after every failure, what stood there before is untouched. What is no regular file (a
 * FIFO, a terminal, /dev/null) is written directly. Errors are remembered: write on, and ask at the
 * end. */
#ifndef LA_REPORT_OUTPUT_H
#define LA_REPORT_OUTPUT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct la_output;

/* "-" is standard output. `*out` is owned by the caller. A place that cannot be written is told
 * here, before hours of reading. */
enum la_status la_output_open(const char *path, struct la_output **out, struct la_error *err);
/* Throws away what was not committed. */
void la_output_free(struct la_output *output);

/* False when this or an earlier write failed. */
bool la_output_write(struct la_output *output, const void *bytes, size_t count);
/* LA_EOUTPUT, or LA_EPIPE when standard output was closed by its reader. */
enum la_status la_output_commit(struct la_output *output, struct la_error *err);

/* Whether two paths name the same file, existing or not. */
bool la_output_same(const char *a, const char *b);

/* Removes the temporary files of all open outputs; for signal handlers. */
void la_output_abandon_all(void);

#endif
