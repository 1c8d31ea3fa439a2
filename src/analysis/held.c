/* A finding waits as its own bytes. Its strings are static or in its own text, which keeps its
 * place: every finding is put in and taken out at the same address. */
#include "analysis/held.h"

#include "base/spool.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct held {
    struct la_spool *spool; /* NULL: none yet */
    struct la_finding finding;
    struct la_error failure; /* the first one */
};

struct held *held_new(void) {
    return calloc(1, sizeof(struct held));
}

void held_free(struct held *held) {
    if (!held)
        return;
    la_spool_free(held->spool);
    free(held);
}

void held_add(struct held *held, const struct la_finding *finding) {
    if (held->failure.status != LA_OK)
        return;
    if (!held->spool && !(held->spool = la_spool_new(1))) {
        la_fail(&held->failure, LA_ENOMEM, "out of memory");
        return;
    }
    struct la_spool_key key = {.time_ns = finding->time_ns, .rank = (uint16_t)finding->kind};
    la_finding_copy(&held->finding, finding);
    size_t size = offsetof(struct la_finding, text) + held->finding.text_used;
    (void)la_spool_add(held->spool, 0, &key, &held->finding, (uint32_t)size, &held->failure);
}

struct release {
    struct held *held;
    const struct la_crossing *crossing;
    la_finding_sink *sink;
    void *context;
};

static bool release_one(void *context, char *bytes, size_t size) {
    const struct release *release = context;
    struct la_finding *finding = &release->held->finding;
    memcpy(finding, bytes, size);
    const struct la_connection_ref *of = &finding->connection;
    if (!la_crossing_explains(release->crossing, &of->client, of->first_ns))
        release->sink(release->context, finding);
    return true;
}

enum la_status held_release(struct held *held, const struct la_crossing *crossing,
                            la_finding_sink *sink, void *context, struct la_error *err) {
    struct release release = {held, crossing, sink, context};
    if (held->failure.status != LA_OK) {
        if (err)
            *err = held->failure;
        return held->failure.status;
    }
    return held->spool ? la_spool_walk(held->spool, release_one, &release, err) : LA_OK;
}
