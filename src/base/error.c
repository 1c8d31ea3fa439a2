#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

enum la_status la_fail(struct la_error *err, enum la_status status, const char *format, ...) {
    if (err) {
        err->status = status;
        err->offset = 0;
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return status;
}
