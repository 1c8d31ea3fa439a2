/* Which ports of which hosts are known to be listened on, and since when: from the first SYN-ACK
 * on. */
#ifndef LA_ACCOUNT_LISTENERS_H
#define LA_ACCOUNT_LISTENERS_H

#include "account/sockets.h"

/* The first `sorted` are in order and different; behind them lies what was noted since. */
struct la_listeners {
    struct la_spell *items; /* owned */
    size_t sorted, count, capacity;
};

/* Notes a spell of LA_ST_LISTEN; of each socket the earliest is kept. LA_OK or LA_ENOMEM. */
enum la_status la_listeners_note(struct la_listeners *listeners, const struct la_spell *spell);
/* Each of them once, in order; borrowed until the next one is noted. */
const struct la_spell *la_listeners_all(struct la_listeners *listeners, size_t *count);
void la_listeners_release(struct la_listeners *listeners);

#endif
