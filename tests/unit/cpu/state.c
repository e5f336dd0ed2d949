/* state.c - tests: the stream of described state, between versions, damaged, and hostile; and the CPU's description.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "cpu/cpu_state.h"
#include "debug/callgate-plugin.h"

#include <errno.h>
#include <stdlib.h>

struct part {
    uint16_t a;
    bool b;
};

struct thing {
    uint32_t n;
    uint8_t list[5];
    uint8_t bytes[9000];
    uint8_t *buffer;
    size_t buffer_len;
    struct part part[2];
    uint64_t doubled; /* described as twice its value */
    uint8_t queue[8];
    unsigned queued;
    unsigned loads; /* calls of post_load */
    uint32_t late;  /* added in version 2 */
    uint32_t hint;  /* may be skipped */
};

static uint64_t get_doubled(const void *member)
{
    uint64_t v;

    memcpy(&v, member, 8);
    return v * 2;
}

static void set_doubled(void *member, uint64_t v)
{
    v /= 2;
    memcpy(member, &v, 8);
}

static void save_queue(const void *obj, struct state_buf *out)
{
    const struct thing *t = obj;

    state_buf_put(out, t->queue, t->queued);
}

static const char *check_queue(const void *obj, const uint8_t *data, size_t len)
{
    (void)obj, (void)data;
    return len <= 8 ? NULL : "the queue is too long";
}

static void load_queue(void *obj, const uint8_t *data, size_t len)
{
    struct thing *t = obj;

    t->queued = (unsigned)len;
    if (len)
        memcpy(t->queue, data, len);
}

static void thing_post_load(void *obj) { ((struct thing *)obj)->loads++; }

static const struct state_value doubled = { get_doubled, set_doubled, 0 };
static const struct state_blob queue = { save_queue, check_queue, load_queue };
#define T struct thing
static const struct state_field part_fields[] = { FIELD_U16(struct part, a), FIELD_BOOL(struct part, b), FIELD_END };
static const struct state_desc part = { .name = "part", .version = 1, .fields = part_fields };

#define COMMON                                                                                                         \
    FIELD_U32(T, n, .max = 1000), FIELD_U8_ARRAY(T, list), FIELD_BYTES(T, bytes), FIELD_BUFFER(T, buffer, buffer_len), \
        FIELD_STRUCT_ARRAY(T, part, &part), FIELD_VALUE(T, doubled, &doubled), FIELD_BLOB("queue", &queue)
static const struct state_field fields1[] = { COMMON, FIELD_END };
static const struct state_field fields2[] = { FIELD_U32(T, late, .since = 2, .def = 77), COMMON,
                                              FIELD_U32(T, hint, .flags = STATE_SKIPPABLE, .def = 5), FIELD_END };
static const struct state_field fields_narrow[] = { FIELD_U32(T, n), FIELD_END };
static const struct state_field fields_other[] = { STATE_VECTOR("n", STATE_U8, 1, T, list, ), FIELD_END };
#define THING(...)                                                 \
    {                                                              \
        .name = "thing", .post_load = thing_post_load, __VA_ARGS__ \
    }
static const struct state_desc thing1 = THING(.version = 1, .fields = fields1);
static const struct state_desc thing2 = THING(.version = 2, .fields = fields2);
static const struct state_desc narrow = THING(.version = 1, .fields = fields_narrow);
static const char *const forgotten[] = { "list", "bytes", "buffer", "part", "doubled", "queue", NULL };
static const struct state_desc forgetful = THING(.version = 3, .fields = fields_narrow, .gone = forgotten);
static const struct state_desc stranger = { .name = "stranger", .version = 1, .fields = fields1 };

static uint8_t buffers[2][5000];

static struct thing make(unsigned which)
{
    struct thing t = { .n = 1 + which, .list = { 1, 2, 3, 4, 5 }, .buffer = buffers[which], .buffer_len = 5000 };
    unsigned i;

    memset(buffers[which], 0, 5000);
    if (which)
        return t;
    t.bytes[0] = 9;
    t.bytes[8999] = 8;
    buffers[0][4999] = 0xaa;
    for (i = 0; i < 2; i++)
        t.part[i] = (struct part){ (uint16_t)(0x1234 + i), i };
    t.doubled = 21;
    load_queue(&t, (const uint8_t *)"abc", 3);
    t.late = 4;
    t.hint = 6;
    return t;
}

static int load(const struct state_desc *d, struct thing *t, const struct state_buf *b, struct state_report *r)
{
    return state_load(d, t, b->data, b->len, r);
}

