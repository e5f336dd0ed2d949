/* state.h - state described as data: one table serves reset, `info`, snapshots, comparison and debuggers.
 *
 * An object lists the members that make up its state. What follows from them is not listed: post_load works it
 * out again. A member that is more than its bytes (lazy flags, a timer) is listed as a value with functions.
 *
 * The stream (state_stream.c) carries names: a later version reads what an earlier one wrote. A field that the
 * stream lacks gets its default if it is younger than the stream (`since`) or may be skipped; a field that the
 * description lacks is refused, unless who wrote it said that it may be skipped.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_STATE_H
#define CPU_STATE_H

#include "cpu/base.h"

struct state_desc;
struct state_buf;
struct state_report;

enum state_type {
    STATE_U8,
    STATE_U16,
    STATE_U32,
    STATE_U64,
    STATE_BOOL,
    STATE_BYTES,  /* a byte array inside the object */
    STATE_BUFFER, /* a pointer member to bytes; a size_t member holds the length */
    STATE_VALUE,  /* a number that `value` reads and sets: a timer's deadline */
    STATE_STRUCT, /* count structs of `size` bytes described by `sub` */
    STATE_BLOB,   /* bytes of any number that `blob` writes and takes: a queue */
};

enum state_flags {
    STATE_SKIPPABLE = 1,  /* a reader may lack it, and go on with the default: nothing a guest sees hangs on it */
    STATE_UNCOMPARED = 2, /* for people: saved and printed, but two objects may differ in it */
    STATE_MATCH = 4,      /* not loaded: the object that is loaded must have the same. Of BYTES: a text */
    STATE_CLEARED = 8,    /* BUFFER: pre_load has filled it with zeroes */
    STATE_GUEST = 16,     /* numbers in the guest's byte order, not the host's */
};

/* How a number that is more than its bytes is read and set; `none`: printed as "off". */
struct state_value {
    uint64_t (*get)(const void *member);
    void (*set)(void *member, uint64_t v);
    uint64_t none;
};

/* Bytes that are not simply there. `check` says what is wrong with them, or NULL; `load` may rely on it. With
 * no bytes at all `load` sets the default. */
struct state_blob {
    void (*save)(const void *member, struct state_buf *out);
    const char *(*check)(const void *member, const uint8_t *data, size_t len);
    void (*load)(void *member, const uint8_t *data, size_t len);
};

struct state_field {
    const char *name;
    enum state_type type;
    unsigned flags; /* STATE_SKIPPABLE ... */
    uint32_t since; /* the description's version that first had it; 0: all */
    uint64_t def;   /* each element when the stream lacks it */
    uint64_t max;   /* a larger element is refused; 0: all are good */
    size_t offset;
    size_t size;                     /* bytes of one element */
    size_t count;                    /* elements */
    const struct state_desc *sub;    /* STATE_STRUCT */
    size_t len_offset;               /* STATE_BUFFER: where its size_t length is */
    const struct state_value *value; /* STATE_VALUE */
    const struct state_blob *blob;   /* STATE_BLOB */
    /* STATE_BUFFER: the first byte from `at` on that may not be zero, or the length. NULL: look at all. */
    size_t (*data_at)(const void *obj, size_t at);
};

struct state_desc {
    const char *name;
    uint32_t version;                 /* raised when fields are added; they say so in `since` */
    const struct state_field *fields; /* ended by FIELD_END */
    void (*post_load)(void *obj);     /* recompute derived state, once all objects are loaded; may be NULL */
    void (*pre_load)(void *obj);      /* before any field is set; may be NULL */
    const char *const *gone;          /* fields that old streams have and that mean nothing any more; NULL-ended */
    unsigned flags;                   /* STATE_SKIPPABLE: a machine without such an object may load the others */
};

