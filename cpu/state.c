/* state.c - save, load, print and compare objects described by a struct state_desc.
 *
 * Serialised form of an object: u8 name length, name, u32 version, u32 bytes that follow, then
 * the fields in order, each element at its natural size; a nested struct is only its fields, a
 * buffer is a u32 length and its bytes. The form has no padding and names no host address.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/state.h"

#include <errno.h>
#include <stdlib.h>

void state_buf_put(struct state_buf *b, const void *data, size_t len)
{
    if (b->failed)
        return;
    if (len > b->cap - b->len) {
        size_t cap = b->cap ? b->cap : 1024;
        while (cap - b->len < len)
            cap *= 2;
        uint8_t *p = realloc(b->data, cap);
        if (!p) {
            b->failed = true;
            return;
        }
        b->data = p;
        b->cap = cap;
    }
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
}

void state_buf_free(struct state_buf *b)
{
    free(b->data);
    *b = (struct state_buf){ 0 };
}

static const void *field_at(const struct state_field *f, const void *obj, size_t i)
{
    return (const char *)obj + f->offset + i * f->size;
}

static size_t buffer_len(const struct state_field *f, const void *obj)
{
    size_t len;
    memcpy(&len, (const char *)obj + f->len_offset, sizeof len);
    return len;
}

static uint8_t *buffer_ptr(const struct state_field *f, const void *obj)
{
    uint8_t *p;
    memcpy(&p, (const char *)obj + f->offset, sizeof p);
    return p;
}

/* Bytes the fields of `obj` take when serialised. */
static size_t fields_size(const struct state_desc *d, const void *obj)
{
    size_t n = 0;
    for (const struct state_field *f = d->fields; f->name; f++) {
        switch (f->type) {
        case STATE_BUFFER: n += 4 + buffer_len(f, obj); break;
        case STATE_VALUE: n += 8; break;
        case STATE_STRUCT:
            for (size_t i = 0; i < f->count; i++)
                n += fields_size(f->sub, field_at(f, obj, i));
            break;
        case STATE_BOOL: n += f->count; break;
        default: n += f->size * f->count; break;
        }
    }
    return n;
}

static void put_number(struct state_buf *out, uint64_t v, size_t size)
{
    uint8_t bytes[8];
    store_n(bytes, v, (unsigned)size);
    state_buf_put(out, bytes, size);
}

static void save_fields(const struct state_desc *d, const void *obj, struct state_buf *out)
{
    for (const struct state_field *f = d->fields; f->name; f++) {
        if (f->type == STATE_BUFFER) {
            uint32_t len = (uint32_t)buffer_len(f, obj);
            put_number(out, len, 4);
            state_buf_put(out, buffer_ptr(f, obj), len);
            continue;
        }
        for (size_t i = 0; i < f->count; i++) {
            const void *p = field_at(f, obj, i);
            if (f->type == STATE_STRUCT) {
                save_fields(f->sub, p, out);
            } else if (f->type == STATE_VALUE) {
                put_number(out, f->value->get(p), 8);
            } else if (f->type == STATE_BOOL) {
                put_number(out, *(const bool *)p, 1);
            } else if (f->type == STATE_BYTES) {
                state_buf_put(out, p, f->size);
            } else {
                put_number(out, number_get(p, f->size), f->size);
            }
        }
    }
}

int state_save(const struct state_desc *d, const void *obj, struct state_buf *out)
{
    uint8_t nlen = (uint8_t)strnlen(d->name, 255);
    uint32_t len = (uint32_t)fields_size(d, obj);
    state_buf_put(out, &nlen, 1);
    state_buf_put(out, d->name, nlen);
    put_number(out, d->version, 4);
    put_number(out, len, 4);
    save_fields(d, obj, out);
    return out->failed ? -ENOMEM : 0;
}

/* Walk the fields over `p`: check only buffer lengths, or also store. Returns bytes used, or 0
 * if a buffer's length differs (a description always has at least one byte). */
static size_t load_fields(const struct state_desc *d, void *obj, const uint8_t *p, bool store)
{
    size_t n = 0;
    for (const struct state_field *f = d->fields; f->name; f++) {
        if (f->type == STATE_BUFFER) {
            size_t len = buffer_len(f, obj);
            if (load32(p + n) != len)
                return 0;
            if (store && len)
                memcpy(buffer_ptr(f, obj), p + n + 4, len);
            n += 4 + len;
            continue;
        }
        for (size_t i = 0; i < f->count; i++) {
            void *to = (char *)obj + f->offset + i * f->size;
            size_t step = f->size;
            if (f->type == STATE_STRUCT) {
                step = load_fields(f->sub, to, p + n, store);
                if (!step)
                    return 0;
            } else if (f->type == STATE_VALUE) {
                step = 8;
                if (store)
                    f->value->set(to, load64(p + n));
            } else if (f->type == STATE_BOOL) {
                step = 1;
                if (store)
                    *(bool *)to = p[n] != 0;
            } else if (store && f->type == STATE_BYTES) {
                memcpy(to, p + n, f->size);
            } else if (store) {
                number_set(to, load_n(p + n, (unsigned)f->size), f->size);
            }
            n += step;
        }
    }
    return n;
}

