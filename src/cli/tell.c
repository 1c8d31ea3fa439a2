#include "cli/tell.h"

#include <stdio.h>

int la_exit_of(enum la_status status) {
    switch (status) {
    case LA_OK:
    case LA_END:
    case LA_EPIPE:
        break;
    case LA_EUSAGE:
        return LA_EXIT_USAGE;
    case LA_EINPUT:
        return LA_EXIT_INPUT;
    case LA_EOUTPUT:
        return LA_EXIT_OUTPUT;
    case LA_ENOMEM:
        return LA_EXIT_MEMORY;
    }
    return LA_EXIT_DONE;
}

void la_exit_raise(int *code, int other) {
    if (other > *code)
        *code = other;
}

/* A file's name may hold anything, and must neither end the line nor talk to the terminal. */
void la_tell(const char *text) {
    char line[LA_ERROR_TEXT + 16];
    int length = snprintf(line, sizeof line - 1, "lastack: %s", text);
    if (length < 0)
        return;
    size_t end = (size_t)length < sizeof line - 1 ? (size_t)length : sizeof line - 2;
    for (size_t i = 0; i < end; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c < ' ' || c == 0x7f)
            line[i] = '?';
    }
    line[end] = '\n';
    fwrite(line, 1, end + 1, stderr);
}

int la_tell_error(const struct la_error *err) {
    if (err->status != LA_EPIPE)
        la_tell(err->text);
    return la_exit_of(err->status);
}
