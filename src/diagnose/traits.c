#include "diagnose/diagnose.h"

#include "track/close_wait.h"

unsigned la_traits_of(const struct la_connection *c) {
    unsigned traits = c->remarkable ? LA_TRAIT_REMARKABLE : 0;
    if (c->side[0].syn_sent && c->side[1].syn_sent)
        traits |= LA_TRAIT_TWO_SYNS;
    if (c->first_closer == LA_CLOSER_BOTH)
        traits |= LA_TRAIT_CLOSED_BY_BOTH;
    if (la_may_have_waited(c, LA_CLIENT) || la_may_have_waited(c, LA_SERVER))
        traits |= LA_TRAIT_CLOSE_WAIT;
    if (c->fin_left_data)
        traits |= LA_TRAIT_DATA_AFTER_FIN;
    return traits;
}
