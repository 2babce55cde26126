# SPDX-License-Identifier: GPL-3.0-or-later
"""
Power loss.  A workload runs on a file system whose device logs each write and
flush (qemu's blklogwrites); what the programs acknowledged is noted with the
length of the log then.  Afterwards the disk is made anew as it may have been
at a power cut: all writes up to a flush, and any of the writes since, torn
ones among them.  On each such disk the daemons start, and everything that had
been acknowledged before that flush must be there.  Run by 62-power.sh.

  power.py work             run the workload in $W, write $W/acks
  power.py states [NUMBER]  check NUMBER states (none: all flushes and $SUBSETS
                            subsets after each)

$SEED chooses states and subsets.
"""
import json, os, random, shutil, signal, struct, subprocess, sys, time

from crash import (BUILD, MNT, SEED, W, Failed, World, ask_json, consent,
                   run_ok, until)

FLUSH, FUA, DISCARD = 1, 2, 4
SECTOR = 512
SUBSETS = int(os.environ.get("SUBSETS") or 1)


# ---- the workload ----

def log_length():
    with open(W + "/ram/log.img", "rb") as f:
        return struct.unpack("<Q", f.read(24)[16:])[0]


class Workload:
    def __init__(self, w):
        self.w = w
        self.acks = []

    def ack(self, kind, **what):
        """After the acknowledgement, so that the log is not too short."""
        self.acks.append(dict(what, kind=kind, log=log_length()))

    def begin(self, kind, **what):
        """From now on it may be there, though nobody was told."""
        self.acks.append(dict(what, kind=kind, log=log_length()))

    def publish(self, title, size):
        self.w.publish(title, size)
        self.ack("set", title=title, id=self.w.titles[title])

    def grant(self, title):
        run_ok(consent("ann", "grant", "--to", "Clinic B", "--set",
                       self.w.titles[title], "--until", "1d"))
        self.ack("grant", title=title)

    def open(self, title):
        until(title + " in the mount", lambda: self.w.find(title))
        fd = until("to open " + title, lambda: self.w.open(title))
        self.ack("open", app=list(self.w.opens)[-1])
        return fd

    def revoke(self, title):
        self.begin("revoking", title=title)
        run_ok(consent("ann", "revoke", "--to", "Clinic B", "--set",
                       self.w.titles[title]))
        self.ack("revoke", title=title)

    def ask(self, reason):
        run_ok(consent("b1", "ask", "--patient", "Ann", "--reason", reason))
        self.ack("ask", reason=reason)

    def register(self, name):
        run_ok(consent(name, "keygen", "--roots", W + "/rms/client.conf",
                       "--unprotected"))
        card = json.loads(run_ok(consent(name, "register", "--json")))
        shutil.copytree(f"{W}/{name}", f"{W}/kept/{name}")
        shutil.rmtree(f"{W}/kept/{name}/cards")
        self.ack("card", name=name, words=card["words"])

    def journal(self, records):
        """Segments begin and go: in the mount's own journal that is rare."""
        p = subprocess.Popen([BUILD + "/journalist", W + "/disk/segments",
                              "append", str(records)], stdout=subprocess.PIPE)
        for line in p.stdout:
            self.ack("record", seq=int(line))
        if p.wait() != 0:
            raise Failed("the journalist failed")

    def run(self, rounds):
        self.journal(60)
        for i in range(rounds):
            title = f"p{i}"
            self.publish(title, (3000, 40000, 2300000)[i % 3])
            self.grant(title)
            for _ in range(3):
                with os.fdopen(self.open(title), "rb") as f:
                    f.read()
            if i % 3 == 1:
                self.ask(f"reason {i}")
                self.revoke(title)
            if i % 3 == 2:
                self.register(f"patient{i}")


def work():
    w = World()
    os.makedirs(W + "/kept")
    os.makedirs(MNT)
    try:
        w.up()
        load = Workload(w)
        load.run(int(os.environ.get("ROUNDS") or 4))
        w.down()
    finally:
        w.mount.kill()
        w.server.kill()
    with open(W + "/acks", "w") as f:
        json.dump({"acks": load.acks, "attempts": sorted(w.attempts)}, f)
    print(f"{len(load.acks)} acknowledgements, {log_length()} log entries")


