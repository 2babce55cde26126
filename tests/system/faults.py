# SPDX-License-Identifier: GPL-3.0-or-later
"""
Lets every call of the paths fail once; what comes then is looked at as after
a crash.  Run by 63-faults.sh, which made the world in $W.

  faults.py [PATH[/ERRNO]...]

A point is a call site: a call with the whole stack of who called it.  Turns
without a fault tell the sites of a path; then each fails once with each errno
that it may have.  Up to MANY sites are armed for an attempt of the operation.
If it succeeds, all that failed on the way count; if not, what failed last does,
and the others come again: what follows would have hidden what they do.  When
something is wrong each fails by itself.  A site that the same program had in
an earlier path is not done again.

Without $LONG a share of the points, which $SEED chooses; $SHARE says how many
of each path and errno ($LONG: 0 is all of them).  $DONE is a file of what was
done, so that a long run may go on after an end.
"""
import errno
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time

import crash
from crash import Failed, LONG, SEED, W, World, rng

CHANGE, READ, NEW_FD, ALLOC, WAIT = 1, 2, 4, 8, 16
ALL = 31
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
SURVEYS = 3 if LONG else 1  # turns that look for sites
TRIES = 4 if LONG else 2  # turns in which a site may not be reached
ATTEMPTS = 60  # in one turn
FRESH = 100  # turns, after which the world begins anew
MANY = 16
SANE = re.compile(rb"(consent|consentd: error): [^\n]{8,}\n\Z")
AGAIN = 15  # seconds in which it works again by itself
HEAD = struct.Struct(f"5q24sqq{MANY}Qq{MANY}Q40Q")
SITE, SITES = struct.Struct("Qqq24s"), 8192
HEAD_NUMBERS = MANY + 1 + MANY + 40
FIXED = ["setarch", "-R"]  # addresses that are the same in each run
PROGRAM = 0x555555554000  # then it begins here


def number(name):
    return getattr(errno, name.split("-")[0])


def text(b):
    return b.rstrip(b"\0").decode()


class Site:
    def __init__(self, ident, kinds, first, name):
        self.id, self.kinds, self.first, self.name = ident, kinds, first, name
        self.tries = 0


class FaultPoints(crash.Points):
    """struct shared of killpoint.c."""

    def __init__(self, name):
        self.path = f"{W}/{name}.points"
        size = HEAD.size + SITES * SITE.size
        with open(self.path, "wb") as f:
            f.truncate(size)
        with open(self.path, "r+b") as f:
            self.map = crash.mmap.mmap(f.fileno(), size)

    def _write(self, error, kinds, survey, ids):
        ids = [s.id for s in ids]
        head = HEAD.pack(0, 0, 0, error, kinds, b"", survey, len(ids),
                         *ids, *[0] * (HEAD_NUMBERS - len(ids)))
        self.map[8:HEAD.size] = head[8:]
        self.map[0:8] = struct.pack("q", 1)

    def arm(self, sites, error):
        self._write(number(error), ERRORS[error], 0, sites)

    def survey(self, kinds):
        self.map[HEAD.size:] = bytes(len(self.map) - HEAD.size)
        # an errno: what does not count with a fault does not count here
        self._write(errno.EIO, kinds, 1, [])

    def disarm(self):
        self.map[0:8] = struct.pack("q", 0)

    def sites(self):
        return [Site(*s[:3], text(s[3])) for s in SITE.iter_unpack(self.map[HEAD.size:])
                if s[0]]

    def hits(self):
        """What failed, in the order in which it did."""
        numbers = HEAD.unpack(self.map[:HEAD.size])[8:]
        return list(numbers[MANY + 1:MANY + 1 + numbers[MANY]])

    def last(self):
        """What failed last, with addresses in the program for addr2line."""
        head = HEAD.unpack(self.map[:HEAD.size])
        return text(head[5]) + "".join(f" {a - PROGRAM:#x}" for a in head[-40:]
                                       if a >> 40 == PROGRAM >> 40)


class Count:
    """What was seen of one path."""

    def __init__(self):
        self.failed = self.restarts = self.refused = self.turns = 0
        self.missed = self.opens = self.titles = 0
        self.what = ""


class Daemon(crash.Daemon):
    def __init__(self, name, argv):
        super().__init__(name, FIXED + argv)


def settle(d, t, least=0.0):
    """Wait until the operation has ended and nothing more comes of it."""
    calm, seen = 0, -1
    began = time.monotonic()
    while t.is_alive() or calm < 6:
        time.sleep(0.02)
        calm = calm + 1 if d.points.calls() == seen else 0
        seen = d.points.calls()
        if not t.is_alive() and time.monotonic() - began > max(1.5, least):
            break  # what goes on and on is not the operation
        if time.monotonic() - began > 120:
            raise Failed("the operation hangs")
    t.join()


