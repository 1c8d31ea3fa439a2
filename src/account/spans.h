/* In which states both sockets of a connection were, and when: from its histories where it has any
 * to speak of, else from the few segments that opened and closed it. */
#ifndef LA_ACCOUNT_SPANS_H
#define LA_ACCOUNT_SPANS_H

#include "track/connection.h"

struct la_span {
    unsigned side; /* LA_CLIENT or LA_SERVER */
    enum la_state state;
    int64_t from_ns, until_ns; /* INT64_MAX: still so when the capture ends */
};

typedef void la_span_sink(void *context, const struct la_span *span);

/* Of the sides in `sides` (1 << LA_CLIENT, 1 << LA_SERVER); those of another may be told as well.
 */
void la_spans_of(const struct la_connection *connection, unsigned sides, la_span_sink *sink,
                 void *context);

#endif
