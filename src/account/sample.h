/* A bounded set of accounts by (address, port): those whose keys hash lowest. Which ones are kept
 * does not depend on the order or the parts in which they came, and what is kept is complete: a key
 * among the lowest of all was never among the others of any part. */
#ifndef LA_ACCOUNT_SAMPLE_H
#define LA_ACCOUNT_SAMPLE_H

#include "account/stock.h"
#include "base/addr.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What every account begins with. */
struct la_account {
    uint64_t hash;
    struct la_addr addr;
    uint16_t port; /* 0: the account is of a host */
};

struct la_sample_kind {
    size_t size;   /* of an account, which begins with struct la_account */
    uint32_t most; /* so many are kept; la_sample_bound() lowers it for a single sample */
    bool stocked;  /* they lie in the stock that is given, and not where malloc() puts them */
    void (*release)(struct la_stock *stock, void *account);
    enum la_status (*merge)(struct la_stock *stock, void *into,
                            void *from); /* what `from` owns may move */
};

/* The hash stands beside its account, so that a search looks at no other account. */
struct la_kept {
    uint64_t hash;
    struct la_account *account; /* owned */
};

/* Zero-initialised: empty. */
struct la_sample {
    struct la_kept *kept; /* owned; in the order of their hashes */
    uint32_t count, capacity;
    uint32_t last;   /* where a search has found or put its key last */
    uint32_t most;   /* 0: as many as its kind says */
    uint64_t beyond; /* hashes from here on are left out; 0: none is */
};

/* The account at a place, when it is that of this host and port; else NULL. */
static inline struct la_account *la_sample_at(const struct la_sample *sample, uint32_t place,
                                              const struct la_addr *addr, uint16_t port) {
    struct la_account *account = place < sample->count ? sample->kept[place].account : NULL;
    bool same = account && account->port == port && la_addr_cmp(&account->addr, addr) == 0;
    return same ? account : NULL;
}

static inline bool la_sample_leaves_out(const struct la_sample *sample, uint64_t hash) {
    return sample->beyond != 0 && hash >= sample->beyond;
}

/* `*account` is the one of that key, new and zero when it was not known; NULL when it is left out.
 * LA_OK or LA_ENOMEM. */
enum la_status la_sample_find(struct la_stock *stock, struct la_sample *sample,
                              const struct la_sample_kind *kind, const struct la_account *key,
                              struct la_account **account);
/* Lowers the bound; what lies beyond is dropped when there is need of room, and never read. */
void la_sample_bound(struct la_sample *sample, uint32_t most);
/* What `from` keeps moves to `into`; it is empty afterwards. */
enum la_status la_sample_merge(struct la_stock *stock, struct la_sample *into,
                               const struct la_sample_kind *kind, struct la_sample *from);
void la_sample_release(struct la_stock *stock, struct la_sample *sample,
                       const struct la_sample_kind *kind);

/* How many of the kept accounts count, where at most `most` do: the first ones. */
static inline uint32_t la_sample_count(const struct la_sample *sample, uint32_t most) {
    return sample->count < most ? sample->count : most;
}
/* How many different keys there were: exact while all are kept, else estimated from how densely the
 * kept ones lie. */
uint64_t la_sample_total(const struct la_sample *sample, uint32_t most);

/* The key with its hash, which is the same everywhere. */
struct la_account la_account_key(const struct la_addr *addr, uint16_t port);

#endif
