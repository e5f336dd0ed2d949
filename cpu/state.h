/* state.h - state described as data: one table serves `info`, snapshots and comparison.
 *
 * An object lists the members that make up its architectural state. Derived members are not
 * listed: post_load recomputes them. The serialised form is little-endian and versioned.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_STATE_H
#define CPU_STATE_H

#include "cpu/base.h"

struct state_desc;

enum state_type {
    STATE_U8,
    STATE_U16,
    STATE_U32,
    STATE_U64,
    STATE_BOOL,
    STATE_BYTES,  /* a byte array inside the object */
    STATE_BUFFER, /* a pointer member to bytes; a size_t member holds the length */
    STATE_VALUE,  /* a member that `value` reads as a number and sets from one: a timer's deadline */
    STATE_STRUCT, /* count structs of `size` bytes described by `sub` */
};

/* How a member that is more than its bytes is read and set; `none`: printed as "off". */
struct state_value {
    uint64_t (*get)(const void *member);
    void (*set)(void *member, uint64_t v);
    uint64_t none;
};

struct state_field {
    const char *name;
    enum state_type type;
    size_t offset;
    size_t size;                     /* bytes of one element */
    size_t count;                    /* elements */
    const struct state_desc *sub;    /* STATE_STRUCT */
    size_t len_offset;               /* STATE_BUFFER: where its size_t length is */
    const struct state_value *value; /* STATE_VALUE */
};

struct state_desc {
    const char *name;
    uint32_t version;
    const struct state_field *fields; /* ended by FIELD_END */
    void (*post_load)(void *obj);     /* recompute derived state; may be NULL */
};

#define STATE_SIZEOF(s, m)        sizeof(((s *)0)->m)
/* `size` if `cond`, else a compile error: a member must have the size its macro says. */
#define STATE_CHECKED(size, cond) ((size) * sizeof(char[(cond) ? 1 : -1]))
#define STATE_SCALAR(T, bytes, s, m)                                                                                  \
    {                                                                                                                 \
        .name = #m, .type = T, .offset = offsetof(s, m), .size = STATE_CHECKED(bytes, STATE_SIZEOF(s, m) == (bytes)), \
        .count = 1                                                                                                    \
    }
#define STATE_VECTOR(T, bytes, s, m)                                                                          \
    {                                                                                                         \
        .name = #m, .type = T, .offset = offsetof(s, m),                                                      \
        .size = STATE_CHECKED(bytes, STATE_SIZEOF(s, m[0]) == (bytes)), .count = STATE_SIZEOF(s, m) / (bytes) \
    }

/* Scalars: FIELD_U8(struct pit, latch). A U32 may be an int or an enum. */
#define FIELD_U8(s, m)         STATE_SCALAR(STATE_U8, 1, s, m)
#define FIELD_U16(s, m)        STATE_SCALAR(STATE_U16, 2, s, m)
#define FIELD_U32(s, m)        STATE_SCALAR(STATE_U32, 4, s, m)
#define FIELD_U64(s, m)        STATE_SCALAR(STATE_U64, 8, s, m)
#define FIELD_BOOL(s, m)       STATE_SCALAR(STATE_BOOL, sizeof(bool), s, m)
/* Arrays (of any rank) of scalars. */
#define FIELD_U8_ARRAY(s, m)   STATE_VECTOR(STATE_U8, sizeof(uint8_t), s, m)
#define FIELD_U16_ARRAY(s, m)  STATE_VECTOR(STATE_U16, 2, s, m)
#define FIELD_U32_ARRAY(s, m)  STATE_VECTOR(STATE_U32, 4, s, m)
#define FIELD_U64_ARRAY(s, m)  STATE_VECTOR(STATE_U64, 8, s, m)
#define FIELD_BOOL_ARRAY(s, m) STATE_VECTOR(STATE_BOOL, sizeof(bool), s, m)
/* Bulk bytes: a whole array member, or a pointer with a size_t length member. */
#define FIELD_BYTES(s, m)                                                                                 \
    {                                                                                                     \
        .name = #m, .type = STATE_BYTES, .offset = offsetof(s, m), .size = STATE_SIZEOF(s, m), .count = 1 \
    }
#define FIELD_BUFFER(s, m, len)                                                                          \
    {                                                                                                    \
        .name = #m, .type = STATE_BUFFER, .offset = offsetof(s, m), .count = 1,                          \
        .size = STATE_CHECKED(1, STATE_SIZEOF(s, len) == sizeof(size_t)), .len_offset = offsetof(s, len) \
    }
#define FIELD_VALUE(s, m, ops)                                                                             \
    {                                                                                                      \
        .name = #m, .type = STATE_VALUE, .offset = offsetof(s, m), .size = STATE_SIZEOF(s, m), .count = 1, \
        .value = (ops)                                                                                     \
    }
/* One nested struct, or an array of them, with its own descriptor. */
#define FIELD_STRUCT(s, m, desc)                                                                            \
    {                                                                                                       \
        .name = #m, .type = STATE_STRUCT, .offset = offsetof(s, m), .size = STATE_SIZEOF(s, m), .count = 1, \
        .sub = (desc)                                                                                       \
    }
#define FIELD_STRUCT_ARRAY(s, m, desc)                                                             \
    {                                                                                              \
        .name = #m, .type = STATE_STRUCT, .offset = offsetof(s, m), .size = STATE_SIZEOF(s, m[0]), \
        .count = STATE_SIZEOF(s, m) / STATE_SIZEOF(s, m[0]), .sub = (desc)                         \
    }
#define FIELD_END    \
    {                \
        .name = NULL \
    }

/* A growing output buffer. Zero-initialise; state_buf_free releases it. */
struct state_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    bool failed; /* out of memory at some point: the contents are useless */
};
void state_buf_put(struct state_buf *b, const void *data, size_t len);
void state_buf_free(struct state_buf *b);

/* Append obj's state (name, version, length, fields). Returns 0 or -ENOMEM. */
int state_save(const struct state_desc *d, const void *obj, struct state_buf *out);

/* Read back what state_save wrote. Nothing is changed unless name, version and length fit. On
 * success returns 0 and sets *used; otherwise a negative errno and *err (a static string). */
int state_load(const struct state_desc *d, void *obj, const uint8_t *data, size_t len, size_t *used, const char **err);

/* Print one "name = value" line a field. */
void state_print(const struct state_desc *d, const void *obj, FILE *f);

/* Compare two objects; differing fields are printed to `f` (if not NULL). Returns their number. */
int state_compare(const struct state_desc *d, const void *a, const void *b, FILE *f);

#endif
