/* state.c - objects described by a struct state_desc: their fields read and set, printed, compared.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/state_int.h"

#include <stdlib.h>

void *state_at(const struct state_field *f, const void *obj, size_t i)
{
    return (char *)(uintptr_t)obj + f->offset + i * f->size;
}

size_t state_bytes_len(const struct state_field *f, const void *obj)
{
    size_t len;

    if (f->type == STATE_BYTES)
        return f->size;
    memcpy(&len, (const char *)obj + f->len_offset, sizeof len);
    return len;
}

uint8_t *state_bytes(const struct state_field *f, const void *obj)
{
    uint8_t *p = state_at(f, obj, 0);

    if (f->type == STATE_BUFFER)
        memcpy(&p, state_at(f, obj, 0), sizeof p);
    return p;
}

const struct state_field *state_find(const struct state_desc *d, const char *name)
{
    const struct state_field *f;

    for (f = d->fields; f->name; f++)
        if (!strcmp(f->name, name))
            return f;
    return NULL;
}

uint64_t state_get(const struct state_field *f, const void *obj, size_t i)
{
    const void *p = state_at(f, obj, i);

    switch (f->type) {
    case STATE_U8:
    case STATE_U16:
    case STATE_U32:
    case STATE_U64: return f->flags & STATE_GUEST ? load_n(p, (unsigned)f->size) : number_get(p, f->size);
    case STATE_BOOL: return *(const bool *)p;
    case STATE_VALUE: return f->value->get(p);
    case STATE_STRUCT: return state_get(&f->sub->fields[0], p, 0);
    default: BUG_ON(true);
    }
    return 0;
}

void state_set(const struct state_field *f, void *obj, size_t i, uint64_t v)
{
    void *p = state_at(f, obj, i);

    switch (f->type) {
    case STATE_U8:
    case STATE_U16:
    case STATE_U32:
    case STATE_U64:
        if (f->flags & STATE_GUEST)
            store_n(p, v, (unsigned)f->size);
        else
            number_set(p, v, f->size);
        break;
    case STATE_BOOL: *(bool *)p = v != 0; break;
    case STATE_VALUE: f->value->set(p, v); break;
    case STATE_STRUCT: state_set(&f->sub->fields[0], p, 0, v); break;
    default: BUG_ON(true);
    }
}

unsigned state_width(const struct state_field *f)
{
    switch (f->type) {
    case STATE_U8:
    case STATE_BOOL: return 1;
    case STATE_U16: return 2;
    case STATE_U32: return 4;
    default: return 8;
    }
}

/* --- printing --- */

static void print_bytes(const uint8_t *p, size_t len, FILE *f)
{
    const size_t max = 64;
    size_t i;

    for (i = 0; i < len && i < max; i++)
        fprintf(f, "%s%02x", i ? " " : "", p[i]);
    fprintf(f, "%s (%zu bytes)\n", len > max ? " ..." : "", len);
}

static void sub_prefix(char *to, size_t size, const char *prefix, const struct state_field *f, size_t i)
{
    if (f->count > 1)
        snprintf(to, size, "%s%s[%zu].", prefix, f->name, i);
    else
        snprintf(to, size, "%s%s.", prefix, f->name);
}

static void print_fields(const struct state_desc *d, const void *obj, const char *prefix, FILE *out)
{
    const struct state_field *f;
    size_t i;

    for (f = d->fields; f->name; f++) {
        if (f->type == STATE_STRUCT) {
            for (i = 0; i < f->count; i++) {
                char sub[128];

                sub_prefix(sub, sizeof sub, prefix, f, i);
                print_fields(f->sub, state_at(f, obj, i), sub, out);
            }
            continue;
        }
        fprintf(out, "%s%s = ", prefix, f->name);
        if (f->type == STATE_BYTES || f->type == STATE_BUFFER) {
            print_bytes(state_bytes(f, obj), state_bytes_len(f, obj), out);
        } else if (f->type == STATE_BLOB) {
            struct state_buf b = { 0 };

            f->blob->save(state_at(f, obj, 0), &b);
            print_bytes(b.data, b.len, out);
            state_buf_free(&b);
        } else if (f->type == STATE_VALUE && f->value->none && state_get(f, obj, 0) == f->value->none) {
            fprintf(out, "off\n");
        } else {
            for (i = 0; i < f->count; i++)
                fprintf(out, "%s0x%llx", i ? " " : "", (unsigned long long)state_get(f, obj, i));
            fprintf(out, "\n");
        }
    }
}

