/* How a SYN over a held 4-tuple is read: one verdict, from which recycled-port-rst,
 * timestamp-rejected-syn and time-wait-reuse each take what is theirs, so that a SYN is exactly one
 * of them. Internal to this room. */
#ifndef LA_DIAGNOSE_SYN_STORY_H
#define LA_DIAGNOSE_SYN_STORY_H

#include "diagnose/build.h"

enum syn_verdict {
    SYN_NOTHING,
    SYN_RECYCLED,         /* recycled-port-rst */
    SYN_OLDER_TIMESTAMP,  /* timestamp-rejected-syn, per-connection */
    SYN_OLDER_THAN_HOST,  /* timestamp-rejected-syn, per-host */
    SYN_TIME_WAIT_REUSED, /* time-wait-reuse */
};

/* How a SYN was refused. */
enum syn_refusal {
    REFUSED_NOT,
    REFUSED_BY_ACK,
    REFUSED_BY_FIN,
    REFUSED_BY_RST,
    REFUSED_BY_SILENCE
};

struct syn_story {
    enum syn_verdict verdict;
    enum syn_refusal refusal;
    bool observed;
    const struct la_observation *syn;     /* the first of the attempt */
    const struct la_observation *answer;  /* what refused it: an ACK, a FIN, or a RST */
    const struct la_observation *reset;   /* the RST that the answer drew from the client */
    const struct la_observation *syn_ack; /* the one that accepted it at last */
    int attempts;                         /* SYNs sent until it was accepted, or at all */
    bool held_known;
    enum la_state held; /* what the server still held when the SYN came */
    bool server_unseen; /* it said nothing in the old incarnation */
    bool held_since_known;
    int64_t held_since_ns;         /* when TIME-WAIT began that was taken over */
    unsigned reused_by;            /* LA_CLIENT or LA_SERVER: whose TIME-WAIT was taken over */
    bool isn_step_known, isn_step; /* new ISN = old SND.NXT + 65537: Linux, out of TIME-WAIT */
    bool remembered_known;
    uint32_t remembered_tsval; /* what the server remembered, as far as disclosed or seen */
    bool gave_up;              /* it tried again, and then no more although a SYN was due */
};

void syn_story_read(const struct la_connection *c, struct syn_story *story);

/* The port went from one host behind the client's address to another (NAT): their TTLs differ. */
bool syn_changed_hands(const struct la_connection *c);

/* Evidence, and the details that the refusals share: recovered, recovered_after. */
void syn_story_show(struct la_finding *f, const struct la_connection *c,
                    const struct syn_story *story);
void syn_story_details(struct la_finding *f, const struct syn_story *story);
/* What became of the attempt, in words. */
const char *syn_story_outcome(struct la_finding *f, const struct syn_story *story);
/* No SYN of it can have got through; false also where the capture does not show its outcome. */
bool syn_story_failed(const struct syn_story *story);
/* From the first SYN to the SYN-ACK; -1 when there was none. */
int64_t syn_story_delay_ns(const struct syn_story *story);

#endif
