/* Two halves: the calls that write down, and the walk through the notes that makes text of them. */
#include "report/writer.h"

#include "base/time.h"
#include "base/varint.h"
#include "report/emit.h"

#include <stdlib.h>
#include <string.h>

/* What a note begins with. Brackets stand for themselves. */
enum note {
    NOTE_NULL,
    NOTE_FALSE,
    NOTE_TRUE,
    NOTE_NAME,            /* the number of a word */
    NOTE_WORD,            /* likewise */
    NOTE_WORD_OF_ATTEMPT, /* behind a struct attempt */
    NOTE_COUNT,
    NOTE_THOUSANDTHS,
    NOTE_DELAY, /* nanoseconds */
    NOTE_TIME,  /* nanoseconds since the time noted before */
    NOTE_TEXT,  /* length, and as many bytes */
    NOTE_ADDR,  /* 16 bytes */
    NOTE_FILE,  /* the number of an input */
};

enum { ROOM_MIN = 4096, NUMBER_TEXT = 24, NANO_DIGITS = 9, WORDS_MIN = 256 };

struct attempt {
    struct la_addr client;
    int64_t first_ns;
};

struct buffer {
    char *bytes; /* owned */
    size_t used, capacity;
    bool failed; /* what is there is not all */
};

/* Static strings by number, found again by where they lie. */
struct words {
    const char **items;   /* owned */
    uint32_t *slots;      /* owned; 1 + the number of an item, 0: free; a power of two */
    uint32_t count, room; /* of items; slots are twice as many */
};

struct la_writer {
    const struct la_input *const *inputs;
    size_t input_count;
    struct buffer notes, text;
    struct words words;
    int64_t noted_ns; /* the time before; both halves count from 0 at the beginning of a line */
    int64_t second;   /* whose text `prefix` is */
    char prefix[24];
    size_t prefix_length;
};

struct la_writer *la_writer_new(const struct la_input *const *inputs, size_t input_count) {
    struct la_writer *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->inputs = inputs;
    w->input_count = input_count;
    return w;
}

void la_writer_free(struct la_writer *w) {
    if (!w)
        return;
    free(w->notes.bytes);
    free(w->text.bytes);
    free(w->words.items);
    free(w->words.slots);
    free(w);
}

/* Room for `count` more bytes; NULL when out of memory. */
static char *reserve(struct buffer *b, size_t count) {
    if (b->used + count <= b->capacity)
        return b->bytes + b->used;
    size_t capacity = b->capacity > 0 ? b->capacity : ROOM_MIN;
    while (capacity < b->used + count)
        capacity *= 2;
    char *bytes = b->failed ? NULL : realloc(b->bytes, capacity);
    if (!bytes) {
        b->failed = true;
        return NULL;
    }
    b->bytes = bytes;
    b->capacity = capacity;
    return bytes + b->used;
}

static void put(struct buffer *b, const void *bytes, size_t count) {
    char *room = reserve(b, count);
    if (!room)
        return;
    memcpy(room, bytes, count);
    b->used += count;
}

/* Writing down */

void la_writer_clear(struct la_writer *w) {
    w->notes.used = 0;
    w->notes.failed = false;
    w->noted_ns = 0;
}

const char *la_writer_notes(const struct la_writer *w, size_t *length) {
    *length = w->notes.used;
    return w->notes.failed ? NULL : w->notes.bytes;
}

static void note(struct la_writer *w, enum note what) {
    char byte = (char)what;
    put(&w->notes, &byte, 1);
}

static void note_number(struct la_writer *w, enum note what, uint64_t number) {
    uint8_t *room = (uint8_t *)reserve(&w->notes, 1 + LA_VARINT_MAX);
    if (!room)
        return;
    *room = (uint8_t)what;
    w->notes.used += (size_t)(put_unsigned(room + 1, number) - room);
}