# ---- the log ----

class Log:
    """The format of dm-log-writes."""

    def __init__(self, path):
        self.f = open(path, "rb")
        magic, version, n, sector = struct.unpack("<QQQI", self.f.read(28))
        if magic != 0x6a736677736872 or version != 1:
            raise Failed("not a log of writes: " + path)
        self.entries, at = [], sector
        for _ in range(n):
            self.f.seek(at)
            where, count, flags, _ = struct.unpack("<QQQQ", self.f.read(32))
            at += sector
            self.entries.append((where * sector, count * sector, flags, at))
            at += 0 if flags & DISCARD else count * sector

    def flushes(self):
        return [i for i, e in enumerate(self.entries) if e[2] & FLUSH]

    def put(self, i, image, part=lambda at: True):
        """Write entry ${i}, or the sectors of it that ${part} says."""
        where, length, flags, at = self.entries[i]
        if flags & DISCARD or length == 0:
            return
        self.f.seek(at)
        data = self.f.read(length)
        for off in range(0, length, SECTOR):
            if part(off):
                image.seek(where + off)
                image.write(data[off:off + SECTOR])


# ---- one state ----

class Disk:
    """The image ${path} at $W/disk."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.loop = subprocess.run(["losetup", "-f", "--show", self.path],
                                   stdout=subprocess.PIPE, check=True
                                   ).stdout.decode().strip()
        try:
            subprocess.run(["mount", self.loop, W + "/disk"], check=True)
        except subprocess.CalledProcessError:
            subprocess.run(["losetup", "-d", self.loop])
            raise Failed("the file system cannot be mounted")

    def __exit__(self, *_):
        until("the disk to be free", lambda: subprocess.run(
            ["umount", W + "/disk"], stderr=subprocess.DEVNULL
        ).returncode == 0, 10)
        subprocess.run(["losetup", "-d", self.loop])


def due(acks, kind):
    return [a for a in acks if a["kind"] == kind]


def check_opens(due_apps, attempts):
    def missing():
        apps = [i.get("app") for i in ask_json("ann", "history")
                if i["kind"] == "access"]
        if len(apps) != len(set(apps)):
            raise Failed(f"recorded twice: {sorted(apps)}")
        return set(due_apps) - set(apps)
    try:
        until("every open on the ledger", lambda: not missing(), 20)
    except Failed:
        raise Failed(f"opens are lost: {sorted(missing())}")


def check_read(w, title):
    until("to read " + title, lambda: w.is_read(title), 20)


def check_state(w, acks, done):
    """${acks}: what must be there; ${done}: the whole workload's."""
    for a in due(acks, "record")[-1:]:
        run_ok([BUILD + "/journalist", W + "/disk/segments", "check",
                str(a["seq"])])
    w.up()
    check_opens([a["app"] for a in due(acks, "open")], done["attempts"])
    listed = [s["set"] for s in ask_json("ann", "sets")]
    for a in due(acks, "set"):
        if listed.count(a["id"]) != 1:
            raise Failed(f"set {a['title']}: {listed.count(a['id'])} times")
    revoked = {a["title"] for a in due(done["acks"], "revoking")}
    for a in due(acks, "grant"):
        if a["title"] not in revoked:
            check_read(w, a["title"])
    for a in due(acks, "revoke"):
        until("no more read of " + a["title"],
              lambda: w.read(a["title"]) is None, 20)
    reasons = [i.get("reason") for i in ask_json("ann", "inquiries")]
    for a in due(acks, "ask"):
        if a["reason"] not in reasons:
            raise Failed("a request is lost: " + a["reason"])
    for a in due(acks, "card"):
        home = f"{W}/again"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(f"{W}/kept/{a['name']}", home)
        if ask_json("again", "register")["words"] != a["words"]:
            raise Failed("the key of a patient is lost: " + a["name"])