START_TEST(round_trip)
{
    struct thing a = make(0), b = make(1);
    struct state_buf one = { 0 }, two = { 0 };
    struct state_report r;

    ck_assert_int_eq(state_save(&thing2, &a, &one), 0);
    ck_assert_uint_lt(one.len, 12000 + 1000); /* what is zero takes no room */
    ck_assert_int_gt(state_compare(&thing2, &a, "a", &b, "b", NULL), 5);
    ck_assert_int_eq(load(&thing2, &b, &one, &r), 0);
    ck_assert_uint_eq(r.warnings, 0);
    ck_assert_int_eq(state_compare(&thing2, &a, "a", &b, "b", NULL), 0);
    ck_assert_uint_eq(b.doubled, 21);
    ck_assert_uint_eq(b.loads, 1);
    ck_assert_uint_eq(b.queued, 3);
    ck_assert_int_eq(state_save(&thing2, &b, &two), 0);
    ck_assert_uint_eq(one.len, two.len);
    ck_assert_mem_eq(one.data, two.data, one.len);
    ck_assert_int_eq(state_stream_diff(&one, &two, stdout), 0);
    state_buf_free(&one);
    state_buf_free(&two);
}
END_TEST

/* The stream's bytes are the same whatever the host. */
START_TEST(bytes_of_the_stream)
{
    static const uint8_t want[] = "\5thing\5thing\0\1\0\0\0\x0f\0\0\0\0\0\0\0\1n\4\4\0\0\0\0\0\0\0\1\0\0";
    struct thing a = make(0);
    struct state_buf b = { 0 };

    ck_assert_int_eq(state_save(&narrow, &a, &b), 0);
    ck_assert_uint_eq(b.len, sizeof want);
    ck_assert_mem_eq(b.data, want, b.len);
    state_buf_free(&b);
}
END_TEST

START_TEST(older_stream)
{
    struct thing a = make(0), b = make(1);
    struct state_buf s = { 0 };
    struct state_report r;

    state_save(&thing1, &a, &s);
    b.late = 1;
    ck_assert_int_eq(load(&thing2, &b, &s, &r), 0);
    ck_assert_uint_eq(b.late, 77); /* younger than the stream */
    ck_assert_uint_eq(b.hint, 5);  /* may be missing, which is said */
    ck_assert_uint_eq(r.warnings, 1);
    ck_assert_ptr_nonnull(strstr(r.warning, "'hint'"));
    state_buf_free(&s);
}
END_TEST

START_TEST(later_stream)
{
    struct thing a = make(0), b = make(1);
    struct state_buf s = { 0 };
    struct state_report r;

    /* what it cannot know and must: refused */
    state_save(&thing2, &a, &s);
    ck_assert_int_eq(load(&thing1, &b, &s, &r), -EINVAL);
    ck_assert_ptr_nonnull(strstr(r.error, "'late'"));
    ck_assert_uint_eq(b.n, 2);
    ck_assert_uint_eq(b.loads, 0);
    /* what it may lack: left out */
    {
        static const struct state_field f[] = { COMMON, FIELD_U32(T, hint, .flags = STATE_SKIPPABLE), FIELD_END };
        static const struct state_desc d = THING(.version = 2, .fields = f);

        s.len = 0;
        state_save(&d, &a, &s);
        ck_assert_int_eq(load(&thing1, &b, &s, &r), 0);
        ck_assert_uint_ge(r.warnings, 1);
        ck_assert_uint_eq(b.n, 1);
        ck_assert_uint_eq(b.hint, 0);
    }
    state_buf_free(&s);
}
END_TEST

START_TEST(fields_that_are_gone)
{
    struct thing a = make(0), b = make(1);
    struct state_buf s = { 0 };
    struct state_report r;

    state_save(&thing1, &a, &s);
    ck_assert_int_eq(load(&narrow, &b, &s, &r), -EINVAL);
    ck_assert_int_eq(load(&forgetful, &b, &s, &r), 0);
    ck_assert_uint_eq(b.n, 1);
    /* and one that should be there */
    s.len = 0;
    state_save(&narrow, &a, &s);
    ck_assert_int_eq(load(&thing1, &b, &s, &r), -EINVAL);
    ck_assert_ptr_nonnull(strstr(r.error, "'list' is not in it"));
    state_buf_free(&s);
}
END_TEST

