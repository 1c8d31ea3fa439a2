/* The settings that lastack explains and audits: one row each. */
#ifndef LA_AUDIT_SETTING_H
#define LA_AUDIT_SETTING_H

#include <stddef.h>

struct la_host_evidence;
struct la_judgement;

struct la_setting {
    const char *name;      /* as people say it, and as its page is called: "tcp_tw_reuse" */
    const char *full_name; /* as sysctl says it: "net.ipv4.tcp_tw_reuse" */
    /* What a kernel of the profile `linux` sets by itself; NULL: the machine decides, or nobody. */
    const char *initial;
    /* What the capture says of it; leaves `judgement` alone when it says nothing. */
    void (*judge)(const struct la_host_evidence *evidence, struct la_judgement *judgement);
};

/* NULL past the last. */
const struct la_setting *la_setting_at(size_t index);
/* By either name; NULL when there is none. */
const struct la_setting *la_setting_find(const char *name);

#endif