void state_print(const struct state_desc *d, const void *obj, FILE *f) { print_fields(d, obj, "", f); }

/* --- comparing --- */

struct comparison {
    const char *a_name, *b_name;
    FILE *out; /* NULL: count only */
    int differences;
};

static void differs(struct comparison *c, const char *prefix, const struct state_field *f, const char *what)
{
    c->differences++;
    if (c->out)
        fprintf(c->out, "  %s%s: %s %s\n", prefix, f->name, c->a_name, what);
}

static bool same_blob(const struct state_field *f, const void *a, const void *b)
{
    struct state_buf x = { 0 }, y = { 0 };
    bool same;

    f->blob->save(state_at(f, a, 0), &x);
    f->blob->save(state_at(f, b, 0), &y);
    same = x.len == y.len && (!x.len || !memcmp(x.data, y.data, x.len));
    state_buf_free(&x);
    state_buf_free(&y);
    return same;
}

static void compare_bytes(struct comparison *c, const char *prefix, const struct state_field *f, const void *a,
                          const void *b)
{
    size_t len = state_bytes_len(f, a);
    const uint8_t *pa = state_bytes(f, a);
    const uint8_t *pb = state_bytes(f, b);
    char text[96];
    size_t i;

    if (len != state_bytes_len(f, b)) {
        differs(c, prefix, f, "and the other have not the same length");
        return;
    }
    if (!len || !memcmp(pa, pb, len))
        return;
    for (i = 0; pa[i] == pb[i]; i++)
        ;
    snprintf(text, sizeof text, "%02x, %s %02x at byte %zu", pa[i], c->b_name, pb[i], i);
    differs(c, prefix, f, text);
}

static void compare_numbers(struct comparison *c, const char *prefix, const struct state_field *f, const void *a,
                            const void *b)
{
    int width = (int)(f->type == STATE_VALUE && f->size && f->size < 8 ? f->size : state_width(f)) * 2;
    size_t i;

    for (i = 0; i < f->count; i++) {
        uint64_t va = state_get(f, a, i);
        uint64_t vb = state_get(f, b, i);
        char text[128], index[40] = "";

        if (va == vb)
            continue;
        if (f->count > 1)
            snprintf(index, sizeof index, "element %zu: ", i);
        snprintf(text, sizeof text, "%s%0*llx, %s %0*llx", index, width, (unsigned long long)va, c->b_name, width,
                 (unsigned long long)vb);
        differs(c, prefix, f, text);
    }
}

static void compare_fields(struct comparison *c, const struct state_field *f, const char *prefix, const void *a,
                           const void *b);

static void compare_field(struct comparison *c, const struct state_field *f, const char *prefix, const void *a,
                          const void *b)
{
    size_t i;

    switch (f->type) {
    case STATE_STRUCT:
        for (i = 0; i < f->count; i++) {
            char sub[128] = "";

            if (c->out) /* it takes longer than the comparison */
                sub_prefix(sub, sizeof sub, prefix, f, i);
            compare_fields(c, f->sub->fields, sub, state_at(f, a, i), state_at(f, b, i));
        }
        break;
    case STATE_BYTES:
    case STATE_BUFFER: compare_bytes(c, prefix, f, a, b); break;
    case STATE_BLOB:
        if (!same_blob(f, a, b))
            differs(c, prefix, f, "differs");
        break;
    default: compare_numbers(c, prefix, f, a, b); break;
    }
}

static void compare_fields(struct comparison *c, const struct state_field *f, const char *prefix, const void *a,
                           const void *b)
{
    for (; f->name; f++)
        if (!(f->flags & STATE_UNCOMPARED))
            compare_field(c, f, prefix, a, b);
}

bool state_field_equal(const struct state_field *f, const void *a, const void *b)
{
    struct comparison c = { "", "", NULL, 0 };

    compare_field(&c, f, "", a, b);
    return !c.differences;
}

int state_compare(const struct state_desc *d, const void *a, const char *a_name, const void *b, const char *b_name,
                  FILE *out)
{
    struct comparison c = { a_name, b_name, out, 0 };

    compare_fields(&c, d->fields, "", a, b);
    return c.differences;
}
