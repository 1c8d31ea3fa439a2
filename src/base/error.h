/* Status codes and the error object that every fallible function fills.
 *
 * A function that can fail returns enum la_status and takes a caller-owned struct la_error *, which
 * may be NULL. Filling it allocates nothing, so an allocation failure can be told too. */
#ifndef LA_BASE_ERROR_H
#define LA_BASE_ERROR_H

#include <stdint.h>

enum la_status {
    LA_OK = 0,
    LA_END,     /* nothing more to read: not an error */
    LA_EUSAGE,  /* the caller asked for something impossible: wrong option, wrong expression */
    LA_EINPUT,  /* an input could not be read, or not to its end */
    LA_EOUTPUT, /* an output could not be written whole */
    LA_ENOMEM,  /* out of memory */
    LA_EPIPE,   /* standard output was closed by its reader: ends quietly */
};

enum { LA_ERROR_TEXT = 512 };

struct la_error {
    enum la_status status;
    uint64_t offset;          /* byte of the (decompressed) input, where that says something */
    char text[LA_ERROR_TEXT]; /* "FILE: what went wrong (what to do about it)" without the program's
                                 name */
};

/* Fills `err` (which may be NULL) and returns `status`, so that `return la_fail(...)` reads well.
 */
enum la_status la_fail(struct la_error *err, enum la_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
