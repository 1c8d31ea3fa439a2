#include "report/print.h"

#include "base/digits.h"
#include "base/time.h"
#include "report/emit.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 1 << 12, SPARE = 2, NANO_DIGITS = 9, REAL_TEXT = 64 };

/* Where the next `count` bytes go; NULL when out of memory. */
static char *reserve(struct la_text *text, size_t count) {
    if (count > text->room - text->used) {
        size_t room = text->room * 2 > text->used + count ? text->room * 2 : text->used + count;
        char *bytes = text->failed ? NULL : realloc(text->bytes, room + SPARE);
        text->failed = !bytes;
        if (!bytes)
            return NULL;
        text->bytes = bytes;
        text->room = room;
    }
    return text->bytes + text->used;
}

static void put(struct la_text *text, const char *bytes, size_t count) {
    char *at = reserve(text, count);
    if (!at)
        return;
    memcpy(at, bytes, count);
    text->used += count;
}

/* What is not as usual. */
static void put_as_jansson(struct la_text *text, const json_t *value) {
    const size_t flags = JSON_ENCODE_ANY | LA_EMIT_FLAGS;
    size_t count = json_dumpb(value, NULL, 0, flags);
    char *at = reserve(text, count);
    text->failed = text->failed || count == 0;
    if (at)
        text->used += json_dumpb(value, at, count, flags);
}

static void put_number(struct la_text *text, uint64_t number) {
    char *at = reserve(text, LA_DIGITS_MAX);
    if (at)
        text->used = (size_t)(la_put_number(at, number) - text->bytes);
}

static void put_integer(struct la_text *text, const json_t *value) {
    json_int_t number = json_integer_value(value);
    if (number >= 0)
        put_number(text, (uint64_t)number);
    else
        put_as_jansson(text, value);
}

/* `count` digits, the first of them worth 10^power, as "%.15g" writes them. Returns where they end.
 */
static char *put_digits_of(char *at, const char *digits, int count, int power) {
    int before = power < -4 ? 1 : power + 1; /* the point */
    if (before <= 0) {
        memcpy(at, "0.000", 5);
        at += 2 - before;
        before = 0;
    }
    for (int i = 0; i < count; i++) {
        if (i == before && i > 0)
            *at++ = '.';
        *at++ = digits[i];
    }
    for (int i = count; i < before; i++)
        *at++ = '0';
    if (power < -4) {
        memcpy(at, "e-", 2);
        at[2] = (char)('0' - power);
        return at + 3;
    }
    if (count <= before) {
        memcpy(at, ".0", 2);
        at += 2;
    }
    return at;
}

/* Whole nanoseconds of at most 15 digits, which is as many as are printed: what is nearest to such
 * a number among the reals prints as that number. False when it is none, and nothing was put. */
static bool put_nanoseconds(struct la_text *text, double seconds) {
    double scaled = seconds * 1e9;
    uint64_t ns = scaled > 0 && scaled < 1e15 ? (uint64_t)(scaled + 0.5) : 0;
    char *at = reserve(text, REAL_TEXT), digits[LA_DIGITS_MAX];
    if (ns == 0 || ns >= UINT64_C(1000000000000000) || (double)ns / 1e9 != seconds || !at)
        return false;
    int count = (int)(la_put_number(digits, ns) - digits), power = count - NANO_DIGITS - 1;
    while (digits[count - 1] == '0')
        count--;
    text->used = (size_t)(put_digits_of(at, digits, count, power) - text->bytes);
    return true;
}

static void put_real(struct la_text *text, const json_t *value) {
    if (!put_nanoseconds(text, json_real_value(value)))
        put_as_jansson(text, value);
}

static bool needs_escape(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)bytes[i] < 0x20 || bytes[i] == '"' || bytes[i] == '\\')
            return true;
    return false;
}

static void put_quoted(struct la_text *text, const char *bytes, size_t length) {
    char *at = reserve(text, length + 2);
    if (!at)
        return;
    at[0] = '"';
    memcpy(at + 1, bytes, length);
    at[length + 1] = '"';
    text->used += length + 2;
}

