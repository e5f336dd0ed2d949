#!/bin/sh
# chroot.sh SRCDIR [packages]: what newcomers do, in a Debian 12 with nothing but its base system: run, then check;
# check, then run; each twice. And the packages: built, installed, tried, taken away. One test a line. Needs root,
# debootstrap and the Debian archive; without the first two everything is skipped.
# Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT
src=$(cd "$1" && pwd) || exit 1
suite=bookworm
bad=0

if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
    echo "skip - setup: root and debootstrap are needed"
    exit 0
fi
work=$(mktemp -d /var/tmp/callgate-setup-XXXXXX)
cleanup() {
    umount "$work"/*/proc 2>/dev/null
    for s in "$work"/*/sys; do umount -R "$s" 2>/dev/null; done
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

# The base system is kept for the next time.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/callgate
base=$cache/debian-$suite-base.tar
if [ ! -f "$base" ]; then
    mkdir -p "$cache" "$work/base"
    if ! debootstrap --variant=minbase $suite "$work/base" >"$work/log" 2>&1; then
        tail -n 3 "$work/log"
        echo "FAIL - setup: debootstrap"
        exit 1
    fi
    tar c -C "$work/base" . >"$base.new" && mv "$base.new" "$base"
    rm -rf "$work/base"
fi

# fresh NAME: a new system in $work/NAME with the sources in /callgate.
fresh() {
    root=$work/$1
    mkdir -p "$root" && tar x -C "$root" -f "$base" || return 1
    cp -r /etc/apt/apt.conf.d /etc/apt/sources.list* "$root/etc/apt/"
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    mount -t proc proc "$root/proc" && mount --rbind /sys "$root/sys" && mount --make-rslave "$root/sys" || return 1
    mkdir "$root/callgate"
    if git -C "$src" rev-parse -q --verify HEAD >/dev/null 2>&1; then
        (cd "$src" && git ls-files -z | tar c --null -T -) | tar x -C "$root/callgate"
    else
        tar c -C "$src" --exclude=./obj . | tar x -C "$root/callgate"
    fi
}

# in_it COMMAND: there, with an environment that tells nothing of this one.
in_it() {
    env -i HOME=/root LANG=C PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb CI="${CI:-}" \
        timeout 1500 chroot "$root" sh -c "cd /callgate && $1" >"$work/log" 2>&1
}

result() {
    if [ "$1" = 0 ]; then
        echo "ok - setup: $2"
    else
        echo "FAIL - setup: $2: status $1"
        tail -n 15 "$work/log" | cut -c1-200
        bad=1
    fi
}

remove() {
    umount "$root/proc"
    umount -R "$root/sys"
    rm -rf --one-file-system "$root"
}

run="printf 'cpu\npoweroff\n' | ./bootstrap run"
check="./bootstrap check check-quick"
[ "${2:-}" = packages ] && orders= || orders=all
for order in ${orders:+"run run check check" "check check run run"}; do
    fresh order || { result $? "a base system"; break; }
    done=
    for step in $order; do
        eval "command=\$$step"
        in_it "$command"
        result $? "$step, after: ${done:-nothing}"
        done="$done $step"
    done
    remove
done

# The packages. The first system has what building needs, the second nothing.
if fresh builder; then
    in_it "./bootstrap deps && apt-get install -y -qq --no-install-recommends build-essential debhelper gcc-multilib &&
        ./configure && make deb"
    result $? "make deb"
    cp "$root"/callgate/obj/deb/*.deb "$work/" 2>/dev/null
    remove
fi
if fresh user; then
    cp "$work"/*.deb "$root/root/" 2>/dev/null
    in_it "apt-get update -qq && apt-get install -y -qq --no-install-recommends /root/callgate_*.deb"
    result $? "the package is installed"
    in_it "cd / && sh /callgate/debian/tests/demo"
    result $? "the installed program runs the installed demo"
    in_it "apt-get install -y -qq --no-install-recommends /root/libcallgate-dev_*.deb gcc pkg-config"
    result $? "the library is installed"
    in_it "cd / && sh /callgate/debian/tests/library"
    result $? "a program with the installed library runs a machine"
    in_it "apt-get purge -y -qq callgate libcallgate-dev &&
        test -z \"\$(find / \( -path /proc -o -path /callgate -o -path /root \) -prune -o -name '*callgate*' -print)\""
    result $? "nothing is left when they are gone"
    remove
fi
exit $bad
