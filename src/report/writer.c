#include "report/writer.h"

#include "base/digits.h"
#include "base/time.h"
#include "report/emit.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_MIN = 1 << 12, DECIMAL_TEXT = 40, NANO_DIGITS = 9 };
_Static_assert((int)ROOM_MIN > (int)LA_WRITER_ROOM, "what is promised is there from the beginning");

/* Most times of a line lie in one second, and lines come in the order of their times. */
static void find_second(struct la_writer *w, int64_t second) {
    char text[LA_TIME_TEXT];
    w->second = second;
    la_time_format(second * LA_SEC, 1, text);
    memcpy(w->second_text, text, sizeof w->second_text);
}

struct la_writer *la_writer_new(const struct la_input *const *inputs, size_t input_count,
                                int digits) {
    struct la_writer *w = calloc(1, sizeof *w);
    if (!w || !(w->bytes = malloc(ROOM_MIN))) {
        free(w);
        return NULL;
    }
    w->at = w->bytes;
    w->end = w->bytes + ROOM_MIN;
    w->inputs = inputs;
    w->input_count = input_count;
    w->digits = digits;
    find_second(w, 0);
    return w;
}

void la_writer_free(struct la_writer *w) {
    if (!w)
        return;
    free(w->bytes);
    free(w->path);
    free(w);
}

void la_writer_clear(struct la_writer *w) {
    w->at = w->bytes;
    w->failed = false;
}

const char *la_writer_text(struct la_writer *w, size_t *length) {
    char *end = la_writer_room(w, 1);
    if (end > w->bytes && end[-1] == ',')
        w->at = --end;
    *end = '\0';
    *length = la_writer_used(w);
    return w->failed ? NULL : w->bytes;
}

void la_writer_end_line(struct la_writer *w) {
    if (w->at > w->bytes)
        w->at[-1] = '\n';
}

char *la_writer_grow(struct la_writer *w, size_t count) {
    size_t used = la_writer_used(w), capacity = (size_t)(w->end - w->bytes);
    while (capacity <= used + count)
        capacity *= 2;
    char *bytes = w->failed ? NULL : realloc(w->bytes, capacity);
    if (bytes) {
        w->bytes = bytes;
        w->at = bytes + used;
        w->end = bytes + capacity;
    } else {
        w->failed = true;
        w->at = w->bytes;
    }
    return (size_t)(w->end - w->at) > count ? w->at : NULL;
}

/* A literal, in one piece. */
#define WRITE(w, literal)                                                                          \
    do {                                                                                           \
        char *room = la_writer_room(w, sizeof(literal));                                           \
        memcpy(room, literal, sizeof(literal) - 1);                                                \
        (w)->at = room + sizeof(literal) - 1;                                                      \
    } while (0)

/* Ends a value. */
static void end_at(struct la_writer *w, char *end) {
    *end = ',';
    w->at = end + 1;
}

void la_write_null(struct la_writer *w) {
    WRITE(w, "null,");
}

void la_write_bool(struct la_writer *w, bool value) {
    if (value)
        WRITE(w, "true,");
    else
        WRITE(w, "false,");
}

void la_write_number(struct la_writer *w, uint64_t number) {
    end_at(w, la_put_number(la_writer_room(w, LA_DIGITS_MAX + 1), number));
}

/* A number of units of which 10^places are one, without more zeros than JSON needs for a real. */
static void write_decimal(struct la_writer *w, uint64_t whole, uint64_t fraction, int places) {
    char *point = la_put_number(la_writer_room(w, DECIMAL_TEXT), whole);
    *point = '.';
    char *end = la_put_digits(point + 1, fraction, places);
    while (end > point + 2 && end[-1] == '0')
        end--;
    end_at(w, end);
}

void la_write_thousandths(struct la_writer *w, uint64_t thousandths) {
    write_decimal(w, thousandths / 1000, thousandths % 1000, 3);
}

void la_write_delay(struct la_writer *w, int64_t ns) {
    if (ns < 0)
        la_write_null(w);
    else
        write_decimal(w, (uint64_t)(ns / LA_SEC), (uint64_t)(ns % LA_SEC), NANO_DIGITS);
}

void la_write_time(struct la_writer *w, int64_t ns) {
    if (ns == LA_TIME_NONE) {
        la_write_null(w);
        return;
    }
    char *out = la_writer_room(w, LA_TIME_TEXT + 3);
    int64_t second = la_floor_seconds(ns);
    if (second != w->second)
        find_second(w, second);
    *out++ = '"';
    memcpy(out, w->second_text, sizeof w->second_text);
    out += sizeof w->second_text;
    la_put_nanoseconds(out, (uint32_t)(ns - second * LA_SEC));
    out += w->digits;
    *out++ = 'Z';
    *out++ = '"';
    end_at(w, out);
}

void la_write_word(struct la_writer *w, const char *word) {
    if (!word) {
        la_write_null(w);
        return;
    }
    char *out = la_writer_room(w, LA_WRITER_ROOM);
    *out = '"';
    out = stpcpy(out + 1, word);
    *out = '"';
    end_at(w, out + 1);
}

static char *put_escaped(char *out, unsigned char c) {
    static const char hex[] = "0123456789abcdef";
    if (c == '"' || c == '\\') {
        *out++ = '\\';
        *out++ = (char)c;
    } else if (c < 0x20) {
        memcpy(out, "\\u00", 4);
        out[4] = hex[c >> 4];
        out[5] = hex[c & 15];
        out += 6;
    } else {
        *out++ = (char)c;
    }
    return out;
}

void la_write_text(struct la_writer *w, const char *text) {
    enum { LONGEST_ESCAPE = 6 };
    if (!text) {
        la_write_null(w);
        return;
    }
    size_t most = strlen(text) * LA_EMIT_CLEAN_GROWTH;
    char *out = la_writer_room(w, most * (LONGEST_ESCAPE + 1) + 3);
    if (!out)
        return;
    char *cleaned = out + most * LONGEST_ESCAPE + 3; /* behind the room for the escaped form */
    size_t count = la_emit_clean(text, cleaned);
    *out++ = '"';
    for (size_t i = 0; i < count; i++)
        out = put_escaped(out, (unsigned char)cleaned[i]);
    *out++ = '"';
    end_at(w, out);
}

void la_write_addr(struct la_writer *w, const struct la_addr *addr) {
    char text[LA_ADDR_TEXT];
    la_write_word(w, la_addr_format(addr, text));
}

/* Most paths of a line are that of one file: it is kept as it was written. */
static void keep_path(struct la_writer *w, uint16_t input, size_t from) {
    free(w->path);
    w->path_length = la_writer_used(w) - from;
    w->path_input = input;
    w->path = w->failed ? NULL : malloc(w->path_length);
    if (w->path)
        memcpy(w->path, w->bytes + from, w->path_length);
}

void la_write_file(struct la_writer *w, uint16_t input) {
    size_t from = la_writer_used(w);
    if (input >= w->input_count) {
        la_write_null(w);
    } else if (!w->path || input != w->path_input) {
        la_write_text(w, w->inputs[input]->path);
        keep_path(w, input, from);
    } else {
        char *room = la_writer_room(w, w->path_length);
        if (!room)
            return;
        memcpy(room, w->path, w->path_length);
        w->at = room + w->path_length;
    }
}
