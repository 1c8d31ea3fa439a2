#include "diagnose/diagnose.h"

#include "base/seq.h"
#include "decode/segment.h"
#include "track/close_wait.h"

/* A FIN that does not acknowledge all that its receiver has sent by the end, and that was
 * acknowledged (but for the receiver's own FIN). */
static bool leaves_data(const struct la_connection *c, const struct la_observation *fin) {
    const struct la_endpoint *me = &c->side[fin->from], *peer = &c->side[!fin->from];
    uint32_t until = peer->fin_seen ? peer->fin_end - 1 : peer->next;
    if (seq_lt(me->acked, until))
        until = me->acked;
    return peer->data_bytes > 0 && fin->ack - until > 1;
}

static bool has_data_after_fin(const struct la_connection *c) {
    if (c->side[0].data_bytes == 0 && c->side[1].data_bytes == 0)
        return false;
    for (size_t i = 0; i < c->log_count; i++)
        if ((c->log[i].flags & LA_FIN) && leaves_data(c, &c->log[i]))
            return true;
    return false;
}

unsigned la_traits_of(const struct la_connection *c) {
    unsigned traits = c->remarkable ? LA_TRAIT_REMARKABLE : 0;
    if (c->side[0].syn_sent && c->side[1].syn_sent)
        traits |= LA_TRAIT_TWO_SYNS;
    if (c->first_closer == LA_CLOSER_BOTH)
        traits |= LA_TRAIT_CLOSED_BY_BOTH;
    if (la_may_have_waited(c, LA_CLIENT) || la_may_have_waited(c, LA_SERVER))
        traits |= LA_TRAIT_CLOSE_WAIT;
    if (has_data_after_fin(c))
        traits |= LA_TRAIT_DATA_AFTER_FIN;
    return traits;
}
