/* One host's sockets at one moment, written. Internal to this room: socket_book.c decides which
 * tables there are. */
#ifndef LA_REPORT_SOCKET_TABLE_H
#define LA_REPORT_SOCKET_TABLE_H

#include "report/emit.h"
#include "report/socket_book.h"

/* Where tables go, and how far that is. */
struct socket_page {
    struct la_output *output;
    struct la_emit emit; /* for its digits, and its memory of a failure */
    enum la_socket_form form;
    bool one_host;            /* nobody needs to be told which */
    bool series;              /* one moment of several */
    bool begun;               /* something stands on the page */
    struct la_tally *tallies; /* owned by socket_book.c; room for as many as the largest table */
};

struct socket_view {
    const struct la_addr *host;
    int64_t moment_ns;
    const struct la_spell *spells; /* in order; may be none */
    size_t count;
};

void socket_page_put(struct socket_page *page, const struct socket_view *view);

#endif