static size_t slot_of(const struct words *words, const char *word) {
    size_t mask = 2 * (size_t)words->room - 1;
    size_t slot = (size_t)(((uintptr_t)word * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & mask;
    while (words->slots[slot] != 0 && words->items[words->slots[slot] - 1] != word)
        slot = (slot + 1) & mask;
    return slot;
}

static bool grow_words(struct words *words) {
    uint32_t room = words->room > 0 ? 2 * words->room : WORDS_MIN;
    const char **items = realloc(words->items, room * sizeof *items);
    if (!items)
        return false;
    words->items = items;
    uint32_t *slots = calloc(2 * (size_t)room, sizeof *slots);
    if (!slots)
        return false;
    free(words->slots);
    words->slots = slots;
    words->room = room;
    for (uint32_t i = 0; i < words->count; i++)
        words->slots[slot_of(words, words->items[i])] = i + 1;
    return true;
}

static void note_word(struct la_writer *w, enum note what, const char *word) {
    struct words *words = &w->words;
    if (words->count == words->room && !grow_words(words)) {
        w->notes.failed = true;
        return;
    }
    size_t slot = slot_of(words, word);
    if (words->slots[slot] == 0) {
        words->items[words->count++] = word;
        words->slots[slot] = words->count;
    }
    note_number(w, what, words->slots[slot] - 1);
}

void la_write_open(struct la_writer *w, char bracket) {
    put(&w->notes, &bracket, 1);
}

void la_write_close(struct la_writer *w, char bracket) {
    put(&w->notes, &bracket, 1);
}

void la_write_name(struct la_writer *w, const char *name) {
    note_word(w, NOTE_NAME, name);
}

void la_write_null(struct la_writer *w) {
    note(w, NOTE_NULL);
}

void la_write_bool(struct la_writer *w, bool value) {
    note(w, value ? NOTE_TRUE : NOTE_FALSE);
}

void la_write_count(struct la_writer *w, uint64_t count) {
    note_number(w, NOTE_COUNT, count > INT64_MAX ? INT64_MAX : count);
}

void la_write_thousandths(struct la_writer *w, uint64_t thousandths) {
    note_number(w, NOTE_THOUSANDTHS, thousandths);
}

void la_write_delay(struct la_writer *w, int64_t ns) {
    if (ns < 0)
        note(w, NOTE_NULL);
    else
        note_number(w, NOTE_DELAY, (uint64_t)ns);
}

void la_write_time(struct la_writer *w, int64_t ns) {
    if (ns == LA_TIME_NONE) {
        note(w, NOTE_NULL);
        return;
    }
    uint8_t *room = (uint8_t *)reserve(&w->notes, 1 + LA_VARINT_MAX);
    if (!room)
        return;
    *room = NOTE_TIME;
    /* Modulo 2^64: any two times have a difference. */
    int64_t since = (int64_t)((uint64_t)ns - (uint64_t)w->noted_ns);
    w->notes.used += (size_t)(put_signed(room + 1, since) - room);
    w->noted_ns = ns;
}

void la_write_word(struct la_writer *w, const char *word) {
    if (word)
        note_word(w, NOTE_WORD, word);
    else
        note(w, NOTE_NULL);
}

void la_write_word_of_attempt(struct la_writer *w, const char *word, const struct la_addr *client,
                              int64_t first_ns) {
    const struct attempt attempt = {*client, first_ns};
    note(w, NOTE_WORD_OF_ATTEMPT);
    put(&w->notes, &attempt, sizeof attempt);
    la_write_word(w, word);
}

void la_write_text(struct la_writer *w, const char *text) {
    if (!text) {
        note(w, NOTE_NULL);
        return;
    }
    size_t length = strlen(text);
    note_number(w, NOTE_TEXT, length);
    put(&w->notes, text, length);
}

void la_write_addr(struct la_writer *w, const struct la_addr *addr) {
    note(w, NOTE_ADDR);
    put(&w->notes, addr->bytes, sizeof addr->bytes);
}

void la_write_file(struct la_writer *w, uint16_t input) {
    if (input < w->input_count)
        note_number(w, NOTE_FILE, input);
    else
        note(w, NOTE_NULL);
}

/* Making text. What has a bounded length is written into room that was reserved before. */

static char *print_quoted(char *out, const char *text, size_t length) {
    *out++ = '"';
    memcpy(out, text, length);
    out += length;
    *out++ = '"';
    return out;
}

/* Backwards from `end`, at least `least` digits; returns where they begin. */
static char *print_digits(char *end, uint64_t number, int least) {
    for (; number > 0 || least > 0; least--) {
        *--end = (char)('0' + number % 10);
        number /= 10;
    }
    return end;
}

static char *print_count(char *out, uint64_t count) {
    char text[NUMBER_TEXT], *end = text + sizeof text;
    char *from = print_digits(end, count, 1);
    memcpy(out, from, (size_t)(end - from));
    return out + (end - from);
}

/* A number of units of which `one` are one, without more zeros than JSON needs for a real. */
static char *print_decimal(char *out, uint64_t units, uint64_t one, int places) {
    char text[2 * NUMBER_TEXT], *end = text + sizeof text;
    char *point = print_digits(end, units % one, places) - 1;
    while (end > point + 2 && end[-1] == '0')
        end--;
    *point = '.';
    char *from = print_digits(point, units / one, 1);
    memcpy(out, from, (size_t)(end - from));
    return out + (end - from);
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

static char *print_time(struct la_writer *w, char *out, int64_t ns, int digits) {
    char nanos[NANO_DIGITS];
    bool before = ns % LA_SEC < 0; /* of the epoch */
    int64_t rest = ns % LA_SEC + (before ? LA_SEC : 0);
    find_prefix(w, ns / LA_SEC - before);
    print_digits(nanos + sizeof nanos, (uint64_t)rest, NANO_DIGITS);
    *out++ = '"';
    memcpy(out, w->prefix, w->prefix_length);
    out += w->prefix_length;
    memcpy(out, nanos, (size_t)digits);
    out += digits;
    *out++ = 'Z';
    *out++ = '"';
    return out;
}

static char *print_escaped(char *out, unsigned char c) {
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

static bool is_plain(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            return false;
    }
    return true;
}

/* `length` bytes, without a NUL among them. */
static void print_text(struct la_writer *w, const char *bytes, size_t length) {
    enum { LONGEST_ESCAPE = 6 };
    if (is_plain(bytes, length)) {
        char *room = reserve(&w->text, length + 2);
        if (room)
            w->text.used = (size_t)(print_quoted(room, bytes, length) - w->text.bytes);
        return;
    }
    size_t most = length * LA_EMIT_CLEAN_GROWTH;
    char *out = reserve(&w->text, most * (LONGEST_ESCAPE + 1) + length + 3);
    if (!out)
        return;
    /* Behind the room that the escaped form can take. */
    char *cleaned = out + most * LONGEST_ESCAPE + 2, *copy = cleaned + most;
    memcpy(copy, bytes, length);
    copy[length] = '\0';
    size_t count = la_emit_clean(copy, cleaned);
    *out++ = '"';
    for (size_t i = 0; i < count; i++)
        out = print_escaped(out, (unsigned char)cleaned[i]);
    *out++ = '"';
    w->text.used = (size_t)(out - w->text.bytes);
}

/* A value or a name follows: a comma, unless it is the first. */
static bool wants_comma(const struct buffer *text) {
    char last = text->used > 0 ? text->bytes[text->used - 1] : '[';
    return last != '[' && last != '{' && last != ':';
}

struct reading {
    const uint8_t *at;
    int64_t noted_ns;
    int digits;
};

static uint64_t read_number(struct reading *r) {
    uint64_t number;
    r->at = get_unsigned(r->at, &number);
    return number;
}

static char *print_word(struct la_writer *w, char *out, uint64_t number) {
    const char *word = w->words.items[number];
    return print_quoted(out, word, strlen(word));
}

static char *print_addr(char *out, struct reading *r) {
    struct la_addr addr;
    char text[LA_ADDR_TEXT];
    memcpy(addr.bytes, r->at, sizeof addr.bytes);
    r->at += sizeof addr.bytes;
    la_addr_format(&addr, text);
    return print_quoted(out, text, strlen(text));
}

/* Those of a bounded length. */
static char *print_fixed(struct la_writer *w, char *out, enum note what, struct reading *r) {
    int64_t since;
    switch (what) {
    case NOTE_FALSE:
        memcpy(out, "false", 5);
        return out + 5;
    case NOTE_TRUE:
        memcpy(out, "true", 4);
        return out + 4;
    case NOTE_COUNT:
        return print_count(out, read_number(r));
    case NOTE_THOUSANDTHS:
        return print_decimal(out, read_number(r), 1000, 3);
    case NOTE_DELAY:
        return print_decimal(out, read_number(r), LA_SEC, NANO_DIGITS);
    case NOTE_TIME:
        r->at = get_signed(r->at, &since);
        r->noted_ns = (int64_t)((uint64_t)r->noted_ns + (uint64_t)since);
        return print_time(w, out, r->noted_ns, r->digits);
    case NOTE_ADDR:
        return print_addr(out, r);
    default:
        memcpy(out, "null", 4);
        return out + 4;
    }
}

static void print_note(struct la_writer *w, enum note what, struct reading *r) {
    enum { FIXED_MAX = 64 };
    if (what == NOTE_TEXT) {
        size_t length = read_number(r);
        print_text(w, (const char *)r->at, length);
        r->at += length;
        return;
    }
    if (what == NOTE_FILE) {
        const char *path = w->inputs[read_number(r)]->path;
        print_text(w, path, strlen(path));
        return;
    }
    bool is_word = what == NOTE_NAME || what == NOTE_WORD;
    uint64_t number = is_word ? read_number(r) : 0;
    char *out = reserve(&w->text, is_word ? strlen(w->words.items[number]) + 3 : FIXED_MAX);
    if (!out)
        return;
    out = is_word ? print_word(w, out, number) : print_fixed(w, out, what, r);
    if (what == NOTE_NAME)
        *out++ = ':';
    w->text.used = (size_t)(out - w->text.bytes);
}

/* Whether the word behind the attempt there was taken back; then it is passed over. */
static bool pass_over(struct reading *r, const struct la_writer_print *how) {
    struct attempt attempt;
    memcpy(&attempt, r->at, sizeof attempt);
    r->at += sizeof attempt;
    if (!how->took_back || !how->took_back(how->context, &attempt.client, attempt.first_ns))
        return false;
    r->at++;
    (void)read_number(r);
    return true;
}

const char *la_writer_print(struct la_writer *w, const char *notes, size_t length,
                            const struct la_writer_print *how, size_t *text_length) {
    struct reading r = {.at = (const uint8_t *)notes, .digits = how->digits};
    const uint8_t *end = r.at + length;
    w->text.used = 0;
    w->text.failed = false;
    while (r.at < end && !w->text.failed) {
        uint8_t what = *r.at++;
        if (what == NOTE_WORD_OF_ATTEMPT) {
            if (pass_over(&r, how))
                continue;
            what = *r.at++;
        }
        bool closes = what == '}' || what == ']';
        if (!closes && wants_comma(&w->text))
            put(&w->text, ",", 1);
        if (closes || what == '{' || what == '[')
            put(&w->text, &what, 1);
        else
            print_note(w, (enum note)what, &r);
    }
    put(&w->text, "", 1);
    *text_length = w->text.used - 1;
    return w->text.failed ? NULL : w->text.bytes;
}
