/* snapshot.c - shows that a machine's saved state is all of it. A guest runs to its end in one go; it runs again
 * under -icount, but at POINTS random places its state is saved, the process ends, and a new process loads it into
 * a machine of its own and goes on. Both must have the same state, to the bit, at some places between and at the end:
 * CPU, devices, memory, drives, and what went to the consoles (ring buffers).
 *
 *     snapshot [-n POINTS] [-s SEED] [-c EVERY] [-k WORD] ROMS
 *
 * runs guests of the folder ROMS; -k: those whose name has WORD; -c: compare at every so many points (20)
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/options.h"
#include "vm/vm.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX  40
#define POINTS_MAX 500
#define RARE_MAX   50 /* of the points: places with state that does not last */
#define FIND_RARE  -2 /* instead of a descriptor: the process is to look for them */
#define PASS       -3 /* nothing is saved there */

enum { STOPPED = 2, ENDED }; /* how a process with a machine ends: it may go on, or the guest has ended it */

/* What the user does, and when. */
struct event {
    uint64_t at; /* instruction */
    const char *key;
};

struct guest {
    const char *name;
    const char *words; /* the command line; %r: ROMS, %d: the folder with images, %s: the seed */
    uint64_t end;      /* instructions, if it does not end by itself */
    const struct event *events;
    bool stale; /* it looks at what a TLB still holds, which is no state: who is not loaded has its TLB flushed */
};

static const struct event typed[] = {
    { 21000000, "h" }, { 21400000, "e" }, { 21800000, "l" }, { 22200000, "p" },   { 22600000, "ret" },
    { 24000000, "o" }, { 24300000, "f" }, { 24400000, "f" }, { 24600001, "ret" }, { 0, NULL },
};
static const struct event none[] = { { 0, NULL } };

#define COMMON "-display none -monitor none -sandbox off -no-reboot "
#define HOSTILE                                                                                                  \
    COMMON "-m 32 -icount shift=3 -kernel %r/hostile.elf -serial ringbuf -debugcon null -device isa-debug-exit " \
           "-snapshot -fda %d/fda -hda %d/hda -cdrom %d/cdrom -append "
static const struct guest guests[] = {
    { "demo", COMMON "-m 16 -icount shift=3 -fda %r/demo.img -snapshot -serial ringbuf -debugcon ringbuf", 30000000,
      typed, false },
    { "testrom",
      COMMON "-vga none -m 32 -icount shift=2 -kernel %r/testrom.elf -debugcon ringbuf -device isa-debug-exit",
      60000000, none, true },
    { "disks", HOSTILE "mode=disks,seed=%s,ops=3000 -vga none", 60000000, none, false },
    { "devices", HOSTILE "mode=devices,seed=%s,ops=12000", 60000000, none, false },
};
static const char *const engines[] = {
    "interp",
#ifdef HAVE_BT
    "bt",
#endif
};