START_TEST(wrong_types_and_values)
{
    static const struct state_desc other = THING(.version = 1, .fields = fields_other);
    struct thing a = make(0), b = make(1);
    struct state_buf s = { 0 };
    struct state_report r;

    state_save(&narrow, &a, &s);
    ck_assert_int_eq(load(&other, &b, &s, &r), -EINVAL);
    ck_assert_ptr_nonnull(strstr(r.error, "another type"));
    ck_assert_int_eq(load(&stranger, &b, &s, &r), -EINVAL);
    s.len = 0;
    a.n = 1001;
    state_save(&thing1, &a, &s);
    ck_assert_int_eq(load(&thing1, &b, &s, &r), -EINVAL);
    ck_assert_ptr_nonnull(strstr(r.error, "0x3e9"));
    s.len = 0;
    a.n = 3;
    a.buffer_len = 4999;
    state_save(&thing1, &a, &s);
    ck_assert_int_eq(load(&thing1, &b, &s, &r), -EINVAL);
    ck_assert_ptr_nonnull(strstr(r.error, "'buffer' has 4999 bytes, here it has 5000"));
    s.len = 0;
    a.buffer_len = 5000;
    state_save(&thing1, &a, &s);
    s.data[s.len - 3 - 8 - 1 + 1] = 9; /* the queue's length: more than there is */
    ck_assert_int_eq(load(&thing1, &b, &s, &r), -EINVAL);
    ck_assert_uint_eq(b.n, 2);
    ck_assert_uint_eq(b.loads, 0);
    state_buf_free(&s);
}
END_TEST

/* Cut short anywhere it is refused, and nothing has changed; with any byte changed it is refused or loaded. */
START_TEST(damaged)
{
    struct thing a = make(0), b = make(1);
    const struct state_object list[] = { { "one", &thing2, &a }, { "two", &thing1, &b } };
    struct state_buf s = { 0 }, before = { 0 }, now = { 0 };
    struct state_report r;
    size_t n;
    unsigned k;

    ck_assert_int_eq(state_save_all(list, 2, &s), 0);
    a.n = 500;
    state_save_all(list, 2, &before);
    for (n = 0; n < s.len; n++) {
        uint8_t *cut = malloc(n ? n : 1); /* so that a byte too far is seen */

        memcpy(cut, s.data, n);
        ck_assert_int_eq(state_load_all(list, 2, cut, n, &r), -EINVAL);
        ck_assert_uint_ne(r.error[0], 0);
        free(cut);
    }
    state_save_all(list, 2, &now);
    ck_assert_uint_eq(before.len, now.len);
    ck_assert_mem_eq(before.data, now.data, now.len);
    ck_assert_uint_eq(a.loads, 0);
    for (n = 0; n < s.len; n++)
        for (k = 0; k < 3; k++) {
            uint8_t was = s.data[n];

            s.data[n] = k == 0 ? 0xff : k == 1 ? 0 : (uint8_t)(was ^ 1u << n % 8);
            state_load_all(list, 2, s.data, s.len, &r);
            s.data[n] = was;
        }
    ck_assert_int_eq(state_load_all(list, 2, s.data, s.len, &r), 0);
    ck_assert_uint_eq(a.n, 1);
    ck_assert_uint_eq(b.n, 2);
    state_buf_free(&s);
    state_buf_free(&before);
    state_buf_free(&now);
}
END_TEST

START_TEST(objects)
{
    static const struct state_desc extra = {
        .name = "extra", .version = 1, .fields = fields_narrow, .flags = STATE_SKIPPABLE
    };
    static const struct state_field match_fields[] = { FIELD_U32(T, n, .flags = STATE_MATCH), FIELD_END };
    static const struct state_desc match = { .name = "match", .version = 1, .fields = match_fields };
    struct thing a = make(0), b = make(1);
    const struct state_object list[] = { { "one", &thing1, &a }, { "two", &thing1, &b }, { "three", &extra, &b } };
    const struct state_object must = { "must", &match, &a };
    struct state_buf s = { 0 };
    struct state_report r;

    state_save_all(list, 2, &s);
    ck_assert_int_eq(state_load_all(list, 1, s.data, s.len, &r), -EINVAL);
    ck_assert_ptr_nonnull(strstr(r.error, "'two'"));
    ck_assert_int_eq(state_load_all(list, 3, s.data, s.len, &r), 0); /* without the one that may be missing */
    ck_assert_uint_eq(r.warnings, 1);
    s.len = 0;
    state_save_all(list, 3, &s);
    ck_assert_int_eq(state_load_all(list, 2, s.data, s.len, &r), 0);
    ck_assert_uint_eq(r.warnings, 1);
    s.len = 0;
    state_save_all(list, 1, &s);
    ck_assert_int_eq(state_load_all(list, 2, s.data, s.len, &r), -EINVAL);
    ck_assert_ptr_nonnull(strstr(r.error, "two: there is none"));
    s.len = 0;
    state_save_all(&must, 1, &s);
    ck_assert_int_eq(state_load_all(&must, 1, s.data, s.len, &r), 0);
    a.n = 8;
    ck_assert_int_eq(state_load_all(&must, 1, s.data, s.len, &r), -EINVAL);
    ck_assert_ptr_nonnull(strstr(r.error, "its n is 1, here it is 8"));
    ck_assert_uint_eq(a.n, 8);
    state_buf_free(&s);
}
END_TEST

