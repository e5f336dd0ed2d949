#!/usr/bin/env python3
"""signals.py PROGRAM [-n N] [-s SEED] [-m MS]: SIGTERM, SIGINT, SIGHUP and the monitor's quit at N random moments end
whatever the guest does, under every engine, with status 0, with the terminal's socket gone and no message. -m: also
fail if one took longer than MS milliseconds (a figure for a quiet host; without it the limit only tells an end from
none).

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import argparse
import concurrent.futures
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import bootsector  # noqa: E402

ENGINES = [
    ["-accel", "bt"],
    ["-accel", "bt,heat=0"],
    ["-accel", "bt,heat=0,direct=force"],
    ["-accel", "bt", "-icount", "shift=3"],
    ["-accel", "interp"],
    ["-accel", "interp", "-icount", "shift=0"],
    ["-accel", "lockstep"],
]
QUIT = None
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, QUIT]
SLOW = float(os.environ.get("SLOW", "1"))


def one(program, guest, image, engine, sig, moment, directory):
    """Returns (seconds it took to end, what was wrong or None)."""
    sock = os.path.join(directory, "s%x" % random.getrandbits(64))
    command = [program, "-m", "8", "-fda", image, "-snapshot", "-display", "none", "-serial", "null",
               "-monitor", "unix:%s,server,nowait" % sock] + engine
    p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    end = time.monotonic() + 20 * SLOW
    while not os.path.exists(sock) and p.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
    time.sleep(moment)
    begin = time.monotonic()
    client = socket.socket(socket.AF_UNIX)
    if sig is QUIT:
        while True: # the path is there a moment before anybody listens
            try:
                client.connect(sock)
                client.sendall(b"quit\n")
                break
            except OSError as e:
                if p.poll() is not None or time.monotonic() > end:
                    p.kill()
                    return 0, "no monitor: %s; %s" % (e, p.communicate()[0].decode("utf-8", "replace"))
                time.sleep(0.002)
        begin = time.monotonic()
    else:
        p.send_signal(sig)
    try:
        out, _ = p.communicate(timeout=20 * SLOW)
    except subprocess.TimeoutExpired:
        p.kill()
        p.communicate()
        return 0, "does not end"
    finally:
        client.close()
    took = time.monotonic() - begin
    # a signal while the machine is still being put together ends it at once
    if p.returncode not in (0, -(sig or 0)) or out.strip():
        return took, "status %d: %s" % (p.returncode, out.decode("utf-8", "replace").strip()[-2000:])
    if p.returncode == 0 and os.path.exists(sock):
        return took, "its socket is still there"
    return took, None


def main():
    a = argparse.ArgumentParser()
    a.add_argument("program")
    a.add_argument("-n", type=int, default=1000)
    a.add_argument("-s", type=int, default=1)
    a.add_argument("-m", type=float, default=0)
    o = a.parse_args()
    rng = random.Random(o.s)
    times = {}
    bad = {}
    with tempfile.TemporaryDirectory(prefix="callgate-test-") as d:
        for name, image in bootsector.BUSY.items():
            with open(os.path.join(d, name + ".img"), "wb") as f:
                f.write(image)
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            jobs = {}
            for _ in range(o.n):
                guest = rng.choice(list(bootsector.BUSY))
                engine = rng.choice(ENGINES)
                sig = rng.choice(SIGNALS)
                moment = rng.choice([rng.random() * 0.02, rng.random() * 0.3, 0.1 + rng.random() * 0.3])
                job = pool.submit(one, o.program, guest, os.path.join(d, guest + ".img"), engine, sig, moment, d)
                jobs[job] = (guest, " ".join(engine[1:]), sig.name if sig else "quit")
            for job in concurrent.futures.as_completed(jobs):
                guest, engine, sig = jobs[job]
                took, wrong = job.result()
                times.setdefault(engine, []).append(took)
                if not wrong and o.m and took * 1000 > o.m:
                    wrong = "took %.0f ms" % (took * 1000)
                if wrong and sum(map(len, bad.values())) >= 10:
                    pool.shutdown(wait=False, cancel_futures=True)
                    break
                if wrong:
                    bad.setdefault(engine, []).append("%s in '%s': %s" % (sig, guest, wrong))
    for engine in sorted(times):
        t = sorted(times[engine])
        figures = "%d signals, median %.0f ms, longest %.0f ms" % (len(t), t[len(t) // 2] * 1000, t[-1] * 1000)
        if engine in bad:
            print("FAIL - signals: %s: %d wrong, the first: %s (%s)" %
                  (engine, len(bad[engine]), bad[engine][0], figures))
        else:
            print("ok - signals: %s (%s)" % (engine, figures))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
