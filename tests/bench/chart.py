"""chart.py - draws the benchmark's bar chart: ratios to native on a logarithmic axis, as SVG.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import html
import math

WIDTH = 900
LEFT, RIGHT = 204, 52       # room for the names, and for the figure at the end of the longest bar
TOP = 96
BAR, GAP = 8, 8             # height of a bar, distance between rows
HEAD = 14                   # distance between groups
COLOURS = {"callgate": "#1768b0", "qemu": "#ef8a3c", "bochs": "#a3adb8"}
OTHERS = ("#5aa469", "#8a63b8", "#c2504f")
INK, MUTED, GRID = "#1c2733", "#66727f", "#e3e7eb"
FONT = "'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif"


def figure(x):
    """Three significant digits, no exponent."""
    if x >= 99.5:
        return "%.0f" % x
    return "%.1f" % x if x >= 9.95 else "%.2f" % x


class Canvas:
    def __init__(self, height):
        self.out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" '
                    'font-family="%s">' % (WIDTH, height, WIDTH, height, FONT)]
        self.rect(0, 0, WIDTH, height, "#ffffff", 6)

    def rect(self, x, y, w, h, colour, radius=0):
        self.out.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"%s/>' %
                        (x, y, w, h, colour, ' rx="%g"' % radius if radius else ""))

    def line(self, x, y1, y2, colour, width=1.0):
        self.out.append('<path d="M%.1f %.1fV%.1f" stroke="%s" stroke-width="%g"/>' %
                        (x, y1, y2, colour, width))

    def text(self, x, y, text, size=11.0, colour=INK, anchor="start", bold=False):
        self.out.append('<text x="%.1f" y="%.1f" font-size="%g" fill="%s"%s%s>%s</text>' %
                        (x, y, size, colour, '' if anchor == "start" else ' text-anchor="%s"' % anchor,
                         ' font-weight="bold"' if bold else "", html.escape(text)))

    def done(self):
        return "\n".join(self.out + ["</svg>", ""])


class Axis:
    def __init__(self, values):
        self.low = math.log10(min(values + [1.0])) - 0.02
        if self.low < -0.03:
            self.low -= 0.08    # the figure left of a short bar
        self.high = math.log10(max(values + [10.0]))

    def x(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def ticks(self):
        for decade in range(math.floor(self.low), math.ceil(self.high) + 1):
            for step in (1, 2, 5):
                value = step * 10.0 ** decade
                if self.low <= math.log10(value) <= self.high:
                    yield value, step == 1


def colour_of(series):
    free = iter(OTHERS)
    return {name: COLOURS.get(name.split()[0]) or next(free, MUTED) for name in series}


def draw(title, subtitle, series, groups):
    """SVG of groups [[(row, {series: ratio}, is_mean)]]."""
    rows = [row for members in groups for row in members]
    axis = Axis([v for _, values, _ in rows for v in values.values()])
    row_height = BAR * len(series) + GAP
    bottom = TOP + sum(HEAD + row_height * len(members) for members in groups) - 4
    c = Canvas(bottom + 34)
    colours = colour_of(series)
    c.text(16, 28, title, 17, bold=True)
    c.text(16, 47, subtitle, 11, MUTED)
    x = 16
    for name in series:
        c.rect(x, 60, 12, 12, colours[name], 2)
        c.text(x + 17, 70, name, 11.5)
        x += 38 + 7.5 * len(name)
    for value, whole in axis.ticks():
        c.line(axis.x(value), TOP - 4, bottom, "#c9d0d7" if whole else GRID)
        label = "%g×" % value
        for y in (TOP - 9, bottom + 16):
            c.text(axis.x(value), y, label, 10, INK if whole else MUTED, "middle")
    y = TOP - HEAD + 6
    for members in groups:
        y += HEAD
        for row, values, mean in members:
            if mean:
                c.rect(8, y - GAP / 2, WIDTH - 16, row_height, "#edf2f7", 3)
                for value, whole in axis.ticks():
                    c.line(axis.x(value), y - GAP / 2, y + row_height - GAP / 2,
                           "#c9d0d7" if whole else "#dbe1e7")
            c.text(LEFT - 9, y + (row_height - GAP) / 2 + 4, row, 11, anchor="end", bold=mean)
            for k, who in enumerate(series):
                if who in values:
                    bar(c, axis, y + k * BAR, values[who], colours[who], mean)
            y += row_height
    c.line(axis.x(1), TOP - 4, bottom, INK, 1.4)
    c.text(axis.x(1), bottom + 29, "native", 10, INK, "middle", bold=True)
    c.text(WIDTH - RIGHT, bottom + 29, "time, as a multiple of native: shorter is faster", 10, MUTED, "end")
    return c.done()


def bar(c, axis, y, value, colour, bold):
    one, end = axis.x(1), axis.x(value)
    c.rect(min(one, end), y + 0.5, max(abs(end - one), 1), BAR - 1, colour)
    label = figure(value)
    if value >= 1:
        c.text(end + 3, y + BAR - 1.2, label, 8, INK if bold else MUTED, bold=bold)
    else:
        c.text(end - 3, y + BAR - 1.2, label, 8, INK if bold else MUTED, "end", bold)
