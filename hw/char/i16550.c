/* i16550.c - National NS16550A UART (datasheet TL/C/8652).
 *
 * Eight ports at the base the board gives, one interrupt. FIFOs with trigger levels and character
 * time-out, all interrupt sources, loopback, modem lines, break.
 * NOT modelled: the line itself: parity and framing errors do not occur, bytes go to the chardev
 * at once. The transmitter reports itself empty a moment later (less than a byte time at 115200),
 * so that interrupt-driven writers neither stall nor storm; while nobody takes the output, it does not. Input
 * waits outside until the guest looks for it (listens). DMA mode (RXRDY, TXRDY) only stores.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/char/i16550.h"

#include "hw/char/chardev.h"

#define IER_RX       0x01
#define IER_THR      0x02
#define IER_LS       0x04
#define IER_MS       0x08
#define IIR_NONE     0x01
#define IIR_MODEM    0x00
#define IIR_THR      0x02
#define IIR_RX       0x04
#define IIR_LINE     0x06
#define IIR_TIMEOUT  0x0c
#define IIR_FIFO     0xc0
#define FCR_ENABLE   0x01
#define FCR_CLEAR_RX 0x02
#define FCR_CLEAR_TX 0x04
#define LCR_BREAK    0x40
#define LCR_DLAB     0x80
#define MCR_DTR      0x01
#define MCR_RTS      0x02
#define MCR_OUT1     0x04
#define MCR_OUT2     0x08
#define MCR_LOOP     0x10
#define LSR_DR       0x01
#define LSR_OE       0x02
#define LSR_BI       0x10
#define LSR_ERR      0x1e
#define LSR_THRE     0x20
#define LSR_TEMT     0x40
#define LSR_FIFO_ERR 0x80
#define MSR_CTS      0x10
#define MSR_DSR      0x20
#define MSR_RI       0x40
#define MSR_DCD      0x80

#define FIFO        16
#define UART_HZ     115200u
#define LOOKS       8
#define SETTLE_TIME (TICKS_PER_SEC / 50)

struct i16550 {
    struct device dev;
    /* wiring */
    struct irq irq;
    struct chardev *chr;
    bool connected; /* always */
    /* state */
    uint8_t rx[FIFO];
    uint8_t rx_bad[FIFO]; /* LSR error bits of each byte */
    uint8_t rx_head;
    uint8_t rx_count;
    uint8_t ier;
    uint8_t fcr;
    uint8_t lcr;
    uint8_t mcr;
    uint8_t lsr; /* OE, THRE, TEMT; the rest is derived */
    uint8_t msr; /* low nibble: changes */
    uint8_t scr;
    uint16_t divisor;
    bool thre_pending;  /* the THRE interrupt is due */
    bool timeout;       /* the character time-out is due */
    uint8_t held;       /* bytes sent since the chardev is behind: the transmitter stays busy; 0: it is not */
    uint8_t looks;      /* LSR reads with nothing to read or to send, in a row */
    bool polls;         /* ... which did find input since the last set-up */
    uint8_t kept[FIFO]; /* input that the guest threw away before it ever looked for any */
    uint8_t kept_count;
    bool settled; /* interrupts on input have been on for SETTLE_TIME */
    struct timer tx_timer;
    struct timer rx_timer;
    struct timer settle_timer;
};

static unsigned fifo_size(const struct i16550 *u) { return u->fcr & FCR_ENABLE ? FIFO : 1; }

static unsigned trigger(const struct i16550 *u)
{
    static const uint8_t level[4] = { 1, 4, 8, 14 };
    return u->fcr & FCR_ENABLE ? level[u->fcr >> 6] : 1;
}

/* Time of one character on the line. */
static tick_t char_time(const struct i16550 *u)
{
    unsigned bits = 2u + 5u + (u->lcr & 3u) + (u->lcr & 4 ? 1 : 0) + (u->lcr & 8 ? 1 : 0);
    unsigned div = u->divisor ? u->divisor : 1;
    return (tick_t)bits * div * TICKS_PER_SEC / UART_HZ;
}

