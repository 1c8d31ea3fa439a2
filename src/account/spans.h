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

/* Of an ordinary connection that opened and closed within the second in which it began one
 * TIME-WAIT is left when somebody looks, and la_spans_of() tells no other span: this is it. False
 * where la_spans_of() has to be asked. `first_s` is the second of its first packet. */
bool la_brief_wait_of(const struct la_connection *connection, int64_t first_s,
                      struct la_span *wait);

/* TIME-WAITs of the sides in `waits` (1 << LA_CLIENT, 1 << LA_SERVER), and all other states of
 * those in `sides` as well, which are some of them; more of both may be told. States that are over
 * within the second in which they began may be left out. */
void la_spans_of(const struct la_connection *connection, unsigned waits, unsigned sides,
                 la_span_sink *sink, void *context);

#endif