class FaultWorld(World):
    """Looks for what is lost at the end of a path: names tell the turn."""

    checking = False

    def check_opens(self):
        if self.checking:
            super().check_opens()

    def check_sets(self):
        if self.checking:
            super().check_sets()

    def check(self):
        self.checking = True
        super().check()
        self.checking = False


class DaemonPath:
    def __init__(self, w, d, op, count):
        self.w, self.d, self.op, self.count = w, d, op, count
        self.points = d.points

    def begin(self, title):
        self.w.viewing = isinstance(self.op, crash.View)
        self.w.up()  # the view is only there where it is needed
        self.op.prepare(title)
        time.sleep(0.1)  # what goes on behind a prepare is not the operation

    def attempt(self, title):
        """True: it need not be tried again."""
        t = threading.Thread(target=self.op.act, args=(title,))
        t.start()
        settle(self.d, t)
        for d in [self.w.server] + [d for d, _ in self.w.mounts()]:
            if d.dead():
                raise Failed(f"{d.name} ended with {d.proc.returncode}")
        return self.op.succeeded


class VerbPath:
    """A command with its own points; its message is looked at."""

    def __init__(self, w, op, count):
        self.w, self.op, self.count = w, op, count
        self.points = FaultPoints("consent")
        self.env = dict(os.environ, LD_PRELOAD=W + "/killpoint.so",
                        KILLPOINT=self.points.path)

    def begin(self, title):
        self.op.prepare(title)

    def attempt(self, title):
        p = subprocess.run(FIXED + self.op.argv(title), env=self.env,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        self.op.status, self.op.out = p.returncode, p.stdout.decode()
        if p.returncode < 0 or p.returncode > 7:
            raise Failed(f"status {p.returncode}: {p.stderr.decode()}")
        if p.returncode == 0:
            return True
        self.count.refused += 1
        lines = [s for s in p.stderr.splitlines(True) if b": warning: " not in s]
        if not lines or not SANE.match(lines[-1]):
            raise Failed(f"status {p.returncode} and no message: {p.stderr}")
        print(f"{self.count.what}: {lines[-1].decode().strip()}", flush=True)
        # what it told stands, and what makes a folder once may not be repeated
        return bool(self.op.out) or isinstance(self.op, crash.Fresh)


def finish(w, op, title, count):
    """It must be whole again by itself, or else after a new start."""
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


class Done:
    """The points that were done, by program."""

    def __init__(self):
        self.seen, self.file = set(), None
        if os.environ.get("DONE"):
            self.file = open(os.environ["DONE"], "a+", encoding="ascii")
            self.file.seek(0)
            self.seen = {tuple(s.split()[:3]) for s in self.file if " FAILED" not in s}

    def key(self, who, error, site):
        return (who, error, f"{site.id:x}")

    def add(self, who, error, site, *how):
        self.seen.add(self.key(who, error, site))
        if self.file:
            print(*self.key(who, error, site), site.name, *how, file=self.file, flush=True)


def reset(w, name, count):
    if w.mount.proc:
        w.check()
    count.opens += len(w.opens)
    count.titles += len(w.titles)
    afresh(w, name)


def afresh(w, name):
    w.reset()
    crash.cache_size(name)
    w.up()
    crash.run_ok(w.grant_argv("grant"))


def attempt(path, name, error, title, sites, done):
    """Did it succeed?  Which sites have failed, so that it could be seen?"""
    path.points.arm(sites, error)
    path.count.what = f"{title}: {name}/{error}"
    ended = path.attempt(title)
    path.points.disarm()
    hits = path.points.hits()
    if not ended or len(sites) == 1:
        hits = hits[-1:]
    for s in sites:
        if s.id in hits:
            path.count.failed += 1
            done.add(path.who, error, s, "failed", name, title)
    return ended, hits


def turn(w, path, name, error, queue, many, done):
    """
    One operation, begun again with the next faults as long as it fails.  What
    was done leaves the queue; what was not reached goes to its end.
    """
    path.count.turns += 1
    if path.count.turns % FRESH == 0:
        reset(w, name, path.count)
    w.turn += 1
    title = f"t{w.turn}"
    w.up()
    path.begin(title)
    armed = queue[:many]
    for i in range(ATTEMPTS):
        ended, hits = attempt(path, name, error, title, queue[:many], done)
        queue[:] = [s for s in queue if s.id not in hits]
        if i == 0 and hits and not ended:
            armed = []  # the others had no chance
        if ended or not hits or not queue:
            break
    finish(w, path.op, title, path.count)
    for s in [s for s in armed if s in queue]:
        queue.remove(s)
        s.tries += 1
        if s.tries < TRIES:
            queue.append(s)
        else:
            path.count.missed += 1
            done.add(path.who, error, s, "missed", name)


def all_points(w, path, name, error, queue, done):
    """Returns at how many it went wrong."""
    wrong, singly, many = 0, 0, MANY
    while queue:
        before = list(queue)
        try:
            turn(w, path, name, error, queue, many, done)
            singly = max(0, singly - (len(before) - len(queue)))
        except (Failed, subprocess.TimeoutExpired) as e:
            print(f"{'FAILED' if many == 1 else 'wrong'}: {path.count.what}: {e}; "
                  f"last: {path.points.last()}", flush=True)
            path.points.disarm()
            if many == 1:
                wrong += 1
                done.add(path.who, error, before[0], "FAILED", name)
                queue[:] = [s for s in queue if s is not before[0]]
            else:
                queue[:] = before
                singly = MANY
            afresh(w, name)
        many = 1 if singly > 0 else MANY
    return wrong


def find_sites(w, path, name):
    """Turns without a fault."""
    found = {}
    kinds = ALL if os.environ["ALLOC"] else ALL - ALLOC
    for _ in range(SURVEYS):
        w.turn += 1
        title = f"t{w.turn}"
        path.begin(title)
        path.points.survey(kinds)
        path.count.what = f"{title}: without a fault"
        if not path.attempt(title):
            raise Failed("it fails without a fault")
        path.points.disarm()
        for s in path.points.sites():
            if s.id in found:
                found[s.id].kinds |= s.kinds
            else:
                found[s.id] = s
        finish(w, path.op, title, path.count)
    return sorted(found.values(), key=lambda s: s.first)


def chosen(sites, error, who, done):
    """Those of this errno; a share of them, or what is not done yet."""
    mine = [s for s in sites if s.kinds & ERRORS[error]]
    new = [s for s in mine if done.key(who, error, s) not in done.seen]
    if SHARE:
        new = [new[i] for i in sorted(rng.sample(range(len(new)), min(SHARE, len(new))))]
    return len(mine), new


def one_path(w, name, errors, done):
    who, kind = crash.POINTS[name]
    count = Count()
    reset(w, name, count)
    op = kind(w)
    daemon = {"consentfs": w.mount, "view": w.view, "consentd": w.server}.get(who)
    path = DaemonPath(w, daemon, op, count) if daemon else VerbPath(w, op, count)
    path.who = who
    sites = find_sites(w, path, name)
    print(name, *(f"{e}:{len(s)}/{n}" for e in errors
                  for n, s in [chosen(sites, e, who, done)]), flush=True)
    failed = 0
    for error in errors:
        began = time.monotonic()
        count.failed = count.refused = count.restarts = count.missed = count.turns = 0
        total, queue = chosen(sites, error, who, done)
        before = total - len(queue)
        here = all_points(w, path, name, error, queue, done)
        w.check()
        failed += here
        print(f"figure: {name}: {who}: {error} at {count.failed} of {total} sites"
              + (f", {before} of them done before" if not SHARE else "")
              + f", not reached {count.missed}: "
              f"wrong {here} of {count.failed}, refused {count.refused}, opens not on the "
              f"ledger 0 of {count.opens + len(w.opens)}, sets lost 0 of "
              f"{count.titles + len(w.titles)}, started again {count.restarts} of "
              f"{count.failed} ({time.monotonic() - began:.0f} s)", flush=True)
    w.check_strays()
    w.check_chain()
    return failed


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    crash.Points, crash.Daemon = FaultPoints, Daemon
    w = FaultWorld()
    for at in (crash.MNT, crash.VIEW):
        os.makedirs(at, exist_ok=True)
    errors = [e for e in ERRORS if e != "ENOMEM" or os.environ["ALLOC"]]
    failed, done = 0, Done()
    try:
        for i, name in enumerate(crash.POINTS):
            mine = errors if LONG else [errors[(i + SEED) % len(errors)]]
            if sys.argv[1:]:
                mine = [e for e in errors for a in sys.argv[1:]
                        if a in (name, f"{name}/{e}", f"*/{e}")]
            if not mine:
                continue
            print(f"== {name} {' '.join(mine)}", flush=True)
            try:
                failed += one_path(w, name, mine, done)
            except (Failed, subprocess.TimeoutExpired) as e:
                print(f"FAILED: {name}: {e} (SEED={SEED} SHARE={SHARE})", flush=True)
                failed += 1
        w.down()
    finally:
        w.kill()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