static uint8_t line_status(const struct i16550 *u)
{
    uint8_t v = u->lsr;
    if (u->rx_count) {
        v |= LSR_DR | u->rx_bad[u->rx_head];
        for (unsigned i = 0; i < u->rx_count; i++)
            if (u->rx_bad[(u->rx_head + i) % FIFO] && (u->fcr & FCR_ENABLE))
                v |= LSR_FIFO_ERR;
    }
    return v;
}

static uint8_t modem_lines(const struct i16550 *u)
{
    if (u->mcr & MCR_LOOP)
        return (uint8_t)((u->mcr & MCR_RTS ? MSR_CTS : 0) | (u->mcr & MCR_DTR ? MSR_DSR : 0) |
                         (u->mcr & MCR_OUT1 ? MSR_RI : 0) | (u->mcr & MCR_OUT2 ? MSR_DCD : 0));
    return u->connected ? MSR_CTS | MSR_DSR | MSR_DCD : 0;
}

static uint8_t interrupt_id(const struct i16550 *u)
{
    if ((u->ier & IER_LS) && (line_status(u) & LSR_ERR))
        return IIR_LINE;
    if ((u->ier & IER_RX) && u->timeout)
        return IIR_TIMEOUT;
    if ((u->ier & IER_RX) && u->rx_count >= trigger(u))
        return IIR_RX;
    if ((u->ier & IER_THR) && u->thre_pending)
        return IIR_THR;
    if ((u->ier & IER_MS) && (u->msr & 0x0f))
        return IIR_MODEM;
    return IIR_NONE;
}

static void i16550_update_irq(struct i16550 *u)
{
    /* OUT2 gates the interrupt onto the bus of a PC; QEMU leaves it always on, and so do we:
     * some guests rely on it. */
    irq_set(&u->irq, interrupt_id(u) != IIR_NONE);
}

/* The modem lines may have changed: note the deltas. */
static void update_modem(struct i16550 *u)
{
    uint8_t now = modem_lines(u);
    uint8_t diff = (now ^ u->msr) & 0xf0;
    uint8_t delta = (uint8_t)((u->msr & 0x0f) | (diff & (MSR_CTS | MSR_DSR | MSR_DCD)) >> 4);
    if ((diff & MSR_RI) && !(now & MSR_RI))
        delta |= 0x04; /* trailing edge of ring */
    u->msr = now | delta;
}

/* Does the guest want input? Its set-up throws away what is in the receiver, as on a machine where nobody can
 * have typed yet; here a pipe may have been full from the start. So input waits until the guest has asked for
 * interrupts (and had time to set up the 8259, which forgets a line that is high already), or polls: reads the
 * line status again and again, with nothing to send. */
static bool listens(const struct i16550 *u) { return ((u->ier & IER_RX) && u->settled) || u->looks >= LOOKS; }

static void receive(struct i16550 *u, uint8_t byte, uint8_t bad)
{
    if (u->rx_count >= fifo_size(u)) {
        u->lsr |= LSR_OE;
        if (!(u->fcr & FCR_ENABLE))
            u->rx[u->rx_head] = byte; /* without FIFO the new byte overwrites */
        return;
    }
    unsigned i = (u->rx_head + u->rx_count++) % FIFO;
    u->rx[i] = byte;
    u->rx_bad[i] = bad;
    u->timeout = false;
    if (u->fcr & FCR_ENABLE)
        timer_set(&u->rx_timer, bus_now(u->dev.bus) + 4 * char_time(u));
}

static void clear_rx(struct i16550 *u)
{
    u->rx_head = u->rx_count = 0;
    u->timeout = false;
    timer_cancel(&u->rx_timer);
}

/* The guest empties the receiver. What came while it polled is not lost if it begins anew (a boot loader's
 * input is not meant for the kernel's set-up code); with interrupts on it knows what it does. */
static void flush_rx(struct i16550 *u)
{
    if (!(u->ier & IER_RX) && !(u->mcr & MCR_LOOP))
        while (u->rx_count && u->kept_count < FIFO) {
            if (!u->rx_bad[u->rx_head])
                u->kept[u->kept_count++] = u->rx[u->rx_head];
            u->rx_head = (uint8_t)((u->rx_head + 1) % FIFO);
            u->rx_count--;
        }
    clear_rx(u);
}

