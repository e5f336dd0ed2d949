/* state_stream.c - described state to bytes and back. See state.h.
 *
 * All numbers are little-endian; a text is a byte of length and its bytes.
 *
 *   stream   objects, to the end
 *   object   name | kind's name | u8 flags (STATE_SKIPPABLE) | u32 version | u64 length | fields
 *   field    name | u8 kind | u64 length | data
 *   data     numbers  elements of the kind's number of bytes
 *            bytes    u64 how many | pieces that are not all zero: u64 offset, u32 how many, the bytes
 *            structs  u32 version | u32 how many | for each: u64 length | fields
 *            blob     as its owner writes it
 *
 * Loading goes twice over the same bytes: first everything is checked, and nothing changed; then what is known to
 * be good is set. Nothing of a stream is trusted: each length is compared with what is left before it is used.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/state_int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#define KIND_BYTES     16u
#define KIND_STRUCT    17u
#define KIND_BLOB      18u
#define KIND_SKIPPABLE 0x80u
#define PIECE          4096u /* bytes that are looked at together whether they are zero */

/* --- the buffer --- */

static bool buf_room(struct state_buf *b, size_t len)
{
    size_t cap = b->cap ? b->cap : 1024;
    uint8_t *p;

    if (b->failed)
        return false;
    if (len <= b->cap - b->len)
        return true;
    while (cap - b->len < len)
        cap += cap / 2 + len;
    p = realloc(b->data, cap);
    if (!p) {
        b->failed = true;
        return false;
    }
    b->data = p;
    b->cap = cap;
    return true;
}

