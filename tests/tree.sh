#!/bin/sh
# tree.sh SRCDIR: the shape of the source: which folder includes which (the table in doc/design.md),
# headers that compile alone, file lengths. One test a line.
# Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT
cd "$1" || exit 1
bad=0

# arrow FOLDER ALLOWED: every project #include in FOLDER's files must match ALLOWED.
arrow() {
    wrong=$(grep -En '^ *# *include "' $(find "$1" -name '*.[ch]') |
        grep -Ev "include \"($2)" | head -n 5)
    if [ -z "$wrong" ]; then
        echo "ok - includes of $1/"
    else
        bad=1
        echo "FAIL - includes of $1/: not allowed: $wrong"
    fi
}
arrow cpu 'cpu/'
arrow mmu 'mmu/|cpu/'
arrow bt 'bt/|mmu/|cpu/'
arrow lockstep 'lockstep/|mmu/|cpu/'
arrow hw 'hw/|mmu/memmap\.h"|cpu/(base|log|state)\.(h|def)"'
arrow debug 'debug/|hw/|lockstep/|bt/|mmu/|cpu/'
arrow vm 'vm/|debug/|hw/|lockstep/|bt/|mmu/|cpu/'
arrow ui 'ui/|vm/|debug/|bt/|hw/|mmu/|cpu/'

for h in $(find cpu mmu bt lockstep hw debug vm ui -name '*.h'); do
    if out=$(${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -I. -Wall -Wextra -Werror -x c -fsyntax-only "$h" 2>&1); then
        :
    else
        bad=1
        echo "FAIL - $h compiles alone: $(echo "$out" | head -n 1)"
    fi
done
[ $bad = 0 ] && echo "ok - every header compiles alone"

# the other compiler: no warning, and no error
if command -v clang >/dev/null; then
    sdl=$(pkg-config --cflags sdl2 capstone libseccomp libffi check)
    out=$(find cpu mmu bt lockstep hw debug vm ui tests/unit -name '*.c' | xargs -P 2 -n 8 clang -std=gnu11 -D_GNU_SOURCE -I. $sdl -DHAVE_BT \
        -DCALLGATE_VERSION='"x"' -DDATADIR='"x"' -DROM_DIR='"x"' -Wall -Wextra -Werror -fsyntax-only 2>&1 |
        grep -E 'error|warning' | head -n 3)
    if [ -z "$out" ]; then
        echo "ok - clang has nothing to say"
    else
        bad=1
        echo "FAIL - clang: $out"
    fi
else
    echo "skip - clang has nothing to say: clang is not installed"
fi

if command -v clang-format >/dev/null; then
    out=$(find cpu mmu bt lockstep hw debug vm ui roms tests -name '*.[ch]' | xargs clang-format --dry-run -Werror 2>&1 | head -n 1)
    if [ -z "$out" ]; then
        echo "ok - the format is that of .clang-format"
    else
        bad=1
        echo "FAIL - format (make format): $out"
    fi
else
    echo "skip - format: clang-format is not installed"
fi

long=$(find cpu mmu bt lockstep hw debug vm ui roms tests -name '*.[chS]' -o -name '*.py' -o -name '*.def' | xargs wc -l |
    awk '$1 > 1000 && $2 != "total" { print $2 " (" $1 ")" }')
if [ -z "$long" ]; then
    echo "ok - no file is longer than 1000 lines"
else
    bad=1
    echo "FAIL - files longer than 1000 lines:" $long
fi
exit $bad