/* There may be room, or the guest may have begun to listen. */
static void take_input(struct i16550 *u)
{
    unsigned n = 0;
    if (!listens(u) || (u->mcr & MCR_LOOP))
        return;
    while (n < u->kept_count && u->rx_count < fifo_size(u))
        receive(u, u->kept[n++], 0);
    u->kept_count = (uint8_t)(u->kept_count - n);
    memmove(u->kept, u->kept + n, u->kept_count);
    if (!u->kept_count)
        chardev_accept_input(u->chr);
}

static uint8_t read_rbr(struct i16550 *u)
{
    if (!u->rx_count)
        return 0;
    uint8_t v = u->rx[u->rx_head];
    u->polls = !(u->ier & IER_RX);
    u->rx_head = (uint8_t)((u->rx_head + 1) % FIFO);
    u->rx_count--;
    u->timeout = false;
    if (u->rx_count && (u->fcr & FCR_ENABLE))
        timer_set(&u->rx_timer, bus_now(u->dev.bus) + 4 * char_time(u));
    else
        timer_cancel(&u->rx_timer);
    if (!u->rx_count)
        take_input(u);
    return v;
}

static void transmit(struct i16550 *u, uint8_t byte)
{
    u->thre_pending = false;
    if (u->mcr & MCR_LOOP) {
        receive(u, byte, 0);
    } else if (u->held >= fifo_size(u)) {
        chardev_lost(u->chr, 1); /* it did not look whether the transmitter is free */
        return;
    } else {
        chardev_write(u->chr, &byte, 1);
        if (u->held || !chardev_writable(u->chr)) {
            u->held++; /* a driver that saw it empty fills the whole FIFO */
            u->lsr &= (uint8_t) ~(LSR_THRE | LSR_TEMT);
            return;
        }
    }
    /* Polling writers find the holding register empty at once; the interrupt comes later. */
    u->lsr |= LSR_THRE | LSR_TEMT;
    if (!timer_pending(&u->tx_timer))
        timer_set(&u->tx_timer, bus_now(u->dev.bus) + TICKS_PER_SEC / 100000);
}

static void write_fcr(struct i16550 *u, uint8_t val)
{
    if ((val ^ u->fcr) & FCR_ENABLE)
        val |= FCR_CLEAR_RX | FCR_CLEAR_TX;
    if (val & FCR_CLEAR_RX)
        flush_rx(u);
    u->fcr = val & 0xc9;
    take_input(u);
}

static void write_ier(struct i16550 *u, uint8_t val)
{
    uint8_t rising = val & (uint8_t)~u->ier;
    u->ier = val & 0x0f;
    if (rising & IER_RX) {
        u->settled = false;
        timer_set(&u->settle_timer, bus_now(u->dev.bus) + SETTLE_TIME);
    }
    if ((rising & IER_THR) && (u->lsr & LSR_THRE) && !timer_pending(&u->tx_timer))
        u->thre_pending = true; /* enabling it while empty raises it at once */
}

static void write_lcr(struct i16550 *u, uint8_t val)
{
    if ((val & LCR_BREAK) && !(u->lcr & LCR_BREAK)) {
        if (u->mcr & MCR_LOOP)
            receive(u, 0, LSR_BI);
        else
            chardev_send_break(u->chr);
    }
    u->lcr = val;
}

static void i16550_write(void *opaque, uint16_t port, uint32_t val32, unsigned size)
{
    struct i16550 *u = opaque;
    uint8_t val = (uint8_t)val32;
    (void)size;
    LOG(serial, "%s write %u: %02x", u->dev.name, port & 7, val);
    if ((port & 7) || !u->polls) {
        u->looks = 0;
        u->polls = false;
    }
    switch (port & 7) {
    case 0:
        if (u->lcr & LCR_DLAB)
            u->divisor = (uint16_t)((u->divisor & 0xff00) | val);
        else
            transmit(u, val);
        break;
    case 1:
        if (u->lcr & LCR_DLAB)
            u->divisor = (uint16_t)((u->divisor & 0xff) | val << 8);
        else
            write_ier(u, val);
        break;
    case 2: write_fcr(u, val); break;
    case 3: write_lcr(u, val); break;
    case 4:
        u->mcr = val & 0x1f;
        update_modem(u);
        take_input(u);
        break;
    case 7: u->scr = val; break;
    default: break; /* LSR and MSR are read-only */
    }
    i16550_update_irq(u);
}

