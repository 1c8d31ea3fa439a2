#include "audit/audit.h"

#include <stdio.h>

/* What was counted at `addr`; with NULL at all hosts that have no settings of their own. */
static uint64_t count_at(const struct la_host_counts *counts, const struct la_hosts *hosts,
                         const struct la_addr *addr) {
    const struct la_addr *own;
    uint64_t count = la_host_counts_of(counts, addr);
    for (size_t i = 0; !addr && la_hosts_settings_at(hosts, i, &own); i++)
        count -= own ? la_host_counts_of(counts, own) : 0;
    return count;
}

void la_host_evidence_gather(const struct la_result *result, const struct la_hosts *hosts,
                             size_t index, struct la_host_evidence *evidence) {
    const struct la_addr *addr;
    *evidence = (struct la_host_evidence){.settings = la_hosts_settings_at(hosts, index, &addr)};
    /* As it came, without what the file made of it. */
    const char *profile = la_hosts_profile(hosts, addr)->name;
    evidence->may_recycle = la_profile_find(profile)->tw_recycle_possible;
    for (size_t fact = 0; fact < LA_FACT_COUNT; fact++)
        evidence->facts[fact] = count_at(&result->facts[fact], hosts, addr);
}

void la_audit_judge(const struct la_setting *setting, const struct la_host_evidence *evidence,
                    struct la_judgement *judgement) {
    *judgement = (struct la_judgement){.verdict = LA_VERDICT_NO_EVIDENCE};
    setting->judge(evidence, judgement);
}

const char *la_verdict_text(const struct la_judgement *judgement, char buf[LA_VERDICT_TEXT]) {
    static const char *const names[] = {
        [LA_VERDICT_HELPS] = "helps here",        [LA_VERDICT_NO_EFFECT] = "no effect here",
        [LA_VERDICT_HARMFUL] = "harmful",         [LA_VERDICT_GONE] = "gone since Linux ",
        [LA_VERDICT_NO_EVIDENCE] = "no evidence",
    };
    bool gone = judgement->verdict == LA_VERDICT_GONE;
    snprintf(buf, LA_VERDICT_TEXT, "%s%s", names[judgement->verdict], gone ? judgement->since : "");
    return buf;
}
