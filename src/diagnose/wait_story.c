/* What the kinds that tell of waiting have in common. */
#include "diagnose/wait_story.h"

#include "base/time.h"

/* Firewalls and load balancers forget idle connections from this on. */
#define FORGOTTEN_NS (300 * LA_SEC)

const char *const wait_origins[] = {"system", "application", NULL};

const struct la_change *wait_timed_out(const struct la_connection *c, unsigned side) {
    const struct la_endpoint *me = &c->side[side];
    if (me->change_count < 2)
        return NULL;
    const struct la_change *last = &me->changes[me->change_count - 1];
    bool timed_out = last->state == LA_ST_CLOSED && last->event == LA_EV_TIMER;
    return timed_out && last->time_ns < la_heard_until(c, c->last.time_ns) ? last : NULL;
}

const char *wait_origin(const struct la_connection *c, unsigned side) {
    const struct la_profile *profile = c->profile[side];
    const struct la_keepalive *k = c->side[side].keepalive;
    if (k->idle_ns < 0 || c->gaps > 0)
        return NULL;
    if (la_fits_timer(k->idle_ns, profile->keepalive_idle_ns))
        return wait_origins[0];
    /* Without its settings the host's administrator may have said so as well. */
    return profile->keepalive_told ? wait_origins[1] : NULL;
}

void wait_blame_silence(struct la_finding *f, const struct la_connection *c, unsigned side,
                        int64_t idle_ns) {
    if (la_is_near(c, !side))
        finding_blame(f, LA_ROLE_PEER, &c->side[!side].addr,
                      "what was sent to it passed next to it, and it answered nothing");
    else if (idle_ns >= FORGOTTEN_NS)
        finding_blame(f, LA_ROLE_NETWORK, NULL,
                      finding_text(f,
                                   "nothing came back after %s of silence: the peer or the path is "
                                   "gone, or a firewall has forgotten the connection",
                                   seconds_text(f, idle_ns)));
    else
        finding_blame(f, LA_ROLE_NETWORK, NULL,
                      "nothing came back: the peer, or the path to it, is gone");
}

void wait_show_row(struct la_finding *f, const struct la_connection *c, unsigned side,
                   const struct la_row *row, const char *role) {
    enum { MOST = 16 };
    size_t shown = 0;
    for (size_t i = 0; i < c->log_count && shown < MOST; i++) {
        const struct la_observation *o = &c->log[i];
        bool between = o->time_ns >= row->first.time_ns && o->time_ns < row->last.time_ns;
        bool asks = o->class == LA_CLASS_KEEPALIVE || o->class == LA_CLASS_WINDOW_PROBE ||
                    o->class == LA_CLASS_DATA_AGAIN || o->class == LA_CLASS_FIN_AGAIN;
        if (o->from != side || !asks || !between)
            continue;
        finding_show(f, c, i, role);
        shown++;
    }
    finding_show_where(f, &row->last, role);
}
