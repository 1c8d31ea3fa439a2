/* What a host's settings say: the text of `sysctl -a` or of a sysctl.conf, and what follows from it
 * for the timers of a Linux host. */
#ifndef LA_BASE_SETTINGS_H
#define LA_BASE_SETTINGS_H

#include "base/error.h"
#include "base/profile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct la_host_settings;

/* Is told, one line at a time, what in a file was not understood and is left out. */
struct la_settings_listener {
    void (*complain)(void *context, const char *text);
    void *context;
};

enum { LA_SETTINGS_COMPLAINTS = 10 }; /* then their number only */

/* Reads a file. Settings of TCP, of its ports, queues and of conntrack are kept by name, the last
 * word on each; those of the rest of the system are passed over. `*out` is owned by the caller.
 * LA_EUSAGE when the file cannot be read, LA_ENOMEM. */
enum la_status la_host_settings_read(const char *path, const struct la_settings_listener *listener,
                                     struct la_host_settings **out, struct la_error *err);
void la_host_settings_free(struct la_host_settings *settings);

/* The value as it was written, by its full name ("net.ipv4.tcp_fin_timeout"); NULL when nothing was
 * said of it. */
const char *la_host_settings_text(const struct la_host_settings *settings, const char *name);
/* Its (first) number; false when nothing was said of it. */
bool la_host_settings_number(const struct la_host_settings *settings, const char *name,
                             int64_t *value);
/* All of them in the order of their names; false past the last. */
bool la_host_settings_at(const struct la_host_settings *settings, size_t index, const char **name,
                         const char **value);

/* Moves the timers and rules of a Linux profile to what the settings make of them. */
void la_host_settings_apply(const struct la_host_settings *settings, struct la_profile *profile);

#endif
