/* pcap-filter(7) expressions, and the names and numbers of link types: what only libpcap knows. */
#ifndef LA_CAPTURE_FILTER_H
#define LA_CAPTURE_FILTER_H

#include "capture/capture.h"

struct la_filter;

/* `expression` is borrowed until la_filter_free(). LA_EUSAGE when it does not compile for Ethernet;
 * LA_ENOMEM. `*out` is owned. */
enum la_status la_filter_new(const char *expression, struct la_filter **out, struct la_error *err);
void la_filter_free(struct la_filter *filter);

/* Whether the packet is to be kept. The expression is compiled when its link type is first met;
 * where it does not fit that link type, `*why` is set to libpcap's reason (borrowed) and nothing of
 * that link type is kept. `*why` is NULL otherwise. */
bool la_filter_match(struct la_filter *filter, const struct la_packet *packet, const char **why);

/* The LINKTYPE_ value for a DLT_ value of this machine's libpcap. */
uint16_t la_linktype_of_dlt(int dlt);

#endif
