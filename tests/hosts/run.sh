#!/bin/sh
# run.sh HOST...: Callgate for hosts of another kind, built with Debian's cross compilers and run by qemu-user:
# the unit tests, a sample of the decoder's, the test guest, the demo, two interpreters in lockstep. Each kind
# of host has a build directory, obj/hosts/HOST. Without the packages (sysroot.sh) or qemu-user its tests are skipped.
# Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT
set -u
here=$(cd "$(dirname "$0")" && pwd)
src=$(cd "$here/../.." && pwd)
bad=0

# suite NAME COMMAND...: passes ok, FAIL and skip lines through, with the host's name.
suite() {
    name=$1
    shift
    timeout -k 5 600 "$@" </dev/null >"$B/$name.log" 2>&1
    rc=$?
    grep -E '^(ok|FAIL|skip) - ' "$B/$name.log" | sed "s/ - / - $host: /"
    if [ $rc = 0 ]; then
        grep -q '^ok - ' "$B/$name.log" || echo "ok - $host: $name"
    else
        bad=1
        grep -q '^FAIL - ' "$B/$name.log" || {
            echo "FAIL - $host: $name: status $rc; see $B/$name.log"
            tail -n 5 "$B/$name.log"
        }
    fi
}

one_host() {
    host=$1
    B=$PWD/obj/hosts/$host
    command -v "qemu-$host" >/dev/null || {
        echo "skip - $host: qemu-$host is not installed (apt install qemu-user)"
        return
    }
    C=$(sh "$here/sysroot.sh" "$host") || {
        echo "skip - $host: its compiler and libraries cannot be had"
        return
    }
    mkdir -p "$B" && cd "$B" || exit 1
    PATH=$C/bin:$PATH
    export PATH
    run="qemu-$host -L $C/root"
    { [ Makefile -nt "$src/configure" ] ||
        "$src/configure" --host="$host-linux-gnu" HOST_RUN="$run"; } >configure.log 2>&1 &&
        make -j"$(nproc)" MODE=rel all check-programs >build.log 2>&1 || {
        bad=1
        echo "FAIL - $host: it builds: see $B/build.log"
        tail -n 5 configure.log build.log
        return
    }
    echo "ok - $host: it builds"
    # the tests start it by name, among the guests that were built with it
    printf '#!/bin/sh\nexec %s %s/obj/rel/callgate "$@"\n' "$run" "$B" >obj/rel/callgate-here
    chmod +x obj/rel/callgate-here
    p=$B/obj/rel/callgate-here
    suite unit env CK_DEFAULT_TIMEOUT=200 CK_TIMEOUT_MULTIPLIER=5 $run obj/rel/tests/unit-tests
    suite decode $run obj/rel/tests/decode -e 5
    suite testrom env ACCEL=interp SLOW=5 python3 "$src/tests/boot/testrom.py" "$p"
    suite demo env ACCEL=interp SLOW=5 python3 "$src/tests/boot/boot.py" "$p" demo
    suite lockstep env ACCEL=lockstep,first=interp SLOW=5 python3 "$src/tests/boot/testrom.py" "$p"
}

[ $# -gt 0 ] || set -- aarch64 s390x
for h in "$@"; do
    (
        one_host "$h"
        exit $bad
    ) || bad=1
done
exit $bad
