#include "report/print.h"

#include "base/digits.h"
#include "report/emit.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 1 << 12, SPARE = 2, NANO_DIGITS = 9, REAL_TEXT = 64 };

struct text {
    char *bytes; /* owned */
    size_t used, room;
    bool indented, failed;
};

/* Where the next `count` bytes go; NULL when out of memory. */
static char *reserve(struct text *text, size_t count) {
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

static void put(struct text *text, const char *bytes, size_t count) {
    char *at = reserve(text, count);
    if (!at)
        return;
    memcpy(at, bytes, count);
    text->used += count;
}

/* What is not as usual. */
static void put_as_jansson(struct text *text, const json_t *value) {
    const size_t flags = JSON_ENCODE_ANY | LA_EMIT_FLAGS;
    size_t count = json_dumpb(value, NULL, 0, flags);
    char *at = reserve(text, count);
    text->failed = text->failed || count == 0;
    if (at)
        text->used += json_dumpb(value, at, count, flags);
}

static void put_integer(struct text *text, const json_t *value) {
    json_int_t number = json_integer_value(value);
    char *at = number >= 0 ? reserve(text, LA_DIGITS_MAX) : NULL;
    if (at)
        text->used = (size_t)(la_put_number(at, (uint64_t)number) - text->bytes);
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
 * a number among the reals prints as that number. */
static void put_real(struct text *text, const json_t *value) {
    double seconds = json_real_value(value), scaled = seconds * 1e9;
    uint64_t ns = scaled > 0 && scaled < 1e15 ? (uint64_t)(scaled + 0.5) : 0;
    char *at = reserve(text, REAL_TEXT), digits[LA_DIGITS_MAX];
    if (ns == 0 || ns >= UINT64_C(1000000000000000) || (double)ns / 1e9 != seconds || !at) {
        put_as_jansson(text, value);
        return;
    }
    int count = (int)(la_put_number(digits, ns) - digits), power = count - NANO_DIGITS - 1;
    while (digits[count - 1] == '0')
        count--;
    text->used = (size_t)(put_digits_of(at, digits, count, power) - text->bytes);
}

static bool needs_escape(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)bytes[i] < 0x20 || bytes[i] == '"' || bytes[i] == '\\')
            return true;
    return false;
}

static void put_quoted(struct text *text, const char *bytes, size_t length) {
    char *at = reserve(text, length + 2);
    if (!at)
        return;
    at[0] = '"';
    memcpy(at + 1, bytes, length);
    at[length + 1] = '"';
    text->used += length + 2;
}

static void put_string(struct text *text, const json_t *value) {
    size_t length = json_string_length(value);
    if (needs_escape(json_string_value(value), length))
        put_as_jansson(text, value);
    else
        put_quoted(text, json_string_value(value), length);
}

static void put_break(struct text *text, unsigned depth) {
    size_t count = 1 + 2 * (size_t)depth;
    char *at = text->indented ? reserve(text, count) : NULL;
    if (!at)
        return;
    memset(at, ' ', count);
    *at = '\n';
    text->used += count;
}

static void put_value(struct text *text, const json_t *value, unsigned depth);

static void put_array(struct text *text, const json_t *array, unsigned depth) {
    size_t count = json_array_size(array);
    put(text, "[", 1);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            put(text, ",", 1);
        put_break(text, depth + 1);
        put_value(text, json_array_get(array, i), depth + 1);
    }
    if (count > 0)
        put_break(text, depth);
    put(text, "]", 1);
}

/* Names are the program's own, and need no escape. */
static void put_object(struct text *text, json_t *object, unsigned depth) {
    put(text, "{", 1);
    for (void *at = json_object_iter(object); at;) {
        const char *name = json_object_iter_key(at);
        put_break(text, depth + 1);
        put_quoted(text, name, strlen(name));
        put(text, ": ", text->indented ? 2 : 1);
        put_value(text, json_object_iter_value(at), depth + 1);
        at = json_object_iter_next(object, at);
        if (at)
            put(text, ",", 1);
    }
    if (json_object_size(object) > 0)
        put_break(text, depth);
    put(text, "}", 1);
}

static void put_value(struct text *text, const json_t *value, unsigned depth) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        put_object(text, (json_t *)value, depth);
        break;
    case JSON_ARRAY:
        put_array(text, value, depth);
        break;
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
    case JSON_NULL:
        put(text, "null", 4);
        break;
    }
}

char *la_print_json(const json_t *value, bool indented, size_t *length) {
    struct text text = {.indented = indented, .bytes = malloc(ROOM_FIRST + SPARE)};
    text.room = text.bytes ? ROOM_FIRST : 0;
    put_value(&text, value, 0);
    if (text.failed || !text.bytes) {
        free(text.bytes);
        return NULL;
    }
    text.bytes[text.used] = '\0';
    *length = text.used;
    return text.bytes;
}
