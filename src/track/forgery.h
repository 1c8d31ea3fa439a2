/* What speaks against a RST having been sent by the host in whose name it came. Internal to this
 * room. */
#ifndef LA_TRACK_FORGERY_H
#define LA_TRACK_FORGERY_H

#include "track/connection.h"

/* A second capture, nearer to the host in whose name it came, saw all that this host sent, and not
 * this RST: see elsewhere.c. */
bool la_is_disowned(const struct la_connection *c, size_t rst);

/* LA_SIGN_... of the RST at `rst`; `drawer` is the segment that it answers, or LA_NOWHERE. */
unsigned forgery_signs(const struct la_connection *c, size_t rst, size_t drawer);

/* No single sign is enough: a router changes its mind about the path, a stack leaves timestamps
 * out, a program keeps a TCP of its own beside the kernel's. */
bool forgery_is_likely(unsigned signs);

#endif