static void post_load(const struct state_desc *d, void *obj)
{
    for (const struct state_field *f = d->fields; f->name; f++)
        if (f->type == STATE_STRUCT)
            for (size_t i = 0; i < f->count; i++)
                post_load(f->sub, (char *)obj + f->offset + i * f->size);
    if (d->post_load)
        d->post_load(obj);
}

int state_load(const struct state_desc *d, void *obj, const uint8_t *data, size_t len, size_t *used, const char **err)
{
    size_t nlen = strnlen(d->name, 255);
    if (len < 1 || data[0] != nlen || len < 1 + nlen + 8 || memcmp(data + 1, d->name, nlen)) {
        *err = "saved state is of another device";
        return -EINVAL;
    }
    if (load32(data + 1 + nlen) != d->version) {
        *err = "saved state has another version";
        return -EINVAL;
    }
    size_t body = load32(data + 5 + nlen);
    size_t head = 1 + nlen + 8;
    if (body != fields_size(d, obj) || body > len - head) {
        *err = "saved state has another length";
        return -EINVAL;
    }
    if (body && !load_fields(d, obj, data + head, false)) {
        *err = "saved state has a buffer of another size";
        return -EINVAL;
    }
    load_fields(d, obj, data + head, true);
    post_load(d, obj);
    *used = head + body;
    return 0;
}

static uint64_t scalar(const struct state_field *f, const void *p)
{
    if (f->type == STATE_BOOL)
        return *(const bool *)p;
    if (f->type == STATE_VALUE)
        return f->value->get(p);
    return number_get(p, f->size);
}

static void print_bytes(const uint8_t *p, size_t len, FILE *f)
{
    const size_t max = 64;
    for (size_t i = 0; i < len && i < max; i++)
        fprintf(f, "%s%02x", i ? " " : "", p[i]);
    fprintf(f, "%s (%zu bytes)\n", len > max ? " ..." : "", len);
}

static void print_fields(const struct state_desc *d, const void *obj, const char *prefix, FILE *f)
{
    for (const struct state_field *fd = d->fields; fd->name; fd++) {
        if (fd->type == STATE_STRUCT) {
            for (size_t i = 0; i < fd->count; i++) {
                char sub[128];
                if (fd->count > 1)
                    snprintf(sub, sizeof sub, "%s%s[%zu].", prefix, fd->name, i);
                else
                    snprintf(sub, sizeof sub, "%s%s.", prefix, fd->name);
                print_fields(fd->sub, field_at(fd, obj, i), sub, f);
            }
            continue;
        }
        fprintf(f, "%s%s = ", prefix, fd->name);
        if (fd->type == STATE_BYTES) {
            print_bytes(field_at(fd, obj, 0), fd->size, f);
        } else if (fd->type == STATE_BUFFER) {
            print_bytes(buffer_ptr(fd, obj), buffer_len(fd, obj), f);
        } else if (fd->type == STATE_VALUE && scalar(fd, field_at(fd, obj, 0)) == fd->value->none) {
            fprintf(f, "off\n");
        } else {
            for (size_t i = 0; i < fd->count; i++)
                fprintf(f, "%s0x%llx", i ? " " : "", (unsigned long long)scalar(fd, field_at(fd, obj, i)));
            fprintf(f, "\n");
        }
    }
}

void state_print(const struct state_desc *d, const void *obj, FILE *f) { print_fields(d, obj, "", f); }

int state_compare(const struct state_desc *d, const void *a, const void *b, FILE *out)
{
    int diffs = 0;
    for (const struct state_field *f = d->fields; f->name; f++) {
        if (f->type == STATE_BUFFER) {
            size_t la = buffer_len(f, a);
            if (la != buffer_len(f, b) || memcmp(buffer_ptr(f, a), buffer_ptr(f, b), la)) {
                diffs++;
                if (out)
                    fprintf(out, "%s.%s differs\n", d->name, f->name);
            }
            continue;
        }
        for (size_t i = 0; i < f->count; i++) {
            const void *pa = field_at(f, a, i);
            const void *pb = field_at(f, b, i);
            if (f->type == STATE_STRUCT) {
                diffs += state_compare(f->sub, pa, pb, out);
            } else if (f->type == STATE_BYTES) {
                if (!memcmp(pa, pb, f->size))
                    continue;
                diffs++;
                if (out)
                    fprintf(out, "%s.%s differs\n", d->name, f->name);
            } else if (scalar(f, pa) != scalar(f, pb)) {
                diffs++;
                if (out)
                    fprintf(out, "%s.%s[%zu]: 0x%llx != 0x%llx\n", d->name, f->name, i,
                            (unsigned long long)scalar(f, pa), (unsigned long long)scalar(f, pb));
            }
        }
    }
    return diffs;
}
