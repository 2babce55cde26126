# SPDX-License-Identifier: GPL-3.0-or-later
"""
Lets every call of the paths fail once; what comes then is looked at as after
a crash.  Run by 63-faults.sh, which made the world in $W.

  faults.py [PATH[/ERRNO]...]

Without $LONG a share of the points, which $SEED chooses; $SHARE says how many
of each path and errno ($LONG: 0 is all of them).
"""
import errno
import os
import re
import struct
import subprocess
import sys
import threading
import time

import crash
from crash import Failed, LONG, SEED, W, World, rng, until

CHANGE, READ, NEW_FD, ALLOC, WAIT = 1, 2, 4, 8, 16
# which calls may fail so; an allocation fails by itself
ERRORS = {
    "EIO": CHANGE | READ,
    "ENOSPC": CHANGE,
    "EINTR": CHANGE | READ | NEW_FD,
    "EINTR-wait": WAIT,
    "EMFILE": NEW_FD,
    "ENOMEM": ALLOC,
}
SHARE = int(os.environ.get("SHARE") or (0 if LONG else 2))
MANY = int(os.environ.get("MANY") or 100)  # of what comes without an end
SANE = re.compile(rb"(consent|consentd: error): [^\n]{8,}\n\Z")
AGAIN = 15  # seconds in which it works again by itself


class FaultPoints(crash.Points):
    def __init__(self, name):
        self.path = f"{W}/{name}.points"
        with open(self.path, "wb") as f:
            f.write(bytes(64))
        with open(self.path, "r+b") as f:
            self.map = crash.mmap.mmap(f.fileno(), 64)

    def arm(self, at, error=0, kinds=0):
        self.map[8:64] = struct.pack("4q24s", 0, at, error, kinds, b"")
        self.map[0:8] = struct.pack("q", 1)

    def disarm(self):
        self.map[0:8] = struct.pack("q", 0)

    def hit(self):
        """The call that failed."""
        return self.map[40:64].rstrip(b"\0").decode() or "none"


def number(name):
    return getattr(errno, name.split("-")[0])


class Count:
    """What was seen of one path and errno."""

    def __init__(self):
        self.failed = self.restarts = self.refused = 0
        self.what = ""


def exit_in_time(t):
    t.join(120)
    if t.is_alive():
        raise Failed("the operation hangs")


def act(w, op, title, points):
    """Do it, and wait until nothing more comes of it."""
    t = threading.Thread(target=op.act, args=(title,))
    t.start()
    calm, seen = 0, -1
    began = time.monotonic()
    while t.is_alive() or calm < 8:
        time.sleep(0.02)
        calm = calm + 1 if points.calls() == seen else 0
        seen = points.calls()
        if not t.is_alive() and time.monotonic() - began > 2:
            break  # what goes on and on is not the operation
    exit_in_time(t)
    return seen


def finish(w, op, title, count):
    """It must be whole again by itself, or else after a new start."""
    for d in (w.mount, w.server):
        if d.dead():
            raise Failed(f"{d.name} ended with {d.proc.returncode}")
    wait, crash.WAIT = crash.WAIT, AGAIN
    try:
        op.finish(title)
    except Failed as e:
        crash.WAIT = wait
        count.restarts += 1
        print(f"{count.what}: not by itself: {e}", flush=True)
        w.down()
        w.up()
        op.finish(title)
    finally:
        crash.WAIT = wait


def daemon_turn(w, d, op, at, name, count):
    w.turn += 1
    title = f"t{w.turn}"
    w.up()
    op.prepare(title)
    time.sleep(0.1)  # what goes on behind a prepare is not the operation
    d.points.arm(at, number(name), ERRORS[name])
    seen = act(w, op, title, d.points)
    d.points.disarm()
    count.what = f"{title}: {name} at {at}, {d.points.hit()}"
    finish(w, op, title, count)
    return seen


def verb_turn(w, points, op, at, name, count):
    """A command with its own points; its message is looked at."""
    w.turn += 1
    title = f"t{w.turn}"
    w.up()
    op.prepare(title)
    points.arm(at, number(name), ERRORS[name])
    env = dict(os.environ, LD_PRELOAD=W + "/killpoint.so", KILLPOINT=points.path)
    p = subprocess.run(op.argv(title), env=env, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=120)
    seen = points.calls()
    points.disarm()
    count.what = f"{title}: {name} at {at}, {points.hit()}"
    op.status, op.out = p.returncode, p.stdout.decode()
    if p.returncode < 0 or p.returncode > 7:
        raise Failed(f"status {p.returncode}: {p.stderr.decode()}")
    if p.returncode != 0:
        count.refused += 1
        lines = [s for s in p.stderr.splitlines(True) if b": warning: " not in s]
        if not lines or not SANE.match(lines[-1]):
            raise Failed(f"status {p.returncode} and no message: {p.stderr}")
        print(f"{count.what}: {lines[-1].decode().strip()}", flush=True)
    finish(w, op, title, count)
    return seen


def chosen(total, error):
    share = SHARE or (MANY if error == "EINTR-wait" else total)
    return sorted(rng.sample(range(1, total + 1), min(share, total)))


def one_error(w, name, who, op, error):
    count = Count()
    if who == "consent":
        points = FaultPoints("consent")
        turn = lambda at: verb_turn(w, points, op, at, error, count)
    else:
        d = w.mount if who == "consentfs" else w.server
        turn = lambda at: daemon_turn(w, d, op, at, error, count)
    began = time.monotonic()
    total = turn(1 << 40)  # never reached
    for at in chosen(total, error):
        try:
            turn(at)
        except Failed as e:
            raise Failed(f"{name}/{error} at {at}: {count.what}: {e}")
        count.failed += 1
        if count.failed % 100 == 0:
            w.check()
    w.check()
    print(f"figure: {name}: {who}: {error} at {count.failed} of {total} calls: "
          f"ended 0 of {count.failed}, refused {count.refused}, opens not on the "
          f"ledger 0 of {len(w.opens)}, sets lost 0 of {len(w.titles)}, started "
          f"again {count.restarts} of {count.failed} "
          f"({time.monotonic() - began:.0f} s)", flush=True)


def path(w, name, error):
    who, kind = crash.POINTS[name]
    w.reset()
    crash.cache_size(name)
    w.up()
    crash.run_ok(w.grant_argv("grant"))
    one_error(w, name, who, kind(w), error)
    w.check_strays()
    w.check_chain()


def tried(w, name, error):
    print(f"== {name} {error}", flush=True)
    try:
        path(w, name, error)
        return True
    except Failed as e:
        print(f"FAILED: {e} (SEED={SEED} SHARE={SHARE})", flush=True)
        return False


def main():
    crash.Points = FaultPoints
    w = World()
    os.makedirs(crash.MNT, exist_ok=True)
    errors = [e for e in ERRORS if e != "ENOMEM" or os.environ["ALLOC"]]
    failed = 0
    try:
        for i, name in enumerate(crash.POINTS):
            mine = errors if LONG else [errors[(i + SEED) % len(errors)]]
            if sys.argv[1:]:
                mine = [e for e in errors for a in sys.argv[1:]
                        if a in (name, f"{name}/{e}", f"*/{e}")]
            for error in mine:
                failed += not tried(w, name, error)
        w.down()
    finally:
        w.mount.kill()
        w.server.kill()
        subprocess.run(["umount", "-l", crash.MNT], stderr=subprocess.DEVNULL)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