/* --- the CPU --- */

/* Something else in every element of every field. */
static void scramble(const struct state_desc *d, void *obj, unsigned *seed)
{
    const struct state_field *f;
    size_t i;

    for (f = d->fields; f->name; f++)
        for (i = 0; i < f->count; i++) {
            if (f->type == STATE_STRUCT)
                scramble(f->sub, (char *)obj + f->offset + i * f->size, seed);
            else
                state_set(f, obj, i,
                          f->max ? ++*seed % (f->max + 1) : (uint64_t)++ * seed * 0x9e3779b97f4a7c15ull >> 7);
        }
}

START_TEST(cpu_round_trip)
{
    struct cpu *a = cpu_create(cpu_model_find("max"), 0), *b = cpu_create(cpu_model_find("max"), 0);
    struct state_buf s = { 0 };
    const struct state_field *f;
    unsigned seed = (unsigned)_i * 1000 + 1, differ = 0;

    cpu_reset(a);
    cpu_reset(b);
    scramble(&cpu_state, a, &seed);
    a->cr0 |= CR0_PE; /* what cannot be is put right when it is loaded */
    a->eflags &= ~EFLAGS_VM;
    ck_assert_int_eq(cpu_state_save(a, &s), 0);
    for (f = cpu_state.fields; f->name; f++)
        differ += !state_field_equal(f, a, b);
    ck_assert_uint_gt(differ, 70);
    cpu_state_load(b, &s);
    for (f = cpu_state.fields; f->name; f++)
        ck_assert_msg(state_field_equal(f, a, b), "%s", f->name);
    ck_assert_uint_eq(b->seg[SEG_SS].attr & AR_DB ? 0xffffffff : 0xffff, b->sp_mask); /* what follows from it */
    ck_assert_uint_eq(cpu_get_eflags(a), cpu_get_eflags(b));
    state_buf_free(&s);
    cpu_destroy(a);
    cpu_destroy(b);
}
END_TEST

/* The numbers that plug-ins know are the registers they mean. */
START_TEST(plugin_registers)
{
    static const char *const names[] = { "EAX",
                                         "ECX",
                                         "EDX",
                                         "EBX",
                                         "ESP",
                                         "EBP",
                                         "ESI",
                                         "EDI",
                                         [CALLGATE_EIP] = "EIP",
                                         [CALLGATE_EFLAGS] = "EFLAGS",
                                         [CALLGATE_ES] = "ES",
                                         [CALLGATE_CS] = "CS",
                                         [CALLGATE_SS] = "SS",
                                         [CALLGATE_DS] = "DS",
                                         [CALLGATE_FS] = "FS",
                                         [CALLGATE_GS] = "GS",
                                         [CALLGATE_CR0] = "CR0",
                                         [CALLGATE_CR2] = "CR2",
                                         [CALLGATE_CR3] = "CR3",
                                         [CALLGATE_CR4] = "CR4",
                                         [CALLGATE_CPL] = "CPL" };
    unsigned n;

    for (n = 0; n < ARRAY_SIZE(names); n++) {
        ck_assert_ptr_nonnull(cpu_state_plugin(n));
        ck_assert_str_eq(cpu_state_plugin(n)->name, names[n]);
    }
    ck_assert_ptr_null(cpu_state_plugin(n));
}
END_TEST

Suite *state_suite(void)
{
    Suite *s = suite_create("state");
    TCase *t = tcase_create("stream");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, round_trip);
    tcase_add_test(t, bytes_of_the_stream);
    tcase_add_test(t, older_stream);
    tcase_add_test(t, later_stream);
    tcase_add_test(t, fields_that_are_gone);
    tcase_add_test(t, wrong_types_and_values);
    tcase_add_test(t, damaged);
    tcase_add_test(t, objects);
    tcase_add_loop_test(t, cpu_round_trip, 0, 20);
    tcase_add_test(t, plugin_registers);
    suite_add_tcase(s, t);
    return s;
}