#define STATE_SIZEOF(s, m)        sizeof(((s *)0)->m)
/* `size` if `cond`, else a compile error: a member must have the size its macro says. */
#define STATE_CHECKED(size, cond) ((size) * sizeof(char[(cond) ? 1 : -1]))
/* All take further members of struct state_field: FIELD_U8(struct pit, latch, .since = 2, .def = 1). */
#define STATE_SCALAR(label, T, bytes, s, m, ...)                                 \
    {                                                                            \
        .name = label, .type = T, .offset = offsetof(s, m), .count = 1,          \
        .size = STATE_CHECKED(bytes, STATE_SIZEOF(s, m) == (bytes)), __VA_ARGS__ \
    }
#define STATE_VECTOR(label, T, bytes, s, m, ...)                                                   \
    {                                                                                              \
        .name = label, .type = T, .offset = offsetof(s, m), .count = STATE_SIZEOF(s, m) / (bytes), \
        .size = STATE_CHECKED(bytes, STATE_SIZEOF(s, m[0]) == (bytes)), __VA_ARGS__                \
    }
#define STATE_SUB(label, s, m, desc, ...)                                                                      \
    {                                                                                                          \
        .name = label, .type = STATE_STRUCT, .offset = offsetof(s, m), .size = STATE_SIZEOF(s, m), .count = 1, \
        .sub = (desc), __VA_ARGS__                                                                             \
    }
#define STATE_SUBS(label, s, m, desc, ...)                                                            \
    {                                                                                                 \
        .name = label, .type = STATE_STRUCT, .offset = offsetof(s, m), .size = STATE_SIZEOF(s, m[0]), \
        .count = STATE_SIZEOF(s, m) / STATE_SIZEOF(s, m[0]), .sub = (desc), __VA_ARGS__               \
    }

/* Scalars. A U32 may be an int or an enum. */
#define FIELD_U8(s, m, ...)         STATE_SCALAR(#m, STATE_U8, 1, s, m, __VA_ARGS__)
#define FIELD_U16(s, m, ...)        STATE_SCALAR(#m, STATE_U16, 2, s, m, __VA_ARGS__)
#define FIELD_U32(s, m, ...)        STATE_SCALAR(#m, STATE_U32, 4, s, m, __VA_ARGS__)
#define FIELD_U64(s, m, ...)        STATE_SCALAR(#m, STATE_U64, 8, s, m, __VA_ARGS__)
#define FIELD_BOOL(s, m, ...)       STATE_SCALAR(#m, STATE_BOOL, sizeof(bool), s, m, __VA_ARGS__)
/* Arrays (of any rank) of scalars. */
#define FIELD_U8_ARRAY(s, m, ...)   STATE_VECTOR(#m, STATE_U8, sizeof(uint8_t), s, m, __VA_ARGS__)
#define FIELD_U16_ARRAY(s, m, ...)  STATE_VECTOR(#m, STATE_U16, 2, s, m, __VA_ARGS__)
#define FIELD_U32_ARRAY(s, m, ...)  STATE_VECTOR(#m, STATE_U32, 4, s, m, __VA_ARGS__)
#define FIELD_U64_ARRAY(s, m, ...)  STATE_VECTOR(#m, STATE_U64, 8, s, m, __VA_ARGS__)
#define FIELD_BOOL_ARRAY(s, m, ...) STATE_VECTOR(#m, STATE_BOOL, sizeof(bool), s, m, __VA_ARGS__)
/* Bulk bytes: a whole array member, or a pointer with a size_t length member. */
#define FIELD_BYTES(s, m, ...)                                                                                         \
    {                                                                                                                  \
        .name = #m, .type = STATE_BYTES, .offset = offsetof(s, m), .size = STATE_SIZEOF(s, m), .count = 1, __VA_ARGS__ \
    }
#define FIELD_BUFFER(s, m, len, ...)                                                                                  \
    {                                                                                                                 \
        .name = #m, .type = STATE_BUFFER, .offset = offsetof(s, m), .count = 1,                                       \
        .size = STATE_CHECKED(1, STATE_SIZEOF(s, len) == sizeof(size_t)), .len_offset = offsetof(s, len), __VA_ARGS__ \
    }
