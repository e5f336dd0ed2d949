#!/bin/sh
# sysroot.sh HOST: what it takes to build and run Callgate for another kind of host, aarch64 or s390x: a cross
# compiler and the host's libraries, as Debian packages unpacked into a cache (HOSTS, default
# ~/.cache/callgate/hosts). Prints the directory that holds bin/HOST-linux-gnu-{gcc,ar,pkg-config} and root.
# Packages are not installed, as Debian's cross compilers and gcc-multilib, which guests need, exclude each
# other; apt works with its own lists, the host's dpkg state is not touched.
# Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT
set -eu

case "${1:-}" in
aarch64) deb=arm64 ;;
s390x) deb=s390x ;;
*)
    echo "usage: sysroot.sh aarch64|s390x" >&2
    exit 1
    ;;
esac
host=$1
C=${HOSTS:-${XDG_CACHE_HOME:-$HOME/.cache}/callgate/hosts}/$host
T=$host-linux-gnu

retry() {
    for try in 1 2 3; do
        "$@" && return 0
        sleep $((try * 3))
    done
    return 1
}

# unpack KIND ARCHITECTURE PACKAGE...: the packages with what they depend on, below $C/KIND.
unpack() {
    kind=$1
    arch=$2
    shift 2
    mkdir -p "$C/$kind.apt/lists/partial" "$C/$kind.apt/archives/partial" "$C/$kind"
    O="-qq -y -o APT::Architecture=$arch -o APT::Architectures::=$arch -o Dir::State::Lists=$C/$kind.apt/lists
       -o Dir::Cache=$C/$kind.apt -o Dir::State::status=/dev/null -o APT::Sandbox::User=root
       -o Debug::NoLocking=1"
    retry apt-get $O update
    retry apt-get $O --no-install-recommends --download-only install "$@"
    for f in "$C/$kind.apt"/archives/*.deb; do
        case "${f##*/}" in
        libllvm* | libgl1-mesa-dri* | libicu* | perl*) ;; # never loaded
        *) dpkg-deb -x "$f" "$C/$kind" ;;
        esac
    done
    rm -rf "$C/$kind.apt"
}

fetch() {
    rm -rf "$C"
    unpack cross "$(dpkg --print-architecture)" "gcc-12-$T"
    unpack root "$deb" libc6-dev libcapstone-dev libsdl2-dev libseccomp-dev libffi-dev check
}

mkdir -p "${C%/*}"
[ -e "$C/done" ] || fetch </dev/null >"${C%/*}/$host.log" 2>&1 || {
    tail -n 3 "${C%/*}/$host.log" >&2
    exit 1
}

# The compiler finds its own parts by where it lies, but not the assembler's and the linker's libraries.
mkdir -p "$C/bin"
libraries=$C/cross/usr/lib/$(gcc -dumpmachine)
cat >"$C/bin/$T-gcc" <<END
#!/bin/sh
LD_LIBRARY_PATH=$libraries exec "$C/cross/usr/bin/$T-gcc-12" --sysroot="$C/root" "\$@"
END
cat >"$C/bin/$T-ar" <<END
#!/bin/sh
LD_LIBRARY_PATH=$libraries exec "$C/cross/usr/bin/$T-ar" "\$@"
END
cat >"$C/bin/$T-pkg-config" <<END
#!/bin/sh
PKG_CONFIG_SYSROOT_DIR=$C/root PKG_CONFIG_PATH= \\
PKG_CONFIG_LIBDIR=$C/root/usr/lib/$T/pkgconfig:$C/root/usr/share/pkgconfig exec pkg-config "\$@"
END
chmod +x "$C/bin/$T-gcc" "$C/bin/$T-ar" "$C/bin/$T-pkg-config"
touch "$C/done"
echo "$C"
