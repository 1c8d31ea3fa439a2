#define _GNU_SOURCE /* memmem */
#include "report/emit.h"

#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

enum { REPLACEMENT_LENGTH = 3 };

void la_emit_put(struct la_emit *emit, json_t *object, const char *name, json_t *taken) {
    if (json_object_set_new_nocheck(object, name, taken) != 0)
        emit->failed = true;
}

void la_emit_add(struct la_emit *emit, json_t *array, json_t *taken) {
    if (json_array_append_new(array, taken) != 0)
        emit->failed = true;
}

void la_emit_item(struct la_emit *emit, const char *name, json_t *taken) {
    if (taken)
        la_text_value(emit->text, name, taken);
    else
        emit->failed = true;
    json_decref(taken);
}

static size_t sequence_length(unsigned char lead) {
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead < 0xe0)
        return 2;
    if (lead >= 0xe0 && lead < 0xf0)
        return 3;
    return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

/* The length of the UTF-8 sequence at `text`, 0 when there is none (RFC 3629: no overlong forms, no
 * surrogates, nothing past U+10FFFF). The terminating NUL is never part of one. */
static size_t valid_sequence(const unsigned char *text) {
    size_t length = sequence_length(text[0]);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    bool is_mark =
        length == LA_EMIT_MARK_LENGTH && memcmp(text, LA_EMIT_MARK, LA_EMIT_MARK_LENGTH) == 0;
    return is_mark ? 0 : length;
}

size_t la_emit_clean(const char *text, char *out) {
    size_t used = 0;
    while (*text) {
        size_t length = valid_sequence((const unsigned char *)text);
        memcpy(out + used, length ? text : REPLACEMENT, length ? length : REPLACEMENT_LENGTH);
        used += length ? length : REPLACEMENT_LENGTH;
        text += length ? length : 1;
    }
    return used;
}

json_t *la_emit_text(const char *text) {
    if (!text)
        return json_null();
    char *copy = malloc(LA_EMIT_CLEAN_GROWTH * strlen(text) + 1);
    if (!copy)
        return NULL;
    json_t *string = json_stringn_nocheck(copy, la_emit_clean(text, copy));
    free(copy);
    return string;
}

json_t *la_emit_count(uint64_t count) {
    return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

json_t *la_emit_time(const struct la_emit *emit, int64_t ns) {
    if (ns == LA_TIME_NONE)
        return json_null();
    bool later = emit->digits == LA_EMIT_DIGITS_LATER;
    char text[LA_TIME_TEXT + LA_EMIT_MARK_LENGTH];
    la_time_format(ns, later ? LA_EMIT_DIGITS_MAX : emit->digits, text);
    if (later)
        strcat(text, LA_EMIT_MARK);
    return json_string_nocheck(text);
}

json_t *la_emit_seconds(int64_t ns) {
    return json_real(la_seconds(ns));
}

json_t *la_emit_delay(int64_t ns) {
    return ns < 0 ? json_null() : la_emit_seconds(ns);
}

json_t *la_emit_addr(const struct la_addr *addr) {
    char text[LA_ADDR_TEXT];
    return json_string_nocheck(la_addr_format(addr, text));
}

json_t *la_emit_endpoint(struct la_emit *emit, const struct la_addr *addr, uint16_t port) {
    json_t *endpoint = json_object();
    la_emit_put(emit, endpoint, "address", la_emit_addr(addr));
    la_emit_put(emit, endpoint, "port", json_integer(port));
    return endpoint;
}

json_t *la_emit_file(const struct la_emit *emit, uint16_t input) {
    return input < emit->input_count ? la_emit_text(emit->inputs[input]->path) : json_null();
}

int la_emit_digits(const struct la_input *const *inputs, size_t count) {
    int digits = LA_EMIT_DIGITS_MIN;
    for (size_t i = 0; i < count; i++) {
        if (inputs[i]->time_digits > digits)
            digits = inputs[i]->time_digits;
    }
    return digits < LA_EMIT_DIGITS_MAX ? digits : LA_EMIT_DIGITS_MAX;
}

char *la_emit_print(const struct la_emit *emit, json_t *taken, bool indented, size_t *length) {
    char *text = taken && !emit->failed ? la_print_json(taken, indented, length) : NULL;
    json_decref(taken);
    return text;
}

size_t la_emit_trim(char *line, size_t length, int digits) {
    /* And the Z, which is written anew. */
    const size_t surplus = (size_t)(LA_EMIT_DIGITS_MAX - digits) + 1;
    const char *from = line, *const end = line + length;
    char *to = line;
    while (from < end) {
        const char *mark = memmem(from, (size_t)(end - from), LA_EMIT_MARK, LA_EMIT_MARK_LENGTH);
        size_t before = (size_t)((mark ? mark - surplus : end) - from);
        memmove(to, from, before);
        to += before;
        if (!mark)
            break;
        *to++ = 'Z';
        from = mark + LA_EMIT_MARK_LENGTH;
    }
    return (size_t)(to - line);
}
