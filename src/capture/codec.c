/* Five decompression libraries made alike.
 *
 * Each step works on what it is given and says whether a member ended. No library may take memory
 * without a bound because a file asks for it: zlib, bzip2 and lz4 cannot, zstd refuses windows past
 * 128 MiB by itself, and liblzma is told its limit here. */
#include "capture/codec.h"

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

/* The libraries count in unsigned int; no buffer of ours comes near this. */
enum { STEP_MAX = 1 << 30 };

/* xz -9 needs 65 MiB to decompress; `xz --lzma2=dict=...` can ask for 4 GiB. */
#define LZMA_MEMORY_LIMIT (UINT64_C(512) << 20)

static unsigned step_size(size_t n) {
    return n > STEP_MAX ? (unsigned)STEP_MAX : (unsigned)n;
}

static void advance(struct la_codec_io *io, size_t consumed, size_t produced) {
    io->in += consumed;
    io->in_len -= consumed;
    io->out += produced;
    io->out_len -= produced;
}

static enum la_codec_result damaged(struct la_codec_io *io, const char *why) {
    io->why = why;
    return LA_CODEC_DAMAGED;
}

/* gzip */

static void *gzip_open(void) {
    z_stream *z = calloc(1, sizeof *z);
    /* 15: the largest window; 16: a gzip header, and nothing else, is expected. */
    if (z && inflateInit2(z, 15 + 16) != Z_OK) {
        free(z);
        z = NULL;
    }
    return z;
}

static bool gzip_restart(void *state) {
    return inflateReset(state) == Z_OK;
}

static enum la_codec_result gzip_step(void *state, struct la_codec_io *io) {
    z_stream *z = state;
    unsigned in = step_size(io->in_len), out = step_size(io->out_len);
    z->next_in = (z_const Bytef *)io->in;
    z->avail_in = in;
    z->next_out = io->out;
    z->avail_out = out;
    int ret = inflate(z, Z_NO_FLUSH);
    advance(io, in - z->avail_in, out - z->avail_out);
    switch (ret) {
    case Z_OK:
    case Z_BUF_ERROR:
        return LA_CODEC_MORE;
    case Z_STREAM_END:
        return LA_CODEC_MEMBER_END;
    case Z_MEM_ERROR:
        return LA_CODEC_NOMEM;
    default:
        return damaged(io, z->msg ? z->msg : zError(ret));
    }
}

static void gzip_close(void *state) {
    inflateEnd(state);
    free(state);
}

/* bzip2 */

static void *bzip2_open(void) {
    bz_stream *bz = calloc(1, sizeof *bz);
    if (bz && BZ2_bzDecompressInit(bz, 0, 0) != BZ_OK) {
        free(bz);
        bz = NULL;
    }
    return bz;
}

static bool bzip2_restart(void *state) {
    bz_stream *bz = state;
    BZ2_bzDecompressEnd(bz);
    memset(bz, 0, sizeof *bz);
    return BZ2_bzDecompressInit(bz, 0, 0) == BZ_OK;
}

static enum la_codec_result bzip2_step(void *state, struct la_codec_io *io) {
    bz_stream *bz = state;
    unsigned in = step_size(io->in_len), out = step_size(io->out_len);
    /* The library's interface forgets const; it does not write to its input. */
    bz->next_in = (char *)(uintptr_t)io->in;
    bz->avail_in = in;
    bz->next_out = (char *)io->out;
    bz->avail_out = out;
    int ret = BZ2_bzDecompress(bz);
    advance(io, in - bz->avail_in, out - bz->avail_out);
    switch (ret) {
    case BZ_OK:
        return LA_CODEC_MORE;
    case BZ_STREAM_END:
        return LA_CODEC_MEMBER_END;
    case BZ_MEM_ERROR:
        return LA_CODEC_NOMEM;
    case BZ_DATA_ERROR_MAGIC:
        return damaged(io, "not the beginning of bzip2 data");
    default:
        return damaged(io, "data integrity error");
    }
}

static void bzip2_close(void *state) {
    BZ2_bzDecompressEnd(state);
    free(state);
}

/* xz */

static bool xz_restart(void *state) {
    return lzma_stream_decoder(state, LZMA_MEMORY_LIMIT, 0) == LZMA_OK;
}

static void *xz_open(void) {
    lzma_stream *xz = malloc(sizeof *xz);
    if (!xz)
        return NULL;
    *xz = (lzma_stream)LZMA_STREAM_INIT;
    if (!xz_restart(xz)) {
        free(xz);
        xz = NULL;
    }
    return xz;
}