#define FIELD_VALUE(s, m, ops, ...)                                                                        \
    {                                                                                                      \
        .name = #m, .type = STATE_VALUE, .offset = offsetof(s, m), .size = STATE_SIZEOF(s, m), .count = 1, \
        .value = (ops), __VA_ARGS__                                                                        \
    }
/* A value and bytes that belong to the whole object: the functions get the object. */
#define FIELD_COMPUTED(text, ops, ...)                                               \
    {                                                                                \
        .name = (text), .type = STATE_VALUE, .count = 1, .value = (ops), __VA_ARGS__ \
    }
#define FIELD_BLOB(text, ops, ...)                                                 \
    {                                                                              \
        .name = (text), .type = STATE_BLOB, .count = 1, .blob = (ops), __VA_ARGS__ \
    }
/* One nested struct, or an array of them, with its own descriptor. */
#define FIELD_STRUCT(s, m, desc, ...)       STATE_SUB(#m, s, m, desc, __VA_ARGS__)
#define FIELD_STRUCT_ARRAY(s, m, desc, ...) STATE_SUBS(#m, s, m, desc, __VA_ARGS__)
#define FIELD_END    \
    {                \
        .name = NULL \
    }

/* --- a growing output buffer. Zero-initialise; state_buf_free releases it. --- */

struct state_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    bool failed; /* out of memory at some point: the contents are useless */
};
void state_buf_put(struct state_buf *b, const void *data, size_t len);
void state_buf_put32(struct state_buf *b, uint32_t v);
void state_buf_put64(struct state_buf *b, uint64_t v);
void state_buf_free(struct state_buf *b);

/* --- the stream --- */

/* What became of a load. Zero-initialise. */
struct state_report {
    char error[256];   /* why it was refused */
    unsigned warnings; /* what was left out or made up, */
    char warning[256]; /* and the first such thing */
};

/* An object of a machine: `name` is its own ("serial0"), the description its kind's. */
struct state_object {
    const char *name;
    const struct state_desc *desc;
    void *obj;
};

/* Append the objects' state. Returns 0 or -ENOMEM. */
int state_save_all(const struct state_object *list, size_t n, struct state_buf *out);
/* Read back what state_save_all wrote, all `len` bytes. Everything is checked before anything is changed; then all
 * fields are set, in the order of the list, and then all post_loads are called. 0, or -EINVAL with r->error. */
int state_load_all(const struct state_object *list, size_t n, const uint8_t *data, size_t len, struct state_report *r);

/* The same for one object. */
int state_save(const struct state_desc *d, const void *obj, struct state_buf *out);
int state_load(const struct state_desc *d, void *obj, const uint8_t *data, size_t len, struct state_report *r);

/* Say where two streams of the same objects differ, a line a field: "pit.timer" and the first byte of its data that
 * is another. Returns how many fields differ; -1: they have not the same objects and fields. */
int state_stream_diff(const struct state_buf *a, const struct state_buf *b, FILE *out);

/* --- looking --- */

/* The field of that name, or NULL. */
const struct state_field *state_find(const struct state_desc *d, const char *name);
/* Element i of a field of numbers; of a struct, its first field. */
uint64_t state_get(const struct state_field *f, const void *obj, size_t i);
void state_set(const struct state_field *f, void *obj, size_t i, uint64_t v);
/* Whether two objects have the same in this field, UNCOMPARED or not. */
bool state_field_equal(const struct state_field *f, const void *a, const void *b);

/* Print one "name = value" line a field. */
void state_print(const struct state_desc *d, const void *obj, FILE *f);

/* Compare two objects. Differing elements are printed to `out` (if not NULL), a line each: "NAME: A 0001, B 0002".
 * Returns their number. */
int state_compare(const struct state_desc *d, const void *a, const char *a_name, const void *b, const char *b_name,
                  FILE *out);

#endif