void state_buf_put(struct state_buf *b, const void *data, size_t len)
{
    if (!len || !buf_room(b, len))
        return;
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

static void put_n(struct state_buf *b, uint64_t v, unsigned size)
{
    uint8_t bytes[8];

    store64(bytes, v);
    state_buf_put(b, bytes, size);
}

void state_buf_put32(struct state_buf *b, uint32_t v) { put_n(b, v, 4); }

void state_buf_put64(struct state_buf *b, uint64_t v) { put_n(b, v, 8); }

static void put_text(struct state_buf *b, const char *text)
{
    size_t len = strlen(text);

    BUG_ON(len > 255);
    put_n(b, len, 1);
    state_buf_put(b, text, len);
}

/* A length that is not known yet; end_length fills it in. */
static size_t begin_length(struct state_buf *b)
{
    size_t at = b->len;

    state_buf_put64(b, 0);
    return at;
}

static void end_length(struct state_buf *b, size_t at)
{
    if (!b->failed)
        store64(b->data + at, b->len - at - 8);
}

void state_buf_free(struct state_buf *b)
{
    free(b->data);
    *b = (struct state_buf){ 0 };
}

/* --- saving --- */

static uint8_t kind_of(const struct state_field *f)
{
    switch (f->type) {
    case STATE_BYTES:
    case STATE_BUFFER: return KIND_BYTES;
    case STATE_STRUCT: return KIND_STRUCT;
    case STATE_BLOB: return KIND_BLOB;
    default: return (uint8_t)state_width(f);
    }
}

static bool all_zero(const uint8_t *p, size_t len) { return !len || (!p[0] && !memcmp(p, p + 1, len - 1)); }

static void save_bytes(const struct state_field *f, const void *obj, struct state_buf *out)
{
    const uint8_t *p = state_bytes(f, obj);
    size_t len = state_bytes_len(f, obj);
    size_t at, n;

    state_buf_put64(out, len);
    for (at = 0; at < len; at += n) {
        if (f->data_at)
            at = f->data_at(obj, at) & ~(size_t)(PIECE - 1);
        if (at >= len)
            break;
        n = len - at < PIECE ? len - at : PIECE;
        if (all_zero(p + at, n))
            continue;
        state_buf_put64(out, at);
        state_buf_put32(out, (uint32_t)n);
        state_buf_put(out, p + at, n);
    }
}

static void save_fields(const struct state_desc *d, const void *obj, struct state_buf *out)
{
    const struct state_field *f;

    for (f = d->fields; f->name; f++) {
        size_t at, body, i;

        put_text(out, f->name);
        put_n(out, kind_of(f) | (f->flags & STATE_SKIPPABLE ? KIND_SKIPPABLE : 0), 1);
        at = begin_length(out);
        switch (f->type) {
        case STATE_BYTES:
        case STATE_BUFFER: save_bytes(f, obj, out); break;
        case STATE_BLOB: f->blob->save(state_at(f, obj, 0), out); break;
        case STATE_STRUCT:
            state_buf_put32(out, f->sub->version);
            state_buf_put32(out, (uint32_t)f->count);
            for (i = 0; i < f->count; i++) {
                body = begin_length(out);
                save_fields(f->sub, state_at(f, obj, i), out);
                end_length(out, body);
            }
            break;
        default:
            for (i = 0; i < f->count; i++)
                put_n(out, state_get(f, obj, i), state_width(f));
        }
        end_length(out, at);
    }
}

int state_save_all(const struct state_object *list, size_t n, struct state_buf *out)
{
    size_t i, at;

    for (i = 0; i < n; i++) {
        put_text(out, list[i].name);
        put_text(out, list[i].desc->name);
        put_n(out, list[i].desc->flags & STATE_SKIPPABLE, 1);
        state_buf_put32(out, list[i].desc->version);
        at = begin_length(out);
        save_fields(list[i].desc, list[i].obj, out);
        end_length(out, at);
    }
    return out->failed ? -ENOMEM : 0;
}

int state_save(const struct state_desc *d, const void *obj, struct state_buf *out)
{
    const struct state_object one = { d->name, d, (void *)(uintptr_t)obj };

    return state_save_all(&one, 1, out);
}

/* --- taking a stream apart --- */

struct reader {
    const uint8_t *p;
    size_t left;
};

static bool take(struct reader *r, size_t n, const uint8_t **data)
{
    if (n > r->left)
        return false;
    *data = r->p;
    r->p += n;
    r->left -= n;
    return true;
}

static bool take_n(struct reader *r, unsigned size, uint64_t *v)
{
    const uint8_t *p;

    if (!take(r, size, &p))
        return false;
    *v = load_n(p, size);
    return true;
}

/* A piece of as many bytes as the number before it says. */
static bool take_part(struct reader *r, unsigned size, struct reader *part)
{
    uint64_t n;

    if (!take_n(r, size, &n) || n > r->left)
        return false;
    part->left = (size_t)n;
    return take(r, part->left, &part->p);
}

static bool is(const struct reader *text, const char *name)
{
    return text->left == strlen(name) && !memcmp(text->p, name, text->left);
}

struct saved_field {
    struct reader name, data;
    uint8_t kind;
    bool skippable;
};

static bool take_field(struct reader *r, struct saved_field *s)
{
    uint64_t kind;

    if (!take_part(r, 1, &s->name) || !take_n(r, 1, &kind) || !take_part(r, 8, &s->data))
        return false;
    s->kind = kind & 0x7f;
    s->skippable = kind & KIND_SKIPPABLE;
    return true;
}

/* The field of that name in `fields`, which take_field has gone through. As a rule it comes next: `*next`. */
static bool find_field(const struct reader *fields, struct reader *next, const char *name, struct saved_field *s)
{
    const struct reader stop = *next;

    while (next->left) {
        take_field(next, s);
        if (is(&s->name, name))
            return true;
    }
    for (*next = *fields; next->left > stop.left;) {
        take_field(next, s);
        if (is(&s->name, name))
            return true;
    }
    return false;
}

struct saved_object {
    struct reader name, kind, fields;
    bool skippable;
    uint32_t version;
};

static bool take_object(struct reader *r, struct saved_object *s)
{
    uint64_t flags, version;

    if (!take_part(r, 1, &s->name) || !take_part(r, 1, &s->kind) || !take_n(r, 1, &flags) || !take_n(r, 4, &version) ||
        !take_part(r, 8, &s->fields))
        return false;
    s->skippable = flags & STATE_SKIPPABLE;
    s->version = (uint32_t)version;
    return true;
}

static bool find_object(const struct reader *all, const char *name, struct saved_object *s)
{
    struct reader r = *all;

    while (r.left) {
        take_object(&r, s);
        if (is(&s->name, name))
            return true;
    }
    return false;
}

/* --- first: is all of it good? --- */

struct check {
    struct state_report *report;
    const char *object;
};

static bool refuse(const struct check *c, const char *fmt, ...) printf_fn(2, 3);

static bool refuse(const struct check *c, const char *fmt, ...)
{
    struct state_report *r = c->report;
    va_list ap;
    int n = snprintf(r->error, sizeof r->error, "saved state of %s: ", c->object);

    va_start(ap, fmt);
    if (n >= 0 && (size_t)n < sizeof r->error)
        vsnprintf(r->error + n, sizeof r->error - (size_t)n, fmt, ap);
    va_end(ap);
    return false;
}

static void warn(const struct check *c, const char *fmt, ...) printf_fn(2, 3);

static void warn(const struct check *c, const char *fmt, ...)
{
    struct state_report *r = c->report;
    va_list ap;
    int n;

    if (r->warnings++)
        return;
    n = snprintf(r->warning, sizeof r->warning, "saved state of %s: ", c->object);
    va_start(ap, fmt);
    if (n >= 0 && (size_t)n < sizeof r->warning)
        vsnprintf(r->warning + n, sizeof r->warning - (size_t)n, fmt, ap);
    va_end(ap);
}

#define TEXT(r) (int)(r)->left, (const char *)(r)->p

static bool check_fields(const struct check *c, const struct state_desc *d, const void *obj, uint32_t version,
                         const struct reader *fields);

static bool check_numbers(const struct check *c, const struct state_field *f, const void *obj,
                          const struct reader *data)
{
    unsigned width = state_width(f);
    size_t i;

    if (data->left != f->count * width)
        return refuse(c, "'%s' has %zu bytes, not %zu", f->name, data->left, f->count * width);
    for (i = 0; i < f->count; i++) {
        uint64_t v = load_n(data->p + i * width, width);

        if (v > (f->type == STATE_BOOL ? 1 : f->max ? f->max : UINT64_MAX))
            return refuse(c, "'%s' has a value that cannot be: 0x%llx", f->name, (unsigned long long)v);
        if ((f->flags & STATE_MATCH) && v != state_get(f, obj, i))
            return refuse(c, "its %s is %llu, here it is %llu", f->name, (unsigned long long)v,
                          (unsigned long long)state_get(f, obj, i));
    }
    return true;
}

/* The next piece of bytes. */
static bool take_piece(struct reader *data, uint64_t len, uint64_t *at, struct reader *piece)
{
    return take_n(data, 8, at) && take_part(data, 4, piece) && *at <= len && piece->left <= len - *at;
}

static bool check_bytes(const struct check *c, const struct state_field *f, const void *obj, struct reader data)
{
    size_t len = state_bytes_len(f, obj);
    struct reader piece;
    uint64_t n, at;

    if (!take_n(&data, 8, &n))
        return refuse(c, "'%s' is cut short", f->name);
    if (n != len)
        return refuse(c, "'%s' has %llu bytes, here it has %zu", f->name, (unsigned long long)n, len);
    piece = (struct reader){ NULL, 0 };
    while (data.left)
        if (!take_piece(&data, len, &at, &piece))
            return refuse(c, "'%s' is damaged", f->name);
    if (f->flags & STATE_MATCH && len <= PIECE) { /* a text: one piece */
        const char *here = (const char *)state_bytes(f, obj);
        size_t used = strnlen((const char *)piece.p, piece.left);

        if (used != strnlen(here, len) || memcmp(piece.p, here, used))
            return refuse(c, "its %s is '%.*s', here it is '%.*s'", f->name, (int)used, (const char *)piece.p, (int)len,
                          here);
    }
    return true;
}

static bool check_structs(const struct check *c, const struct state_field *f, const void *obj, struct reader data)
{
    uint64_t version, count;
    struct reader fields;
    size_t i;

    if (!take_n(&data, 4, &version) || !take_n(&data, 4, &count))
        return refuse(c, "'%s' is cut short", f->name);
    if (version > f->sub->version)
        warn(c, "'%s' is of a later version", f->name);
    if (count != f->count)
        return refuse(c, "there are %llu '%s', here %zu", (unsigned long long)count, f->name, f->count);
    for (i = 0; i < f->count; i++) {
        if (!take_part(&data, 8, &fields))
            return refuse(c, "'%s' is cut short", f->name);
        if (!check_fields(c, f->sub, state_at(f, obj, i), (uint32_t)version, &fields))
            return false;
    }
    return !data.left || refuse(c, "'%s' is too long", f->name);
}

static bool check_field(const struct check *c, const struct state_field *f, const void *obj,
                        const struct saved_field *s)
{
    const char *wrong;

    if (s->kind != kind_of(f))
        return refuse(c, "'%s' is of another type", f->name);
    switch (f->type) {
    case STATE_BYTES:
    case STATE_BUFFER: return check_bytes(c, f, obj, s->data);
    case STATE_STRUCT: return check_structs(c, f, obj, s->data);
    case STATE_BLOB:
        wrong = f->blob->check(state_at(f, obj, 0), s->data.p, s->data.left);
        return !wrong || refuse(c, "%s", wrong);
    default: return check_numbers(c, f, obj, &s->data);
    }
}

static bool is_gone(const struct state_desc *d, const struct reader *name)
{
    const char *const *g;

    for (g = d->gone; g && *g; g++)
        if (is(name, *g))
            return true;
    return false;
}

static bool check_fields(const struct check *c, const struct state_desc *d, const void *obj, uint32_t version,
                         const struct reader *fields)
{
    struct reader r = *fields;
    struct saved_field s;
    const struct state_field *f;

    while (r.left) {
        if (!take_field(&r, &s))
            return refuse(c, "it is cut short");
        for (f = d->fields; f->name && !is(&s.name, f->name); f++)
            ;
        if (f->name || is_gone(d, &s.name))
            continue;
        if (!s.skippable)
            return refuse(c, "'%.*s' is not known here: it was saved by a later version", TEXT(&s.name));
        warn(c, "'%.*s' is not known here, and left out", TEXT(&s.name));
    }
    r = *fields;
    for (f = d->fields; f->name; f++) {
        if (find_field(fields, &r, f->name, &s)) {
            if (!check_field(c, f, obj, &s))
                return false;
        } else if (f->flags & STATE_SKIPPABLE) {
            warn(c, "'%s' is not in it", f->name);
        } else if (version >= f->since) {
            return refuse(c, "'%s' is not in it", f->name);
        }
    }
    return true;
}

static bool check_object(const struct check *c, const struct state_object *o, const struct saved_object *s)
{
    if (!is(&s->kind, o->desc->name))
        return refuse(c, "it is a %.*s, here a %s", TEXT(&s->kind), o->desc->name);
    if (s->version > o->desc->version)
        warn(c, "it is of a later version");
    return check_fields(c, o->desc, o->obj, s->version, &s->fields);
}

static bool check_all(const struct state_object *list, size_t n, const struct reader *all, struct state_report *report)
{
    struct check c = { report, "the machine" };
    struct reader r = *all;
    struct saved_object s;
    size_t i;

    while (r.left) {
        if (!take_object(&r, &s))
            return refuse(&c, "it is cut short");
        for (i = 0; i < n && !is(&s.name, list[i].name); i++)
            ;
        if (i < n)
            continue;
        if (!s.skippable)
            return refuse(&c, "it has a device that this one lacks: '%.*s'", TEXT(&s.name));
        warn(&c, "'%.*s' is not known here, and left out", TEXT(&s.name));
    }
    for (i = 0; i < n; i++) {
        c.object = list[i].name;
        if (find_object(all, list[i].name, &s)) {
            if (!check_object(&c, &list[i], &s))
                return false;
        } else if (list[i].desc->flags & STATE_SKIPPABLE) {
            warn(&c, "there is none");
        } else {
            return refuse(&c, "there is none, but this machine has it");
        }
    }
    return true;
}

/* --- then: set it --- */

static void apply_fields(const struct state_desc *d, void *obj, const struct reader *fields);

/* What the stream does not have. */
static void set_default(const struct state_field *f, void *obj)
{
    const struct reader nothing = { NULL, 0 };
    size_t i;

    switch (f->type) {
    case STATE_BYTES:
    case STATE_BUFFER: memset(state_bytes(f, obj), (int)f->def, state_bytes_len(f, obj)); break;
    case STATE_BLOB: f->blob->load(state_at(f, obj, 0), NULL, 0); break;
    case STATE_STRUCT:
        for (i = 0; i < f->count; i++)
            apply_fields(f->sub, state_at(f, obj, i), &nothing);
        break;
    default:
        for (i = 0; i < f->count; i++)
            state_set(f, obj, i, f->def);
    }
}

static void apply_bytes(const struct state_field *f, void *obj, struct reader data)
{
    uint8_t *to = state_bytes(f, obj);
    struct reader piece;
    uint64_t len = 0, at;

    take_n(&data, 8, &len);
    if (len && !(f->flags & STATE_CLEARED))
        memset(to, 0, (size_t)len);
    while (data.left && take_piece(&data, len, &at, &piece))
        memcpy(to + at, piece.p, piece.left);
}

static void apply_field(const struct state_field *f, void *obj, struct saved_field *s)
{
    struct reader fields;
    uint64_t v;
    size_t i;

    switch (f->type) {
    case STATE_BYTES:
    case STATE_BUFFER: apply_bytes(f, obj, s->data); break;
    case STATE_BLOB: f->blob->load(state_at(f, obj, 0), s->data.p, s->data.left); break;
    case STATE_STRUCT:
        take_n(&s->data, 8, &v); /* version and number */
        for (i = 0; i < f->count; i++) {
            take_part(&s->data, 8, &fields);
            apply_fields(f->sub, state_at(f, obj, i), &fields);
        }
        break;
    default:
        for (i = 0; i < f->count; i++)
            state_set(f, obj, i, load_n(s->data.p + i * state_width(f), state_width(f)));
    }
}

static void apply_fields(const struct state_desc *d, void *obj, const struct reader *fields)
{
    struct reader r = *fields;
    const struct state_field *f;
    struct saved_field s;

    if (d->pre_load)
        d->pre_load(obj);
    for (f = d->fields; f->name; f++) {
        if (f->flags & STATE_MATCH)
            continue;
        if (find_field(fields, &r, f->name, &s))
            apply_field(f, obj, &s);
        else
            set_default(f, obj);
    }
}

static void post_load(const struct state_desc *d, void *obj)
{
    const struct state_field *f;
    size_t i;

    for (f = d->fields; f->name; f++)
        for (i = 0; f->type == STATE_STRUCT && i < f->count; i++)
            post_load(f->sub, state_at(f, obj, i));
    if (d->post_load)
        d->post_load(obj);
}

int state_load_all(const struct state_object *list, size_t n, const uint8_t *data, size_t len, struct state_report *r)
{
    const struct reader all = { data, len };
    const struct reader nothing = { NULL, 0 };
    struct saved_object s;
    size_t i;

    *r = (struct state_report){ 0 };
    if (!check_all(list, n, &all, r))
        return -EINVAL;
    for (i = 0; i < n; i++)
        apply_fields(list[i].desc, list[i].obj, find_object(&all, list[i].name, &s) ? &s.fields : &nothing);
    for (i = 0; i < n; i++)
        post_load(list[i].desc, list[i].obj);
    return 0;
}

int state_load(const struct state_desc *d, void *obj, const uint8_t *data, size_t len, struct state_report *r)
{
    const struct state_object one = { d->name, d, obj };

    return state_load_all(&one, 1, data, len, r);
}

/* --- two streams --- */

static bool same(const struct reader *a, const struct reader *b)
{
    return a->left == b->left && (!a->left || !memcmp(a->p, b->p, a->left));
}

static size_t first_other(const struct reader *a, const struct reader *b)
{
    size_t at = 0;

    while (at < a->left && at < b->left && a->p[at] == b->p[at])
        at++;
    return at;
}

/* Of bytes in pieces: where the first other byte is among all. */
static uint64_t first_other_byte(struct reader a, struct reader b)
{
    struct reader x, y;
    uint64_t n, at, to;

    if (!take_n(&a, 8, &n) || !take_n(&b, 8, &n))
        return 0;
    for (;;) {
        if (!take_piece(&a, n, &at, &x))
            return take_piece(&b, n, &to, &y) ? to : n;
        if (!take_piece(&b, n, &to, &y))
            return at;
        if (at != to || x.left != y.left)
            return at < to ? at : to;
        if (!same(&x, &y))
            return at + first_other(&x, &y);
    }
}

static int diff_fields(const struct reader *object, struct reader a, struct reader b, FILE *out)
{
    struct saved_field x, y;
    int n = 0;

    while (a.left && b.left) {
        uint64_t at;

        if (!take_field(&a, &x) || !take_field(&b, &y) || !same(&x.name, &y.name))
            return -1;
        if (same(&x.data, &y.data))
            continue;
        if (x.kind == KIND_BYTES && y.kind == KIND_BYTES)
            at = first_other_byte(x.data, y.data);
        else
            at = first_other(&x.data, &y.data);
        fprintf(out, "  %.*s.%.*s differs at byte %llx\n", TEXT(object), TEXT(&x.name), (unsigned long long)at);
        n++;
    }
    return a.left || b.left ? -1 : n;
}

int state_stream_diff(const struct state_buf *a, const struct state_buf *b, FILE *out)
{
    struct reader x = { a->data, a->len }, y = { b->data, b->len };
    struct saved_object s, t;
    int differ = 0;

    while (x.left && y.left) {
        int n;

        if (!take_object(&x, &s) || !take_object(&y, &t) || !same(&s.name, &t.name))
            return -1;
        n = diff_fields(&s.name, s.fields, t.fields, out);
        if (n < 0)
            return -1;
        differ += n;
    }
    return x.left || y.left ? -1 : differ;
}