static enum la_codec_result xz_step(void *state, struct la_codec_io *io) {
    lzma_stream *xz = state;
    xz->next_in = io->in;
    xz->avail_in = io->in_len;
    xz->next_out = io->out;
    xz->avail_out = io->out_len;
    lzma_ret ret = lzma_code(xz, LZMA_RUN);
    advance(io, io->in_len - xz->avail_in, io->out_len - xz->avail_out);
    switch (ret) {
    case LZMA_OK:
    case LZMA_BUF_ERROR:
        return LA_CODEC_MORE;
    case LZMA_STREAM_END:
        return LA_CODEC_MEMBER_END;
    case LZMA_MEM_ERROR:
        return LA_CODEC_NOMEM;
    case LZMA_MEMLIMIT_ERROR:
        return damaged(io, "wants more than 512 MiB of memory to be decompressed");
    case LZMA_FORMAT_ERROR:
        return damaged(io, "not the beginning of xz data");
    case LZMA_OPTIONS_ERROR:
        return damaged(io, "unsupported options");
    default:
        return damaged(io, "data integrity error");
    }
}

static void xz_close(void *state) {
    lzma_end(state);
    free(state);
}

/* zstd */

static void *zstd_open(void) {
    return ZSTD_createDCtx();
}

static bool zstd_restart(void *state) {
    return !ZSTD_isError(ZSTD_DCtx_reset(state, ZSTD_reset_session_only));
}

static enum la_codec_result zstd_step(void *state, struct la_codec_io *io) {
    ZSTD_inBuffer in = {io->in, io->in_len, 0};
    ZSTD_outBuffer out = {io->out, io->out_len, 0};
    size_t ret = ZSTD_decompressStream(state, &out, &in);
    advance(io, in.pos, out.pos);
    if (ZSTD_isError(ret))
        return damaged(io, ZSTD_getErrorName(ret));
    return ret == 0 ? LA_CODEC_MEMBER_END : LA_CODEC_MORE;
}

static void zstd_close(void *state) {
    ZSTD_freeDCtx(state);
}

/* lz4 */

static void *lz4_open(void) {
    LZ4F_dctx *dctx = NULL;
    return LZ4F_isError(LZ4F_createDecompressionContext(&dctx, LZ4F_VERSION)) ? NULL : dctx;
}

static bool lz4_restart(void *state) {
    LZ4F_resetDecompressionContext(state);
    return true;
}

static enum la_codec_result lz4_step(void *state, struct la_codec_io *io) {
    size_t in = io->in_len, out = io->out_len;
    size_t ret = LZ4F_decompress(state, io->out, &out, io->in, &in, NULL);
    if (LZ4F_isError(ret))
        return damaged(io, LZ4F_getErrorName(ret));
    advance(io, in, out);
    return ret == 0 ? LA_CODEC_MEMBER_END : LA_CODEC_MORE;
}

static void lz4_close(void *state) {
    LZ4F_freeDecompressionContext(state);
}

static const struct la_codec gzip_codec = {
    LA_COMPRESSION_GZIP, "gzip", gzip_open, gzip_restart, gzip_step, gzip_close,
};
static const struct la_codec zstd_codec = {
    LA_COMPRESSION_ZSTD, "zstd", zstd_open, zstd_restart, zstd_step, zstd_close,
};
static const struct la_codec xz_codec = {
    LA_COMPRESSION_XZ, "xz", xz_open, xz_restart, xz_step, xz_close,
};
static const struct la_codec lz4_codec = {
    LA_COMPRESSION_LZ4, "lz4", lz4_open, lz4_restart, lz4_step, lz4_close,
};
static const struct la_codec bzip2_codec = {
    LA_COMPRESSION_BZIP2, "bzip2", bzip2_open, bzip2_restart, bzip2_step, bzip2_close,
};

/* pzstd begins its files with a skippable frame; lz4 has the same ones, but no tool that writes
 * one first. */
static const struct {
    const struct la_codec *codec;
    size_t len;
    uint8_t magic[LA_CODEC_MAGIC_MAX];
} magics[] = {
    {&gzip_codec, 2, {0x1f, 0x8b}},
    {&zstd_codec, 4, {0x28, 0xb5, 0x2f, 0xfd}},
    {&zstd_codec, 4, {0x50, 0x2a, 0x4d, 0x18}},
    {&xz_codec, 6, {0xfd, '7', 'z', 'X', 'Z', 0x00}},
    {&lz4_codec, 4, {0x04, 0x22, 0x4d, 0x18}},
    {&bzip2_codec, 3, {'B', 'Z', 'h'}},
};

const struct la_codec *la_codec_recognise(const uint8_t *head, size_t len) {
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++)
        if (len >= magics[i].len && memcmp(head, magics[i].magic, magics[i].len) == 0)
            return magics[i].codec;
    return NULL;
}

const char *la_compression_name(enum la_compression compression) {
    switch (compression) {
    case LA_COMPRESSION_GZIP:
        return gzip_codec.name;
    case LA_COMPRESSION_ZSTD:
        return zstd_codec.name;
    case LA_COMPRESSION_XZ:
        return xz_codec.name;
    case LA_COMPRESSION_LZ4:
        return lz4_codec.name;
    case LA_COMPRESSION_BZIP2:
        return bzip2_codec.name;
    case LA_COMPRESSION_NONE:
        break;
    }
    return "none";
}
