/* Notes of connections made into lines of text: a block of them for each thread, all blocks at the
 * same time, and their text to the output in the order in which they came. Internal to this room.
 */
#ifndef LA_REPORT_PRESS_H
#define LA_REPORT_PRESS_H

#include "report/lines.h"

struct press;

/* `how` and the inputs are borrowed until press_free(). NULL when out of memory. */
struct press *press_new(const struct la_input *const *inputs, size_t input_count,
                        const struct la_lines_how *how);
void press_free(struct press *press);

/* The notes of one connection. False when it is of no use to go on: memory is out, or the output
 * takes no more. */
bool press_add(struct press *press, const char *notes, size_t length);
/* What is left; false when out of memory, now or before. */
bool press_finish(struct press *press);

#endif