static void put_string(struct la_text *text, const json_t *value) {
    size_t length = json_string_length(value);
    if (needs_escape(json_string_value(value), length))
        put_as_jansson(text, value);
    else
        put_quoted(text, json_string_value(value), length);
}

static void put_break(struct la_text *text) {
    size_t count = 1 + 2 * (size_t)text->depth;
    char *at = text->indented ? reserve(text, count) : NULL;
    if (!at)
        return;
    memset(at, ' ', count);
    *at = '\n';
    text->used += count;
}

/* What stands before an item. Names are the program's own, and need no escape. */
static void begin_item(struct la_text *text, const char *name) {
    if (text->filled)
        put(text, ",", 1);
    if (text->depth > 0)
        put_break(text);
    text->filled = true;
    if (!name)
        return;
    put_quoted(text, name, strlen(name));
    put(text, ": ", text->indented ? 2 : 1);
}

void la_text_open(struct la_text *text, const char *name, enum la_text_bracket bracket) {
    const char open = (char)bracket;
    begin_item(text, name);
    put(text, &open, 1);
    text->depth++;
    text->filled = false;
}

void la_text_close(struct la_text *text, enum la_text_bracket bracket) {
    const char close = bracket == LA_TEXT_OBJECT ? '}' : ']';
    text->depth--;
    if (text->filled)
        put_break(text);
    put(text, &close, 1);
    text->filled = true;
}

static void put_array(struct la_text *text, const char *name, const json_t *array) {
    la_text_open(text, name, LA_TEXT_ARRAY);
    for (size_t i = 0; i < json_array_size(array); i++)
        la_text_value(text, NULL, json_array_get(array, i));
    la_text_close(text, LA_TEXT_ARRAY);
}

static void put_object(struct la_text *text, const char *name, json_t *object) {
    la_text_open(text, name, LA_TEXT_OBJECT);
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at))
        la_text_value(text, json_object_iter_key(at), json_object_iter_value(at));
    la_text_close(text, LA_TEXT_OBJECT);
}

static void put_scalar(struct la_text *text, const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_STRING:
        put_string(text, value);
        break;
    case JSON_INTEGER:
        put_integer(text, value);
        break;
    case JSON_REAL:
        put_real(text, value);
        break;
    case JSON_TRUE:
        put(text, "true", 4);
        break;
    case JSON_FALSE:
        put(text, "false", 5);
        break;
    default:
        put(text, "null", 4);
    }
}

void la_text_value(struct la_text *text, const char *name, const json_t *value) {
    if (json_is_array(value)) {
        put_array(text, name, value);
    } else if (json_is_object(value)) {
        put_object(text, name, (json_t *)value);
    } else {
        begin_item(text, name);
        put_scalar(text, value);
    }
}

void la_text_count(struct la_text *text, const char *name, uint64_t count) {
    begin_item(text, name);
    put_number(text, count > INT64_MAX ? INT64_MAX : count);
}

void la_text_seconds(struct la_text *text, const char *name, int64_t ns) {
    begin_item(text, name);
    if (put_nanoseconds(text, la_seconds(ns)))
        return;
    json_t *value = la_emit_seconds(ns);
    if (value)
        put_as_jansson(text, value);
    text->failed |= !value;
    json_decref(value);
}

void la_text_begin(struct la_text *text, bool indented) {
    *text = (struct la_text){.indented = indented, .bytes = malloc(ROOM_FIRST + SPARE)};
    text->room = text->bytes ? ROOM_FIRST : 0;
    text->failed = !text->bytes;
}

char *la_text_end(struct la_text *text, size_t *length) {
    if (text->failed) {
        free(text->bytes);
        return NULL;
    }
    text->bytes[text->used] = '\0';
    *length = text->used;
    return text->bytes;
}

char *la_print_json(const json_t *value, bool indented, size_t *length) {
    struct la_text text;
    la_text_begin(&text, indented);
    la_text_value(&text, NULL, value);
    return la_text_end(&text, length);
}