static uint32_t i16550_read(void *opaque, uint16_t port, unsigned size)
{
    struct i16550 *u = opaque;
    uint8_t v;
    (void)size;
    switch (port & 7) {
    case 0: v = u->lcr & LCR_DLAB ? (uint8_t)u->divisor : read_rbr(u); break;
    case 1: v = u->lcr & LCR_DLAB ? (uint8_t)(u->divisor >> 8) : u->ier; break;
    case 2:
        v = interrupt_id(u);
        if (v == IIR_THR)
            u->thre_pending = false;
        if (u->fcr & FCR_ENABLE)
            v |= IIR_FIFO;
        break;
    case 3: v = u->lcr; break;
    case 4: v = u->mcr; break;
    case 5:
        v = line_status(u);
        u->lsr &= (uint8_t)~LSR_OE;
        if (!(u->ier & IER_RX) && !u->rx_count && u->looks < LOOKS && (v & LSR_THRE) && ++u->looks == LOOKS)
            take_input(u);
        if (u->rx_count)
            u->rx_bad[u->rx_head] = 0;
        break;
    case 6:
        v = u->msr;
        u->msr &= 0xf0;
        break;
    default: v = u->scr; break;
    }
    i16550_update_irq(u);
    return v;
}

/* ---- the chardev's side ---- */

static size_t serial_can_read(void *opaque)
{
    const struct i16550 *u = opaque;
    return u->mcr & MCR_LOOP || u->kept_count || !listens(u) ? 0 : fifo_size(u) - u->rx_count;
}

static void serial_read(void *opaque, const uint8_t *buf, size_t len)
{
    struct i16550 *u = opaque;
    for (size_t i = 0; i < len; i++)
        receive(u, buf[i], 0);
    i16550_update_irq(u);
}

/* The chardev takes output again. */
static void release(struct i16550 *u)
{
    if (!u->held)
        return;
    u->held = 0;
    u->lsr |= LSR_THRE | LSR_TEMT;
    if (!timer_pending(&u->tx_timer))
        timer_set(&u->tx_timer, bus_now(u->dev.bus) + TICKS_PER_SEC / 100000);
}

static void serial_event(void *opaque, enum chardev_event event)
{
    struct i16550 *u = opaque;
    if (event == CHARDEV_BREAK)
        receive(u, 0, LSR_BI);
    else if (event == CHARDEV_WRITABLE)
        release(u);
    else if (event == CHARDEV_OPENED)
        u->connected = true;
    else if (event == CHARDEV_CLOSED)
        u->connected = true; /* like a null-modem cable: lines stay up, as console users expect */
    update_modem(u);
    i16550_update_irq(u);
}

static const struct chardev_handlers serial_handlers = { serial_can_read, serial_read, serial_event };

/* ---- timers ---- */

static void tx_timer(void *opaque, tick_t now)
{
    struct i16550 *u = opaque;
    (void)now;
    u->thre_pending = true;
    i16550_update_irq(u);
}

static void rx_timer(void *opaque, tick_t now)
{
    struct i16550 *u = opaque;
    (void)now;
    if (u->rx_count)
        u->timeout = true;
    i16550_update_irq(u);
}

static void settle_timer(void *opaque, tick_t now)
{
    struct i16550 *u = opaque;
    (void)now;
    u->settled = true;
    take_input(u);
    i16550_update_irq(u);
}

