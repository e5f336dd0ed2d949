#!/bin/sh
# tree.sh SRCDIR [OBJDIR]: the shape of the source: which folder includes which (the table in doc/design.md), headers
# that compile alone, the format, lengths of files and lines; and of the objects, if they are given: no variables but
# those of tests/statics.txt. One test a line.
# Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT
objects=$(realpath "${2:-/nowhere}" 2>/dev/null)
cd "$1" || exit 1
bad=0

# Folders with C sources: all there are. The program's own: not what runs in guests or tests.
all=$(find . -mindepth 2 -name '*.[ch]' -not -path './obj/*' -not -path './.*' | cut -d / -f 2 | sort -u)
own=$(echo "$all" | grep -vx -e roms -e tests)

# verdict NAME WHY: a test, which is passed if there is no reason.
verdict() {
    if [ -z "$2" ]; then
        echo "ok - $1"
    else
        bad=1
        echo "FAIL - $1: $2"
    fi
}

# arrow FOLDER ALLOWED: every project #include in FOLDER's files must match ALLOWED.
arrows=
arrow() {
    arrows="$arrows $1"
    [ -d "$1" ] || return
    verdict "includes of $1/" "$(grep -En '^ *# *include "' $(find "$1" -name '*.[ch]') |
        grep -Ev "include \"($2)" | head -n 5)"
}
arrow cpu 'cpu/'
arrow mmu 'mmu/|cpu/'
arrow bt 'bt/|mmu/|cpu/'
arrow lockstep 'lockstep/|mmu/|cpu/'
arrow hw 'hw/|mmu/memmap\.h"|cpu/(base|log|state)\.(h|def)"'
arrow snapshot 'snapshot/|hw/(bus|clock)\.h|hw/block/block\.h|hw/char/chardev\.h|mmu/|cpu/'
arrow debug 'debug/|hw/|lockstep/|bt/|mmu/|cpu/'
arrow vm 'vm/|snapshot/|debug/|hw/|lockstep/|bt/|mmu/|cpu/'
arrow ui 'ui/|vm/|snapshot/|debug/|bt/|hw/|mmu/|cpu/'
verdict "each folder has its place" "$(for f in $own; do case " $arrows " in *" $f "*) ;; *) echo "$f/" ;; esac; done)"

verdict "every header compiles alone" "$(for h in $(find $own -name '*.h'); do
    ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -I. -Wall -Wextra -Werror -x c -fsyntax-only "$h" 2>&1 | head -n 1
done)"

# the other compiler: no warning, and no error
if command -v clang >/dev/null; then
    flags="-std=gnu11 -D_GNU_SOURCE -I. $(pkg-config --cflags sdl2 capstone libseccomp libffi check)"
    flags="-fsyntax-only $flags -DCALLGATE_VERSION=\"x\" -DDATADIR=\"x\" -DROM_DIR=\"x\" -DHAVE_BT -Wall -Wextra"
    verdict "clang has nothing to say" "$(find $own tests/unit tests/snapshot tests/vm \
        -name '*.c' | xargs -P 2 -n 8 clang $flags 2>&1 |
        grep -E 'error|warning' | head -n 3)"
else
    echo "skip - clang has nothing to say: clang is not installed"
fi

if command -v clang-format >/dev/null; then
    verdict "the format is that of .clang-format (make format)" "$(find $all -name '*.[ch]' |
        xargs clang-format --dry-run -Werror 2>&1 | head -n 1)"
else
    echo "skip - the format is that of .clang-format: clang-format is not installed"
fi

verdict "no file is longer than 800 lines" "$(find $all \( -name '*.[chS]' -o -name '*.py' -o -name '*.def' \) |
    xargs wc -l | while read -r n f; do
        [ "$f" = total ] || [ "$n" -le 800 ] || echo "$f ($n)"
    done)"
verdict "no line is longer than 120 columns" "$(find $all Makefile.in \( -name '*.[chS]' -o -name '*.py' \
    -o -name '*.def' -o -name '*.mk' -o -name '*.sh' -o -name '*.in' \) |
    xargs awk 'length > 120 { print FILENAME ":" FNR }' | head -n 5)"

# Variables of the program would be shared by two machines in one process. What is constant after relocation is in
# other sections, which do not count; those of functions do.
if [ -d "$objects/hw" ]; then
    found=$(for f in $own; do
        [ -d "$objects/$f" ] && (cd "$objects" && find "$f" -name '*.o' | xargs objdump -t)
    done | awk '/file format/ { sub(/\.o:.*/, ".c", $1); file = $1 }
        NF > 4 && $(NF - 2) ~ /^(\.t?data|\.t?bss|\*COM\*)/ && $(NF - 2) !~ /^\.data\.rel\.ro/ && / O / {
            sub(/\.[0-9]+$/, "", $NF)
            if ($NF !~ /^__/) # of sanitizers
                print file, $NF
        }' | sort -u | while read -r f name; do [ -f "$f" ] && echo "$f $name"; done) # not what an old build left
    known=$(grep -v -e '^#' -e '^$' tests/statics.txt | awk '{ print $1, $2 }' | sort -u)
    verdict "no variables but those of tests/statics.txt" "$(echo "$found" | grep -vxF -e "$known")"
    verdict "tests/statics.txt lists only what there is" "$(echo "$known" | grep -vxF -e "$found")"
else
    echo "skip - no variables but those of tests/statics.txt: no objects are given"
fi
exit $bad
