/* Socket tables as text or lines of JSON: spells of sockets in any order go in, the tables of every
 * moment asked for come out, in the columns of ss(8), or counted as netstat(8) and `ss -s` are. */
#ifndef LA_REPORT_SOCKET_BOOK_H
#define LA_REPORT_SOCKET_BOOK_H

#include "account/sockets.h"
#include "capture/capture.h"
#include "report/output.h"

enum la_socket_form {
    LA_SOCKETS_TABLE,    /* as `ss -tan` */
    LA_SOCKETS_NDJSON,   /* one object a socket and moment */
    LA_SOCKETS_STATES,   /* how many are in each state */
    LA_SOCKETS_PEERS,    /* how many each peer has */
    LA_SOCKETS_SERVICES, /* how many each local port has */
    LA_SOCKETS_SUMMARY,  /* as `ss -s` */
};

/* What is asked for. */
struct la_socket_query {
    enum la_socket_form form;
    bool one_host; /* only `host` */
    struct la_addr host;
    enum la_state state; /* only these; LA_ST_COUNT: all */
    struct la_moments moments;
    int64_t last_moment_ns; /* no moment later than this */
    int64_t end_ns;         /* of the last packet: what is later is not certain */
};

struct la_socket_book;

/* `inputs` are borrowed until la_socket_book_free(). NULL when out of memory; owned by the caller.
 */
struct la_socket_book *la_socket_book_new(const struct la_input *const *inputs, size_t count);
void la_socket_book_free(struct la_socket_book *book);

/* The digits of the second in which times are written, once everything was read. */
int la_socket_book_digits(const struct la_socket_book *book);

/* A failure is remembered, and told by la_socket_book_write(). */
void la_socket_book_add(struct la_socket_book *book, const struct la_spell *spell);

/* Writes all tables in the order of time and host, once everything was read. LA_ENOMEM, LA_EOUTPUT
 * when the temporary file failed, or LA_OK: whether they arrived is what la_output_commit() says.
 */
enum la_status la_socket_book_write(struct la_socket_book *book,
                                    const struct la_socket_query *query, struct la_output *output,
                                    struct la_error *err);

#endif
