#include "report/press.h"

#include "report/connection_json.h"
#include "report/connection_notes.h"
#include "report/emit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A block's text, some ten times as long, is still in a core's own cache when it is written. */
enum { BLOCK_SIZE = 1 << 16, BLOCKS_MAX = 16 };

struct block {
    struct press *press;
    char *notes; /* owned; of one connection after the other */
    size_t used, capacity;
    struct la_noted noted;
    struct la_writer *writer; /* owned */
    bool out_of_memory;
    uint64_t round; /* that it was printed in last */
    pthread_t thread;
};

struct press {
    const struct la_lines_how *how;
    const struct la_input *const *inputs;
    size_t input_count;
    int digits;
    struct block blocks[BLOCKS_MAX]; /* the first is printed by whoever adds */
    unsigned most, count;            /* of blocks; those that there are */
    unsigned filling;
    bool failed; /* out of memory */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t round;
    unsigned printing; /* blocks that are not finished in this round */
    bool over;
};

static void print_line(struct block *block, const uint8_t **notes) {
    const struct la_lines_how *how = block->press->how;
    struct la_connection *c = la_noted_read(&block->noted, notes);
    block->out_of_memory = c == NULL;
    if (!c)
        return;
    if (c->attempt_findings && how->took_back &&
        how->took_back(how->context, &c->side[LA_CLIENT].addr, c->first.time_ns))
        c->findings &= ~c->attempt_findings;
    la_write_connection(block->writer, c);
    la_writer_end_line(block->writer);
}

static void print(struct block *block) {
    const uint8_t *notes = (const uint8_t *)block->notes, *end = notes + block->used;
    la_writer_clear(block->writer);
    while (notes < end && !block->out_of_memory)
        print_line(block, &notes);
    block->used = 0;
}

static void *help(void *context) {
    struct block *block = context;
    struct press *press = block->press;
    pthread_mutex_lock(&press->lock);
    while (!press->over) {
        if (block->round == press->round) {
            pthread_cond_wait(&press->changed, &press->lock);
            continue;
        }
        block->round = press->round;
        pthread_mutex_unlock(&press->lock);
        print(block);
        pthread_mutex_lock(&press->lock);
        if (--press->printing == 0)
            pthread_cond_broadcast(&press->changed);
    }
    pthread_mutex_unlock(&press->lock);
    return NULL;
}

/* False when there is no memory, or no thread, for one block more. */
static bool add_block(struct press *press) {
    struct block *block = &press->blocks[press->count];
    block->press = press;
    block->round = press->round;
    block->notes = malloc(BLOCK_SIZE);
    block->capacity = BLOCK_SIZE;
    block->writer = la_writer_new(press->inputs, press->input_count, press->digits);
    bool made = block->notes && block->writer;
    if (made && press->count > 0)
        made = pthread_create(&block->thread, NULL, help, block) == 0;
    if (made) {
        press->count++;
        return true;
    }
    free(block->notes);
    la_writer_free(block->writer);
    return false;
}

struct press *press_new(const struct la_input *const *inputs, size_t input_count,
                        const struct la_lines_how *how) {
    struct press *press = calloc(1, sizeof *press);
    if (!press)
        return NULL;
    pthread_mutex_init(&press->lock, NULL);
    pthread_cond_init(&press->changed, NULL);
    press->how = how;
    press->inputs = inputs;
    press->input_count = input_count;
    press->digits = la_emit_digits(inputs, input_count);
    press->most = how->threads < BLOCKS_MAX ? how->threads : BLOCKS_MAX;
    if (add_block(press))
        return press;
    press_free(press);
    return NULL;
}

void press_free(struct press *press) {
    if (!press)
        return;
    pthread_mutex_lock(&press->lock);
    press->over = true;
    pthread_cond_broadcast(&press->changed);
    pthread_mutex_unlock(&press->lock);
    for (unsigned i = 0; i < press->count; i++) {
        struct block *block = &press->blocks[i];
        if (i > 0)
            pthread_join(block->thread, NULL);
        free(block->notes);
        la_noted_release(&block->noted);
        la_writer_free(block->writer);
    }
    pthread_cond_destroy(&press->changed);
    pthread_mutex_destroy(&press->lock);
    free(press);
}

static void print_all(struct press *press) {
    pthread_mutex_lock(&press->lock);
    press->round++;
    press->printing = press->count - 1;
    pthread_cond_broadcast(&press->changed);
    pthread_mutex_unlock(&press->lock);
    print(&press->blocks[0]);
    pthread_mutex_lock(&press->lock);
    while (press->printing > 0)
        pthread_cond_wait(&press->changed, &press->lock);
    pthread_mutex_unlock(&press->lock);
}

static bool empty(struct press *press) {
    bool taken = true;
    print_all(press);
    for (unsigned i = 0; i < press->count && taken; i++) {
        struct block *block = &press->blocks[i];
        size_t length;
        const char *text = la_writer_text(block->writer, &length);
        press->failed = press->failed || block->out_of_memory || !text;
        taken = !press->failed && la_output_write(press->how->output, text, length);
    }
    press->filling = 0;
    return taken;
}

/* The block being filled is full: on to the next one, or all are printed. */
static bool turn_over(struct press *press) {
    bool more =
        press->filling + 1 < press->most && (press->filling + 1 < press->count || add_block(press));
    if (!more)
        return empty(press);
    press->filling++;
    return true;
}

static bool make_room(struct block *block, size_t length) {
    if (block->used + length <= block->capacity)
        return true;
    char *notes = realloc(block->notes, block->used + length);
    if (!notes)
        return false;
    block->notes = notes;
    block->capacity = block->used + length;
    return true;
}

bool press_add(struct press *press, const char *notes, size_t length) {
    struct block *block = &press->blocks[press->filling];
    if (block->used > 0 && block->used + length > BLOCK_SIZE) {
        if (!turn_over(press))
            return false;
        block = &press->blocks[press->filling];
    }
    if (!make_room(block, length)) {
        press->failed = true;
        return false;
    }
    memcpy(block->notes + block->used, notes, length);
    block->used += length;
    return true;
}

bool press_finish(struct press *press) {
    if (!press->failed)
        (void)empty(press);
    return !press->failed;
}
