/* What a line of --connections says of a connection, in a few hundred bytes: lines wait until all
 * inputs have told how many digits their times have, and as text they are ten times as long. */
#ifndef LA_REPORT_CONNECTION_NOTES_H
#define LA_REPORT_CONNECTION_NOTES_H

#include "track/connection.h"

/* Memory that grows; owned. All zero: none yet. */
struct la_notes {
    uint8_t *bytes;
    size_t used, capacity;
};
void la_notes_release(struct la_notes *notes);

/* Writes a connection down, over what was there before. False when out of memory. */
bool la_notes_write(struct la_notes *notes, const struct la_connection *connection);

/* A connection that was read: what a line does not say of it is not set. */
struct la_noted {
    struct la_connection connection;
    struct la_change *changes[2]; /* owned, and used again for the next one */
    struct la_reset *resets;      /* likewise */
    size_t change_capacity[2], reset_capacity;
};
void la_noted_release(struct la_noted *noted);

/* Reads what la_notes_write() wrote in the same process, and moves *notes behind it. Borrowed until
 * the next call; NULL when out of memory. */
struct la_connection *la_noted_read(struct la_noted *noted, const uint8_t **notes);

#endif