static void fail(const char *what)
{
    fprintf(stderr, "snapshot: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- one process: a machine from one point to others --- */

struct setting {
    const struct guest *guest;
    const char *engine, *roms, *images, *seed;
};

/* The state at instruction `at`, in the file fd. */
struct state_at {
    uint64_t at;
    int fd;
};

#define TEXT(literal) ((char *)(uintptr_t)(literal))

static unsigned words_of(const struct setting *s, char *text, size_t size, char **word)
{
    const char *p;
    char *save = NULL, *w;
    unsigned n = 0;
    size_t used = 0;

    for (p = s->guest->words; *p && used + 300 < size; p++) {
        const char *what = *p != '%' ? NULL : p[1] == 'r' ? s->roms : p[1] == 'd' ? s->images : s->seed;

        if (what) {
            used += (size_t)snprintf(text + used, 256, "%s", what);
            p++;
        } else {
            text[used++] = *p;
        }
    }
    text[used] = 0;
    word[n++] = TEXT("callgate");
    for (w = strtok_r(text, " ", &save); w && n < WORDS_MAX - 2; w = strtok_r(NULL, " ", &save)) {
        if (!strcmp(word[n - 1], "-append"))
            for (char *c = w; *c; c++)
                *c = *c == ',' ? ' ' : *c; /* the guest's words */
        word[n++] = w;
    }
    word[n++] = TEXT("-accel");
    word[n++] = TEXT(s->engine);
    return n;
}

static struct state_buf contents(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    struct state_buf b = { 0 };

    b.data = malloc((size_t)size + 1);
    if (size < 0 || !b.data || pread(fd, b.data, (size_t)size, 0) != size)
        fail("cannot read a state");
    b.len = b.cap = (size_t)size;
    return b;
}

/* The magic and the format's version come first. */
static bool same_streams(const struct state_buf *x, const struct state_buf *y)
{
    const struct state_buf p = { x->data + 12, x->len - 12, 0, false }, q = { y->data + 12, y->len - 12, 0, false };

    if (x->len == y->len && !memcmp(x->data, y->data, x->len))
        return true;
    if (state_stream_diff(&p, &q, stdout) < 0)
        printf("  the states have not the same fields\n");
    fflush(stdout);
    return false;
}

/* Loading must do nothing but that: what is saved again at once is the same. */
static bool load(struct vm *m, const struct snapshot_parts *parts, const struct state_at *from)
{
    struct state_report report;
    struct state_buf b = contents(from->fd), again = { 0 };
    int rc = snapshot_load(parts, b.data, b.len, &report);
    bool good = !rc && !report.warnings && m->cpu->icount == from->at && !snapshot_save(parts, &again);

    if (!good)
        printf("  loading: %s%s, at instruction %llu\n", report.error, report.warning,
               (unsigned long long)m->cpu->icount);
    good = good && same_streams(&b, &again);
    state_buf_free(&b);
    state_buf_free(&again);
    return good;
}

static void save(const struct snapshot_parts *parts, int fd)
{
    FILE *f = fdopen(dup(fd), "wb");

    if (!f || fseek(f, 0, SEEK_SET) || ftruncate(fd, 0) || snapshot_write(parts, f) || fclose(f))
        fail("cannot save");
}

/* Run to instruction `to`, and do what the user does on the way. */
static void run(struct vm *m, const struct guest *g, uint64_t from, uint64_t to)
{
    const struct event *e;

    for (e = g->events; e->key && !m->quit; e++) {
        if (e->at < from || e->at >= to)
            continue;
        vm_run_to(m, e->at);
        if (m->quit)
            return;
        pc_key_event(m->pc, e->key, true);
        pc_key_event(m->pc, e->key, false);
    }
    if (!m->quit)
        vm_run_to(m, to);
}

static struct vm *start(const struct setting *s, struct options *o, char *text, size_t size)
{
    struct vm *m = NULL;
    char *word[WORDS_MAX];

    if (options_parse(o, (int)words_of(s, text, size, word), word) || vm_create(&o->vm, &m))
        exit(1);
    m->cpu->fdp_untracked = true; /* not every engine knows the operand of each x87 instruction */
    return m;
}

static void end(struct vm *m, struct options *o)
{
    vm_destroy(m);
    options_free(o);
}

/* State that is there for one instruction only is seldom met at random: look for places in a few windows, and write
 * them to fd. */
static int find_rare(const struct setting *s, uint64_t length, int fd)
{
    static const unsigned percent[] = { 30, 60, 70, 85, 97 };
    struct options o;
    char text[2048];
    struct vm *m = start(s, &o, text, sizeof text);
    const struct cpu *c = m->cpu;
    uint64_t found[RARE_MAX];
    unsigned n, count = 0, here;

    for (n = 0; n < ARRAY_SIZE(percent); n++) {
        uint64_t at = length * percent[n] / 100, window = at + 40000;

        run(m, s->guest, c->icount, at);
        for (here = 0; c->icount < window && !m->quit && here < RARE_MAX / ARRAY_SIZE(percent);) {
            run(m, s->guest, c->icount, c->icount + 1);
            if (cpu_shadow(c) || c->nmi_blocked || c->db_pending || c->halted) {
                here++;
                found[count++] = c->icount;
                run(m, s->guest, c->icount, c->icount + 50); /* not all in one loop */
            }
        }
    }
    if (write(fd, found, count * sizeof found[0]) < 0)
        fail("cannot say where");
    end(m, &o);
    return STOPPED;
}

/* From there (fd -1: from the start) to each of the stops, where the state is saved. */
static int run_process(const struct setting *s, const struct state_at *from, const struct state_at *stop,
                       unsigned stops)
{
    struct snapshot_parts parts;
    struct options o;
    char text[2048];
    struct vm *m = start(s, &o, text, sizeof text);
    uint64_t at = from->at;
    bool quit;
    unsigned n;

    vm_parts(m, &parts);
    if (from->fd >= 0 && !load(m, &parts, from))
        return 1;
    for (n = 0; n < stops; n++) {
        run(m, s->guest, at, stop[n].at);
        at = stop[n].at;
        if (stop[n].fd >= 0)
            save(&parts, stop[n].fd);
        else if (s->guest->stale)
            m->cpu->mem->flush(m->cpu, true);
    }
    quit = m->quit;
    end(m, &o);
    return quit ? ENDED : STOPPED;
}

/* --- the parent --- */

static void put_state(char *word, size_t size, const struct state_at *s)
{
    snprintf(word, size, "%llu:%d", (unsigned long long)s->at, s->fd);
}

static struct state_at get_state(const char *word)
{
    struct state_at s = { strtoull(word, NULL, 10), atoi(strchr(word, ':') + 1) };

    return s;
}

/* As run_process, in a process of its own that is a new program. Its status, or -1. */
static int new_process(const struct setting *s, const struct state_at *from, const struct state_at *stop,
                       unsigned stops)
{
    char number[16], place[POINTS_MAX + 1][32];
    char *argv[POINTS_MAX + 10] = { TEXT("snapshot"), TEXT("-process"), number,        TEXT(s->engine),
                                    TEXT(s->roms),    TEXT(s->images),  TEXT(s->seed), place[0] };
    int status = 0;
    unsigned n;
    pid_t pid;

    snprintf(number, sizeof number, "%d", (int)(s->guest - guests));
    put_state(place[0], sizeof place[0], from);
    for (n = 0; n < stops; n++) {
        put_state(place[n + 1], sizeof place[0], &stop[n]);
        argv[8 + n] = place[n + 1];
    }
    pid = fork();
    if (!pid) {
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        fail("cannot start a process");
    if (WIFEXITED(status) && (WEXITSTATUS(status) == ENDED || WEXITSTATUS(status) == STOPPED))
        return WEXITSTATUS(status);
    printf("  from %llu to %llu: status %x\n", (unsigned long long)from->at, (unsigned long long)stop[0].at, status);
    return -1;
}

static int new_file(void)
{
    int fd = memfd_create("state", 0);

    if (fd < 0)
        fail("no memory");
    return fd;
}

static bool same_state(int a, int b)
{
    struct state_buf x = contents(a), y = contents(b);
    bool same = same_streams(&x, &y);

    state_buf_free(&x);
    state_buf_free(&y);
    return same;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return *seed >> 24;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Where the saved CPU is: the stream is not taken apart here for more than that. */
static uint64_t last_instruction(int fd)
{
    struct state_buf b = contents(fd);
    static const char name[] = "\6ICOUNT";
    uint8_t *at = memmem(b.data, b.len, name, sizeof name - 1);
    uint64_t v = at ? load64(at + sizeof name - 1 + 9) : 0;

    state_buf_free(&b);
    return v;
}

/* Where the chain of processes is to be cut. */
static void choose_points(const struct setting *s, uint64_t *point, unsigned points, uint64_t end)
{
    uint64_t seed = strtoull(s->seed, NULL, 10);
    struct state_at length = { end, new_file() };
    const struct state_at search = { 0, FIND_RARE };
    unsigned n = 0;
    ssize_t bytes;

    if (points >= RARE_MAX && new_process(s, &search, &length, 1) == STOPPED) {
        bytes = pread(length.fd, point, RARE_MAX * sizeof point[0], 0);
        n = bytes > 0 ? (unsigned)bytes / sizeof point[0] : 0;
    }
    close(length.fd);
    for (; n < points; n++)
        point[n] = 1 + next_random(&seed) % (end - 1);
    qsort(point, points, sizeof point[0], by_value);
}

static bool compare(uint64_t at, int whole, int chain, uint64_t *good)
{
    if (same_state(whole, chain)) {
        *good = at;
        return true;
    }
    printf("  differs at instruction %llu, not yet at %llu\n", (unsigned long long)at, (unsigned long long)*good);
    return false;
}

static bool test(const struct setting *s, unsigned points, unsigned every)
{
    const struct state_at start = { 0, -1 };
    struct state_at whole = { s->guest->end, new_file() }, from = start, stop[POINTS_MAX + 1];
    uint64_t point[POINTS_MAX + 1], good = 0, end;
    int chain[2] = { new_file(), new_file() };
    int ended = new_process(s, &start, &whole, 1), status = STOPPED;
    bool same = ended >= 0;
    unsigned n;

    end = same ? last_instruction(whole.fd) : 2;
    choose_points(s, point, points, end);
    point[points] = s->guest->end;
    /* never loaded, but looked at here and there; that it stops there makes no difference */
    for (n = 0; n <= points; n++)
        stop[n] = (struct state_at){ point[n], (n && n % every == 0) || n == points ? new_file() : PASS };
    same = same && new_process(s, &start, stop, points + 1) == ended &&
           (s->guest->stale || compare(end, whole.fd, stop[points].fd, &good));
    for (n = 0; n <= points && same; n++) {
        struct state_at to = { point[n], chain[n & 1] };

        status = new_process(s, &from, &to, 1);
        from = to;
        same = status >= 0 && (stop[n].fd < 0 || compare(n < points ? to.at : end, stop[n].fd, to.fd, &good));
    }
    same = same && status == ended;
    close(whole.fd), close(chain[0]), close(chain[1]);
    printf("%s - snapshot: %s with %s, %u processes, %llu instructions\n", same ? "ok" : "FAIL", s->guest->name,
           s->engine, n, (unsigned long long)end);
    for (n = 0; n <= points; n++)
        if (stop[n].fd >= 0)
            close(stop[n].fd);
    fflush(stdout);
    return same;
}

static void make_image(const char *directory, const char *name, size_t size)
{
    static uint8_t data[1024];
    char path[300];
    size_t n;
    FILE *f;

    for (n = 0; n < 512; n++)
        data[n] = (uint8_t)(0x11223344u >> n % 4 * 8 ^ n >> 5);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    f = fopen(path, "wb");
    for (n = 0; f && n < size; n += sizeof data)
        fwrite(data, 1, sizeof data, f);
    if (!f || fclose(f))
        fail(path);
}

/* --- machines that were made with other options, and streams that are none --- */

#define SMALL COMMON "-icount shift=3 -vga none -snapshot "
static const struct {
    const char *words, *error; /* NULL: it is loaded */
} others[] = {
    { SMALL "-m 8 -fda %r/demo.img", NULL },
    { SMALL "-m 8 -fda %r/demo.img -serial null -serial null", "serial1: there is none" },
    { SMALL "-m 16 -fda %r/demo.img", "size in bytes is 8388608, here it is 16777216" },
    { SMALL "-m 8 -fda %r/demo.img -cpu pentium", "its CPU model is 'max', here it is 'pentium'" },
    { SMALL "-m 8", "lacks: 'drive4'" },
    { SMALL "-m 8 -fda %r/demo.img -hda %d/hda", "drive0: there is none" },
    { SMALL "-m 8 -fda %d/fda2", "drive4: its size" },
    { SMALL "-m 8 -fda %r/demo.img -M hpet=off", "lacks: 'hpet'" },
};

static bool refused(const struct setting *s, const struct state_buf *saved, const char *error)
{
    struct options o;
    char text[2048];
    struct vm *m = start(s, &o, text, sizeof text);
    struct snapshot_parts parts;
    struct state_report r;
    struct state_buf before = { 0 }, after = { 0 };
    bool good;

    vm_parts(m, &parts);
    vm_run_to(m, 1000);
    snapshot_save(&parts, &before);
    good = snapshot_load(&parts, saved->data, saved->len, &r) == (error ? -EINVAL : 0) &&
           (!error || strstr(r.error, error));
    if (!good)
        printf("  '%s' instead of '%s'\n", r.error, error ? error : "");
    snapshot_save(&parts, &after);
    good = good && same_streams(error ? &before : saved, &after);
    state_buf_free(&before);
    state_buf_free(&after);
    end(m, &o);
    return good;
}

static bool refusals(const char *roms, const char *directory)
{
    struct guest g = { .words = others[0].words, .events = none };
    const struct setting s = { &g, "interp", roms, directory, "1" };
    struct options o;
    char text[2048];
    struct vm *m = start(&s, &o, text, sizeof text);
    struct snapshot_parts parts;
    struct state_buf saved = { 0 };
    bool good = true;
    unsigned n;

    vm_parts(m, &parts);
    vm_run_to(m, 3000000);
    snapshot_save(&parts, &saved);
    end(m, &o);
    for (n = 0; n < ARRAY_SIZE(others); n++) {
        g.words = others[n].words;
        good &= refused(&s, &saved, others[n].error);
    }
    g.words = others[0].words;
    saved.len -= 5;
    good &= refused(&s, &saved, "cut short");
    saved.data[8]++;
    good &= refused(&s, &saved, "another format");
    saved.data[0]++;
    good &= refused(&s, &saved, "no saved machine");
    state_buf_free(&saved);
    printf("%s - snapshot: other machines, and what is none, are refused, and change nothing\n", good ? "ok" : "FAIL");
    return good;
}

static const struct {
    const char *name;
    size_t size;
} images[] = { { "fda", 1440 << 10 }, { "fda2", 720 << 10 }, { "hda", 8 << 20 }, { "cdrom", 2 << 20 } };

static bool all_tests(const char *roms, const char *seed, const char *word, unsigned points, unsigned every)
{
    char directory[] = "/tmp/callgate-snapshot-XXXXXX", name[300];
    bool good = true;
    unsigned n, g, e;

    if (!mkdtemp(directory))
        fail(directory);
    for (n = 0; n < ARRAY_SIZE(images); n++)
        make_image(directory, images[n].name, images[n].size);
    for (g = 0; g < ARRAY_SIZE(guests); g++)
        for (e = 0; e < ARRAY_SIZE(engines); e++) {
            snprintf(name, sizeof name, "%s-%s", guests[g].name, engines[e]);
            if (strstr(name, word))
                good &= test(&(struct setting){ &guests[g], engines[e], roms, directory, seed }, points, every);
        }
    if (strstr("refusals", word))
        good &= refusals(roms, directory);
    for (n = 0; n < ARRAY_SIZE(images); n++) {
        snprintf(name, sizeof name, "%s/%s", directory, images[n].name);
        unlink(name);
    }
    rmdir(directory);
    return good;
}

int main(int argc, char **argv)
{
    unsigned points = 200, every = 20;
    const char *word = "", *seed = "1";
    struct state_at stop[POINTS_MAX], from;
    int c;

    if (argc >= 9 && argc < POINTS_MAX && !strcmp(argv[1], "-process")) {
        struct setting s = { &guests[atoi(argv[2])], argv[3], argv[4], argv[5], argv[6] };

        from = get_state(argv[7]);
        for (c = 8; c < argc; c++)
            stop[c - 8] = get_state(argv[c]);
        if (from.fd == FIND_RARE)
            return find_rare(&s, stop[0].at, stop[0].fd);
        return run_process(&s, &from, stop, (unsigned)argc - 8);
    }
    while ((c = getopt(argc, argv, "n:s:c:k:")) >= 0) {
        if (c == 'n')
            points = (unsigned)atoi(optarg);
        else if (c == 's')
            seed = optarg;
        else if (c == 'c')
            every = (unsigned)atoi(optarg);
        else if (c == 'k')
            word = optarg;
    }
    if (optind + 1 != argc || points >= POINTS_MAX || !every) {
        fprintf(stderr, "usage: snapshots [-n POINTS] [-s SEED] [-c EVERY] [-k WORD] ROMS\n");
        return 1;
    }
    return !all_tests(argv[optind], seed, word, points, every);
}