static void i16550_reset(struct device *dev)
{
    struct i16550 *u = (struct i16550 *)dev;
    clear_rx(u);
    timer_cancel(&u->tx_timer);
    timer_cancel(&u->settle_timer);
    u->ier = u->fcr = u->lcr = u->mcr = u->scr = 0;
    u->lsr = LSR_THRE | LSR_TEMT;
    u->held = u->looks = u->kept_count = 0;
    u->polls = u->settled = false;
    u->msr = modem_lines(u);
    u->divisor = 12;
    u->thre_pending = false;
    i16550_update_irq(u);
    chardev_accept_input(u->chr);
}

static void i16550_post_load(void *obj)
{
    struct i16550 *u = obj;
    u->rx_head %= FIFO;
    if (u->kept_count > FIFO)
        u->kept_count = 0;
    if (u->held && chardev_writable(u->chr)) /* that was another host's reader */
        release(u);
    if (u->rx_count > FIFO)
        u->rx_count = 0;
    i16550_update_irq(u);
}

static const struct state_field i16550_fields[] = { FIELD_BYTES(struct i16550, rx),
                                                    FIELD_BYTES(struct i16550, rx_bad),
                                                    FIELD_U8(struct i16550, rx_head),
                                                    FIELD_U8(struct i16550, rx_count),
                                                    FIELD_U8(struct i16550, ier),
                                                    FIELD_U8(struct i16550, fcr),
                                                    FIELD_U8(struct i16550, lcr),
                                                    FIELD_U8(struct i16550, mcr),
                                                    FIELD_U8(struct i16550, lsr),
                                                    FIELD_U8(struct i16550, msr),
                                                    FIELD_U8(struct i16550, scr),
                                                    FIELD_U16(struct i16550, divisor),
                                                    FIELD_BOOL(struct i16550, thre_pending),
                                                    FIELD_BOOL(struct i16550, timeout),
                                                    FIELD_U8(struct i16550, held),
                                                    FIELD_U8(struct i16550, looks),
                                                    FIELD_BOOL(struct i16550, polls),
                                                    FIELD_BOOL(struct i16550, settled),
                                                    FIELD_TIMER(struct i16550, settle_timer),
                                                    FIELD_BYTES(struct i16550, kept),
                                                    FIELD_U8(struct i16550, kept_count),
                                                    FIELD_TIMER(struct i16550, tx_timer),
                                                    FIELD_TIMER(struct i16550, rx_timer),
                                                    FIELD_END };
static const struct state_desc i16550_state = {
    .name = "i16550", .version = 1, .fields = i16550_fields, .post_load = i16550_post_load
};

struct props {
    uint16_t base;
    struct irq irq;
    struct chardev *chr;
};

static int i16550_init(struct device *dev, const void *props)
{
    static const struct port_ops ops = { i16550_read, i16550_write, 1, 1 };
    struct i16550 *u = (struct i16550 *)dev;
    const struct props *p = props;
    u->irq = p->irq;
    u->chr = p->chr;
    u->connected = true;
    u->divisor = 12;
    u->lsr = LSR_THRE | LSR_TEMT;
    timer_init(&u->tx_timer, dev->bus->clock, "serial tx", tx_timer, u);
    timer_init(&u->rx_timer, dev->bus->clock, "serial rx", rx_timer, u);
    timer_init(&u->settle_timer, dev->bus->clock, "serial settle", settle_timer, u);
    bus_port_add(dev->bus, p->base, 8, &ops, u, dev->name);
    chardev_set_handlers(u->chr, &serial_handlers, u);
    return 0;
}

static void i16550_destroy(struct device *dev)
{
    struct i16550 *u = (struct i16550 *)dev;
    chardev_set_handlers(u->chr, NULL, NULL);
    timer_destroy(&u->tx_timer);
    timer_destroy(&u->rx_timer);
    timer_destroy(&u->settle_timer);
}

static const struct device_class i16550_class = {
    .name = "serial",
    .size = sizeof(struct i16550),
    .init = i16550_init,
    .reset = i16550_reset,
    .destroy = i16550_destroy,
    .state = &i16550_state,
};

struct i16550 *i16550_create(struct bus *bus, uint16_t base, struct irq irq, struct chardev *chr, const char *name)
{
    const struct props props = { base, irq, chr };
    return bus_add_device(bus, &i16550_class, name, &props);
}