def servers_disk(final):
    """consentd's folder is on the disk, or was on another one without harm."""
    os.remove(W + "/rms")
    if not final:
        os.symlink("disk/rms", W + "/rms")
        return
    shutil.rmtree(W + "/rms-now", ignore_errors=True)
    subprocess.run(["cp", "-a", W + "/rms-final", W + "/rms-now"], check=True)
    os.symlink("rms-now", W + "/rms")


def check_goes_on(w):
    """What is new is taken: no number or time is used a second time."""
    w.publish("new")
    run_ok(consent("ann", "grant", "--to", "Clinic B", "--set",
                   w.titles["new"], "--until", "1d"))
    check_read(w, "new")
    w.check_opens()


def try_state(image, final, acks, done):
    w = World()
    w.attempts = set(done["attempts"])
    with Disk(image):
        servers_disk(final)
        try:
            check_state(w, acks, done)
            if final:
                check_goes_on(w)
        finally:
            w.mount.kill()
            w.server.kill()
            subprocess.run(["umount", "-l", MNT], stderr=subprocess.DEVNULL)


# ---- all states ----

def subset(log, first, end, image, rng):
    """Any of the writes of ${first} to ${end}, up to a cut."""
    cut = rng.randint(first, end)
    for i in range(first, cut):
        if log.entries[i][2] & FUA:
            log.put(i, image)
            continue
        kind = rng.random()
        if kind < 0.45:
            log.put(i, image)
        elif kind < 0.6:  # torn
            seed = rng.random()
            log.put(i, image, lambda off: random.Random(
                f"{seed} {off}").random() < 0.5)


def plan(log, number):
    """
    (flush, number of subset or -1: none, did only the clients lose power), in
    the order of the log.
    """
    rng = random.Random(SEED)
    all_states = [(i, k, rng.random() < 0.2)
                  for i in log.flushes() for k in range(-1, SUBSETS)]
    if number and number < len(all_states):
        all_states = sorted(rng.sample(all_states, number))
    return all_states


def states(number):
    log = Log(W + "/ram/log.img")
    with open(W + "/acks") as f:
        done = json.load(f)
    flushes = log.flushes()
    todo = plan(log, number)
    now, state = W + "/ram/now.img", W + "/ram/state.img"
    shutil.copyfile(W + "/ram/before.img", now)
    at, n, records, began = 0, 0, 0, time.monotonic()
    for flush, k, final in todo:
        with open(now, "r+b") as f:
            for i in range(at, flush):
                log.put(i, f)
        at = max(at, flush)
        subprocess.run(["cp", "--sparse=always", now, state], check=True)
        if k >= 0:
            end = next((i for i in flushes if i > flush), len(log.entries))
            with open(state, "r+b") as f:
                subset(log, flush + 1, end, f,
                       random.Random(f"{SEED} {flush} {k}"))
        acks = [a for a in done["acks"] if a["log"] <= flush + 1]
        try:
            try_state(state, final, acks, done)
        except Failed as e:
            raise Failed(f"flush {flush}, subset {k}, {final}: {e}")
        n += 1
        records += len(acks)
        if n % 100 == 0:
            print(f"{n} of {len(todo)} states, "
                  f"{time.monotonic() - began:.0f} s", flush=True)
    prefixes = sum(k < 0 for _, k, _ in todo)
    clients = sum(final for _, _, final in todo)
    print(f"figure: {n} states of a disk after power loss ({prefixes} after a "
          f"flush, {n - prefixes} with some of the writes since; {clients} of them "
          f"with the server unharmed) of "
          f"{len(flushes)} flushes and {len(log.entries)} writes: acknowledged "
          f"records lost 0 of {records}; seed {SEED}, "
          f"{time.monotonic() - began:.0f} s")


def main():
    try:
        if sys.argv[1] == "work":
            work()
        else:
            states(int((sys.argv[2:] or [0])[0]))
    except Failed as e:
        print(f"FAILED: {e} (SEED={SEED})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
