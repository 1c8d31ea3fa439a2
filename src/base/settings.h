/* What a host's settings say: the text of `sysctl -a` or of a sysctl.conf, with what `ulimit -n`
 * and `ss -s` printed where it is there, and what follows from it for the timers of a Linux host.
 */
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
 * word on each; `ulimit -n` as "nofile", the counts of `ss -s` as "ss.timewait" and so on. Those of
 * the rest of the system are passed over. `*out` is owned by the caller.
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
/* Where it is two numbers. */
bool la_host_settings_range(const struct la_host_settings *settings, const char *name,
                            int64_t *from, int64_t *to);
/* Whether it is all that a kernel has, and not a piece of configuration: what is not in it does not
 * exist there. */
bool la_host_settings_complete(const struct la_host_settings *settings);

const char *la_host_settings_path(const struct la_host_settings *settings);
/* How many lines were left out, and what was said of the first ones; NULL past the last. */
size_t la_host_settings_left_out(const struct la_host_settings *settings);
const char *la_host_settings_complaint(const struct la_host_settings *settings, size_t index);

/* All of them in the order of their names; false past the last. */
bool la_host_settings_at(const struct la_host_settings *settings, size_t index, const char **name,
                         const char **value);

/* Moves the timers and rules of a Linux profile to what the settings make of them. */
void la_host_settings_apply(const struct la_host_settings *settings, struct la_profile *profile);

#endif
