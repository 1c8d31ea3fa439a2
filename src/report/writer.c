#include "report/writer.h"

#include "base/time.h"
#include "report/emit.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_MIN = 4096, NUMBER_TEXT = 24, NANO_DIGITS = 9 };

void la_writer_clear(struct la_writer *w) {
    w->used = 0;
    w->failed = false;
}

void la_writer_release(struct la_writer *w) {
    free(w->text);
    w->text = NULL;
    w->used = w->capacity = 0;
}

/* Room for `count` more bytes; NULL when out of memory. */
static char *reserve(struct la_writer *w, size_t count) {
    if (w->used + count <= w->capacity)
        return w->text + w->used;
    size_t capacity = w->capacity > 0 ? w->capacity : ROOM_MIN;
    while (capacity < w->used + count)
        capacity *= 2;
    char *text = w->failed ? NULL : realloc(w->text, capacity);
    if (!text) {
        w->failed = true;
        return NULL;
    }
    w->text = text;
    w->capacity = capacity;
    return text + w->used;
}

static void put(struct la_writer *w, const char *bytes, size_t count) {
    char *room = reserve(w, count);
    if (!room)
        return;
    memcpy(room, bytes, count);
    w->used += count;
}

char *la_writer_take(struct la_writer *w, size_t *length) {
    put(w, "", 1);
    char *text = w->failed ? NULL : w->text;
    *length = w->used - (text != NULL);
    if (text)
        w->text = NULL;
    la_writer_release(w);
    return text;
}

/* A value or a name follows: a comma, unless it is the first. */
static void separate(struct la_writer *w) {
    char last = w->used > 0 ? w->text[w->used - 1] : '[';
    if (last != '[' && last != '{' && last != ':')
        put(w, ",", 1);
}

static void put_value(struct la_writer *w, const char *text, size_t length) {
    separate(w);
    put(w, text, length);
}

static void put_quoted(struct la_writer *w, const char *text, size_t length) {
    separate(w);
    char *room = reserve(w, length + 2);
    if (!room)
        return;
    *room = '"';
    memcpy(room + 1, text, length);
    room[length + 1] = '"';
    w->used += length + 2;
}

void la_write_open(struct la_writer *w, char bracket) {
    put_value(w, &bracket, 1);
}

void la_write_close(struct la_writer *w, char bracket) {
    put(w, &bracket, 1);
}

void la_write_newline(struct la_writer *w) {
    put(w, "\n", 1);
}

void la_write_name(struct la_writer *w, const char *name) {
    put_quoted(w, name, strlen(name));
    put(w, ":", 1);
}

void la_write_null(struct la_writer *w) {
    put_value(w, "null", 4);
}

void la_write_bool(struct la_writer *w, bool value) {
    put_value(w, value ? "true" : "false", value ? 4 : 5);
}

/* Backwards from `end`, at least `least` digits; returns where they begin. */
static char *put_digits(char *end, uint64_t number, int least) {
    for (; number > 0 || least > 0; least--) {
        *--end = (char)('0' + number % 10);
        number /= 10;
    }
    return end;
}

void la_write_count(struct la_writer *w, uint64_t count) {
    char text[NUMBER_TEXT], *end = text + sizeof text;
    char *from = put_digits(end, count > INT64_MAX ? INT64_MAX : count, 1);
    put_value(w, from, (size_t)(end - from));
}

/* A number of units of which 10^places are one, without more zeros than JSON needs for a real. */
static void put_decimal(struct la_writer *w, uint64_t units, uint64_t one, int places) {
    char text[2 * NUMBER_TEXT], *end = text + sizeof text;
    char *point = put_digits(end, units % one, places) - 1;
    while (end > point + 2 && end[-1] == '0')
        end--;
    *point = '.';
    char *from = put_digits(point, units / one, 1);
    put_value(w, from, (size_t)(end - from));
}

void la_write_thousandths(struct la_writer *w, uint64_t thousandths) {
    put_decimal(w, thousandths, 1000, 3);
}

void la_write_delay(struct la_writer *w, int64_t ns) {
    if (ns < 0)
        la_write_null(w);
    else
        put_decimal(w, (uint64_t)ns, LA_SEC, NANO_DIGITS);
}

/* Most times of a line lie in one second, and the text of a second is dear. */
static void find_prefix(struct la_writer *w, int64_t second) {
    char text[LA_TIME_TEXT];
    if (w->prefix_length > 0 && w->second == second)
        return;
    la_time_format(second * LA_SEC, 0, text);
    w->prefix_length = strlen(text) - 1; /* without the Z */
    memcpy(w->prefix, text, w->prefix_length);
    w->prefix[w->prefix_length++] = '.';
    w->second = second;
}

void la_write_time(struct la_writer *w, int64_t ns) {
    char text[LA_TIME_TEXT + LA_EMIT_MARK_LENGTH], nanos[NANO_DIGITS];
    int64_t second = ns / LA_SEC - (ns % LA_SEC < 0);
    int64_t rest = ns % LA_SEC + (ns % LA_SEC < 0 ? LA_SEC : 0);
    bool later = w->digits == LA_EMIT_DIGITS_LATER;
    size_t digits = later ? LA_EMIT_DIGITS_MAX : (size_t)w->digits;
    if (ns == LA_TIME_NONE) {
        la_write_null(w);
        return;
    }
    find_prefix(w, second);
    put_digits(nanos + sizeof nanos, (uint64_t)rest, NANO_DIGITS);
    memcpy(text, w->prefix, w->prefix_length);
    memcpy(text + w->prefix_length, nanos, digits);
    size_t length = w->prefix_length + digits;
    text[length++] = 'Z';
    if (later)
        memcpy(text + length, LA_EMIT_MARK, LA_EMIT_MARK_LENGTH);
    put_quoted(w, text, length + (later ? LA_EMIT_MARK_LENGTH : 0));
}

void la_write_word(struct la_writer *w, const char *word) {
    if (word)
        put_quoted(w, word, strlen(word));
    else
        la_write_null(w);
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
    separate(w);
    /* What is cleaned is put where the escaped form cannot have come when it is read. */
    size_t room = strlen(text) * LA_EMIT_CLEAN_GROWTH;
    char *out = reserve(w, room * (LONGEST_ESCAPE + 1) + 2);
    if (!out)
        return;
    char *cleaned = out + room * LONGEST_ESCAPE + 2;
    size_t length = la_emit_clean(text, cleaned);
    *out++ = '"';
    for (size_t i = 0; i < length; i++)
        out = put_escaped(out, (unsigned char)cleaned[i]);
    *out++ = '"';
    w->used = (size_t)(out - w->text);
}

void la_write_addr(struct la_writer *w, const struct la_addr *addr) {
    char text[LA_ADDR_TEXT];
    la_write_word(w, la_addr_format(addr, text));
}

void la_write_file(struct la_writer *w, uint16_t input) {
    la_write_text(w, input < w->input_count ? w->inputs[input]->path : NULL);
}
