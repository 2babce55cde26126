# SPDX-License-Identifier: GPL-3.0-or-later
"""
Kills at every point where something outside of the process changes, and at
random; starts again without any manual step; looks for what is lost, there
twice or half there.  Run by 61-crash.sh, which made the world in $W.

  crash.py points [OPERATION...]   kill at the points of the operations
  crash.py random KILLS            kill at random under load

$SEED chooses which points if $LONG is empty (else all of them), and the order
of the random kills.
"""
import json, mmap, os, random, re, shutil, signal, struct, subprocess, sys
import threading, time

W, BUILD, RMS, NODE = (os.environ[k] for k in ("W", "BUILD_DIR", "RMS", "NODE"))
LONG = bool(os.environ.get("LONG"))
SEED = int(os.environ.get("SEED") or 3)
SHARE = int(os.environ.get("SHARE") or 2)
MNT, VIEW = W + "/mnt", W + "/view"
WAIT = 60
CALLS = ("write,pwrite64,writev,pwritev,fsync,fdatasync,syncfs,rename,renameat,"
         "renameat2,link,linkat,unlink,unlinkat,rmdir,mkdir,mkdirat,ftruncate,"
         "fallocate,sendto,sendmsg").split(",")
rng = random.Random(SEED)


class Failed(Exception):
    pass


def until(what, fn, seconds=WAIT):
    end = time.monotonic() + seconds
    while True:
        got = fn()
        if got:
            return got
        if time.monotonic() > end:
            raise Failed("did not happen in time: " + what)
        time.sleep(0.02)


def consent(home, *args):
    return [BUILD + "/consent", "--home", f"{W}/{home}", *args]


def run(argv, timeout=WAIT, **env):
    with open(W + "/consent.log", "ab") as log:
        p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=log,
                           env={**os.environ, **env}, timeout=timeout)
    return p.returncode, p.stdout.decode()


def run_ok(argv):
    status, out = run(argv)
    if status != 0:
        raise Failed(f"status {status} of {' '.join(argv)}")
    return out


def ask_json(home, *args):
    return json.loads(run_ok(consent(home, *args, "--json")))


class Points:
    """The file that a daemon under killpoint.so shares with us."""

    def __init__(self, name):
        self.path = f"{W}/{name}.points"
        with open(self.path, "wb") as f:
            f.write(bytes(24))
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 24)

    def arm(self, at):
        self.map[0:24] = struct.pack("3q", 0, 0, at)
        self.map[0:8] = struct.pack("q", 1)

    def disarm(self):
        self.map[0:24] = struct.pack("3q", 0, self.calls(), 0)

    def calls(self):
        return struct.unpack("q", self.map[8:16])[0]


class Daemon:
    def __init__(self, name, argv):
        self.name, self.argv = name, argv
        self.points = Points(name)
        self.proc = None

    def start(self):
        env = dict(os.environ, LD_PRELOAD=W + "/killpoint.so",
                   KILLPOINT=self.points.path)
        with open(f"{W}/{self.name}.log", "ab") as log:
            self.proc = subprocess.Popen(self.argv, env=env, stderr=log,
                                         stdout=log)

    def dead(self):
        return self.proc is not None and self.proc.poll() is not None

    def pids(self):
        """Its processes: of a mount the keeper first, then its children."""
        out = subprocess.run(["pgrep", "-P", str(self.proc.pid)],
                             stdout=subprocess.PIPE).stdout.split()
        return [self.proc.pid] + [int(p) for p in out]

    def kill(self):
        if self.proc and not self.dead():
            for p in self.pids():
                try:
                    os.kill(p, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.proc.wait()

    def kill_one(self, chooser):
        """
        One of its processes; the rest ends by itself, unless it was the
        unmounter, without which the mount goes on.
        """
        if self.dead():
            return
        pid = chooser.choice(self.pids())
        with open(f"/proc/{pid}/comm") as f:
            unmounter = f.read().strip() == "consentfs-umnt"
        os.kill(pid, signal.SIGKILL)
        if not unmounter:
            until(self.name + " to end", self.dead, 20)

    def stop(self):
        if self.proc and self.proc.poll() is None:
            self.proc.terminate()
            self.proc.wait(WAIT)
        self.proc = None


def mounted(at=MNT):
    try:
        return os.stat(at).st_dev != os.stat(W).st_dev
    except OSError:
        return False


def healthy():
    return subprocess.run(["curl", "-sf", "-o", "/dev/null", RMS + "/healthz"]
                          ).returncode == 0


class World:
    def __init__(self):
        self.server = Daemon("consentd", [BUILD + "/consentd", "serve",
                                          "--dir", W + "/rms"])
        self.mount = Daemon("consentfs", [BUILD + "/consentfs", "-f",
                                          "--home", W + "/b1", MNT])
        self.view = Daemon("view", [BUILD + "/consentfs", "-f", "--home", W + "/a1",
                                    "-o", "view=ciphertext", VIEW])
        self.viewing = False  # the view is to run too
        self.lock = threading.Lock()  # guards what follows
        self.opens = {}     # handles that were returned, by the opener's name
        self.attempts = set()
        self.titles = {}    # acknowledged sets: title -> source
        self.turn = 0
        self.busy = 0  # starts that had to be repeated

    # ---- life ----

    def mounts(self):
        return [(self.mount, MNT)] + [(self.view, VIEW)] * self.viewing

    def up(self):
        """Start what does not run.  No step but starting it."""
        if self.server.proc is None or self.server.dead():
            self.start(self.server, healthy)
        for d, at in self.mounts():
            if d.proc:
                until("the mount to be there or gone",
                      lambda: d.dead() or mounted(at))
            if d.proc is None or d.dead():
                self.start(d, lambda: mounted(at))

    def start(self, d, ready):
        """Again while another part of what died is still at its end."""
        end = time.monotonic() + 15
        while True:
            d.start()
            until(d.name + " to start", lambda: d.dead() or ready())
            if not d.dead():
                return
            if d.proc.returncode != 7 or time.monotonic() > end:
                raise Failed(f"{d.name} did not start: {d.proc.returncode}")
            self.busy += 1
            time.sleep(0.05)

    def until(self, what, fn, seconds=WAIT):
        """On a machine that is too busy a keeper may end its mount."""
        return until(
            what, lambda: (any(d.dead() for d, _ in self.mounts()) and self.up())
            or fn(), seconds)

    def down(self):
        self.view.stop()
        self.mount.stop()
        self.server.stop()

    def kill(self):
        for d in (self.view, self.mount, self.server):
            d.kill()
            d.proc = None
        for at in (VIEW, MNT):
            subprocess.run(["umount", "-l", at], stderr=subprocess.DEVNULL)
        self.viewing = False

    def reset(self):
        """The world as it was made: so that it does not grow and grow."""
        self.kill()
        for name in os.listdir(W + "/made"):
            shutil.rmtree(f"{W}/{name}", ignore_errors=True)
            subprocess.run(["cp", "-a", f"{W}/made/{name}", W], check=True)
        self.opens, self.attempts, self.titles = {}, set(), {}

    # ---- what people do ----

    def source(self, title, size):
        path = f"{W}/docs/{title}"
        if not os.path.exists(path):
            os.makedirs(path)
            with open(path + "/doc.bin", "wb") as f:
                f.write(random.Random(title).randbytes(size))
        return path

    def publish_argv(self, title, size=3000):
        return consent("a1", "publish", "--patient", "Ann", "--title", title,
                       "--json", self.source(title, size) + "/")

    def published(self, title, out):
        with self.lock:
            self.titles[title] = json.loads(out)["set"]

    def publish(self, title, size=3000):
        self.published(title, run_ok(self.publish_argv(title, size)))

    def grant_argv(self, verb):
        return consent("ann", verb, "--to", "Clinic B",
                       *(["--until", "1d"] if verb == "grant" else []))

    def find(self, title):
        try:
            for d in os.scandir(MNT + "/Ann"):
                if f" {title} (" in d.name:
                    return d.path + "/doc.bin"
        except OSError:
            pass
        return None

    def open(self, title):
        """open(2) under a name of its own; the handle, or None."""
        path = self.find(title)
        if path is None:
            return None
        with self.lock:
            app = f"o{SEED}.{len(self.attempts)}"
            self.attempts.add(app)
        with open(f"/proc/self/task/{threading.get_native_id()}/comm", "w") as f:
            f.write(app)
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError:
            return None
        with self.lock:
            self.opens[app] = title
        return fd

    def read(self, title):
        """Open and read whole; the bytes, or None."""
        fd = self.open(title)
        if fd is None:
            return None
        try:
            with os.fdopen(fd, "rb", buffering=0) as f:
                return f.read()
        except OSError:
            return None

    def is_read(self, title):
        got = self.read(title)
        with open(f"{W}/docs/{title}/doc.bin", "rb") as f:
            want = f.read()
        if got is not None and got != want[:len(got)]:
            raise Failed("wrong bytes of " + title)
        return got == want

    # ---- the checker ----

    def lost_opens(self):
        items = [i for i in ask_json("ann", "history") if i["kind"] == "access"]
        ids = [i["id"] for i in items]
        apps = [i.get("app") for i in items if i.get("app") != "consent"]
        if len(ids) != len(set(ids)):
            raise Failed("an inquiry id is on the list twice")
        twice = {a for a in apps if apps.count(a) > 1}
        if twice:
            raise Failed(f"recorded twice: {twice}")
        strange = set(apps) - self.attempts
        if strange:
            raise Failed(f"recorded, but not opened: {strange}")
        return set(self.opens) - set(apps)

    def check_opens(self):
        try:
            until("every open on the ledger", lambda: not self.lost_opens(), 20)
        except Failed:
            raise Failed(f"not on the ledger: {sorted(self.lost_opens())}")

    def check_sets(self):
        titles = [s["title"] for s in ask_json("ann", "sets")]
        for t in self.titles:
            if titles.count(t) != 1:
                raise Failed(f"set '{t}' is there {titles.count(t)} times")

    def check_sent(self):
        for home in ("ann", "a1", "b1"):
            until(f"the outbox of {home} to be empty", lambda:
                  ask_json(home, "status")["waiting"] == 0)

    def check_strays(self):
        for top in ("rms", "ann", "a1", "b1"):
            for where, dirs, files in os.walk(f"{W}/{top}"):
                for f in files:
                    if f.endswith(".tmp") or re.search(r"/spool/[^.]", where):
                        raise Failed(f"left behind: {where}/{f}")

    def check_chain(self):
        get = lambda path: json.loads(subprocess.run(
            ["curl", "-sf", NODE + path], stdout=subprocess.PIPE,
            check=True).stdout)
        last = None
        for h in range(1, get("/blocks/height")["height"] + 1):
            b = get(f"/blocks/headers/at/{h}")
            if last and b["reference"] != last:
                raise Failed(f"block {h} does not follow")
            last = b.get("id") or b["signature"]
        return h

    def check_copy(self):
        copy = W + "/copy"
        shutil.rmtree(copy, ignore_errors=True)
        self.viewing = True
        self.up()
        self.until("all sets in the view", lambda:
                   set(self.titles.values()) <= set(os.listdir(VIEW)))
        shutil.copytree(VIEW, copy)
        run_ok(consent("a1", "verify", copy))

    def check(self):
        self.up()
        self.check_opens()
        self.check_sets()
        self.check_sent()


# ---- operations ----

class Op:
    """What is done again and again; each turn has a title of its own."""

    def __init__(self, w):
        self.w = w
        self.succeeded = True  # the last act

    def prepare(self, title):
        pass

    def finish(self, title):
        """After the restart: do it again if need be; it must be whole."""


class Open(Op):
    size = 3000

    def prepare(self, title):
        self.w.publish(title, self.size)
        self.w.until(title + " in the mount", lambda: self.w.find(title))

    def act(self, title):
        fd = self.w.open(title)
        self.succeeded = fd is not None
        if fd is not None:
            os.close(fd)

    def finish(self, title):
        self.w.until("to read " + title, lambda: self.w.is_read(title))
        self.w.check_opens()


class OpenInLease(Open):
    def prepare(self, title):
        super().prepare(title)
        self.w.until("to read " + title, lambda: self.w.is_read(title))


class Fill(Open):
    size = 2500000

    def prepare(self, title):
        super().prepare(title)
        self.fd = self.w.until("to open " + title, lambda: self.w.open(title))

    def act(self, title):
        fd, self.fd = self.fd, None
        self.succeeded = False
        try:
            with os.fdopen(fd or self.w.open(title), "rb", buffering=0) as f:
                self.succeeded = len(f.read()) == self.size
        except (OSError, TypeError):
            pass


class Verb(Op):
    """A command; exit status 0 is the acknowledgement."""

    def act(self, title):
        self.status, self.out = run(self.argv(title))
        self.succeeded = self.status == 0

    def finish(self, title):
        if self.status != 0:
            self.out = run_ok(self.argv(title))
        self.acknowledged(title)

    def acknowledged(self, title):
        pass


class Publish(Verb):
    size = 1500000

    def argv(self, title):
        return self.w.publish_argv(title, self.size)

    def finish(self, title):
        if self.out:  # it told the result, whatever came then
            self.status = 0
            self.told_again(title)
        super().finish(title)

    def told_again(self, title):
        """The result that is not forgotten yet is told, and then forgotten."""
        if any(n[0] != "." for n in os.listdir(W + "/a1/spool")):
            again = json.loads(run_ok(self.argv(title)))
            if again["set"] != json.loads(self.out)["set"]:
                raise Failed("published twice: " + title)

    def acknowledged(self, title):
        self.w.published(title, self.out)
        self.w.check_sets()
        self.w.until("to read " + title, lambda: self.w.is_read(title))


class Grant(Verb):
    def prepare(self, title):
        self.w.publish(title)
        run_ok(self.w.grant_argv("revoke"))

    def argv(self, title):
        return self.w.grant_argv("grant")

    def acknowledged(self, title):
        self.w.until("to read " + title, lambda: self.w.is_read(title))
        self.w.check_opens()


class Revoke(Verb):
    def prepare(self, title):
        run_ok(self.w.grant_argv("grant"))
        self.w.publish(title)
        self.w.until("to read " + title, lambda: self.w.is_read(title))
        self.fd = self.w.open(title)

    def argv(self, title):
        return self.w.grant_argv("revoke")

    def acknowledged(self, title):
        self.w.until("no more read of " + title,
              lambda: self.w.read(title) is None)
        if self.fd is not None:
            os.close(self.fd)
        self.w.check_opens()
        run_ok(self.w.grant_argv("grant"))


class Ask(Verb):
    def argv(self, title):
        return consent("b1", "ask", "--patient", "Ann", "--reason", title)

    def acknowledged(self, title):
        asked = [i for i in ask_json("ann", "inquiries")
                 if i.get("reason") == title]
        if not asked:
            raise Failed("a request is lost: " + title)


class Alias(Verb):
    def argv(self, title):
        return consent("b1", "alias", W + "/ann.card", "Ann")

    def acknowledged(self, title):
        names = [f for f in os.listdir(W + "/b1/cards") if f[0] != "."]
        if names != ["Ann"]:
            raise Failed(f"cards: {names}")


class Register(Verb):
    def prepare(self, title):
        run_ok(consent(title, "keygen", "--roots", W + "/rms/client.conf",
                       "--unprotected"))

    def argv(self, title):
        return consent(title, "register", "--json")

    def acknowledged(self, title):
        card = json.loads(run_ok(consent(title, "card", "--json")))
        if card != json.loads(self.out):
            raise Failed("another card")
        shutil.rmtree(f"{W}/{title}")


class Fresh(Verb):
    """What makes a folder once."""

    def finish(self, title):
        if self.status != 0:
            status, self.out = run(self.argv(title))
            # 7: it came to its end, but could not say so
            if status not in (0, 7):
                raise Failed(f"{self.argv(title)} again: {status}")
            self.status = status
        self.check(title)
        names = {f for f in os.listdir(f"{W}/{title}") if f[0] != "."}
        if names != self.names:
            raise Failed(f"left behind: {names}")
        shutil.rmtree(f"{W}/{title}")


class Get(Verb):
    """The folder is there only when it is whole."""
    size = 12000000

    def prepare(self, title):
        self.w.publish(title, self.size)
        self.to = f"{W}/got/{title}"
        os.makedirs(W + "/got", exist_ok=True)

    def argv(self, title):
        return consent("ann", "get", "--to", self.to, self.w.titles[title],
                       "--json")

    def finish(self, title):
        if os.path.exists(self.to):  # it came to its end
            self.status = 0
        super().finish(title)

    def acknowledged(self, title):
        with open(f"{W}/docs/{title}/doc.bin", "rb") as f, \
                open(self.to + "/doc.bin", "rb") as g:
            if f.read() != g.read():
                raise Failed("wrong bytes of " + title)
        until("the get on the ledger", lambda: [
            i for i in ask_json("ann", "history") if i["kind"] == "access"
            and i.get("app") == "consent" and i["set"] == self.w.titles[title]])
        if os.listdir(W + "/got") != [title]:
            raise Failed(f"left behind: {os.listdir(W + '/got')}")
        shutil.rmtree(self.to)


class Keygen(Fresh):
    names = {"accreditation.json", "consent.conf", "identity.key",
             "reading.key", "cli", "outbox"}

    def argv(self, title):
        return consent(title, "keygen", "--roots", W + "/rms/client.conf",
                       "--unprotected", "--institution", "Clinic " + title,
                       "--host", "h", "--json")

    def check(self, title):
        known = run_ok(consent(title, "id", "--json"))
        if self.status == 0 and known != self.out:
            raise Failed("another identity")


class Join(Keygen):
    """A second host of an institution."""

    def argv(self, title):
        return consent(title, "keygen", "--join", W + "/a1", "--roots",
                       W + "/rms/client.conf", "--unprotected",
                       "--host", title, "--json")


class View(Op):
    """A set is copied out of the ciphertext view, as backup tools do."""
    size = 1500000

    def __init__(self, w):
        super().__init__(w)
        w.viewing = True

    def prepare(self, title):
        self.w.publish(title, self.size)
        self.w.until(title + " in the view", lambda: self.is_listed(title))

    def is_listed(self, title):
        try:
            return os.listdir(f"{VIEW}/{self.w.titles[title]}")
        except OSError:
            return False

    def act(self, title):
        self.copy = f"{W}/copied/{self.w.titles[title]}"
        shutil.rmtree(W + "/copied", ignore_errors=True)
        try:
            shutil.copytree(f"{VIEW}/{self.w.titles[title]}", self.copy)
            return True
        except OSError:
            return False

    def finish(self, title):
        self.w.until("a copy of " + title, lambda: self.act(title))
        status, out = run(consent("nobody", "verify", "--roots",
                                  W + "/rms/client.conf", "--json", W + "/copied"))
        if status != 0:
            raise Failed(f"a copy that does not hold: {out}")


class Init(Fresh):
    names = {"consentd.conf", "client.conf", "rms.key", "node.key",
             "keystore.key", "node"}

    def argv(self, title):
        return [BUILD + "/consentd", "init", "--dir", f"{W}/{title}",
                "--node-listen", "127.0.0.1:0", "--rms-listen", "127.0.0.1:0"]

    def check(self, title):
        run_ok(consent(title + "/home", "keygen", "--roots",
                       f"{W}/{title}/client.conf", "--unprotected"))
        shutil.rmtree(f"{W}/{title}/home")


class Accredit(Verb):
    def prepare(self, title):
        run_ok(consent(title, "keygen", "--roots", W + "/rms/client.conf",
                       "--unprotected", "--institution", title))

    def argv(self, title):
        return [BUILD + "/consentd", "accredit", "--dir", W + "/rms",
                "--name", title, f"{W}/{title}/accreditation.json"]

    def acknowledged(self, title):
        run_ok(consent("ann", "grant", "--to", title))
        shutil.rmtree(f"{W}/{title}")


class Restore(Verb):
    def prepare(self, title):
        self.w.server.stop()
        shutil.rmtree(W + "/rms/blobs")
        self.w.up()

    def argv(self, title):
        return consent("a1", "restore", W + "/backup")


class Start(Op):
    """The start itself: what a crash left is cleaned up."""

    def act(self, title):
        self.w.up()


# name -> (who dies, operation); a command dies by strace, which counts the
# calls of each thread, one with threads as the daemons do
POINTS = {
    "open": ("consentfs", Open),
    "open-rms": ("consentd", Open),
    "open-in-lease": ("consentfs", OpenInLease),
    "cache-fill": ("consentfs", Fill),
    "cache-evict": ("consentfs", Fill),
    "publish": ("command", Publish),
    "publish-rms": ("consentd", Publish),
    "grant": ("command", Grant),
    "grant-rms": ("consentd", Grant),
    "grant-mount": ("consentfs", Grant),
    "revoke": ("command", Revoke),
    "revoke-rms": ("consentd", Revoke),
    "revoke-mount": ("consentfs", Revoke),
    "ask": ("command", Ask),
    "ask-rms": ("consentd", Ask),
    "alias": ("command", Alias),
    "register": ("command", Register),
    "register-rms": ("consentd", Register),
    "keygen": ("command", Keygen),
    "keygen-join": ("command", Join),
    "get": ("threads", Get),
    "view": ("view", View),
    "view-rms": ("consentd", View),
    "init": ("command", Init),
    "accredit": ("command", Accredit),
    "restore": ("command", Restore),
    "restore-rms": ("consentd", Restore),
}


def journal_turn(points, at, acked):
    """Append records with a kill at call ${at}: (killed, newest told)."""
    argv = [BUILD + "/journalist", W + "/segments"]
    points.arm(at)
    p = subprocess.run(argv + ["append", "60"], stdout=subprocess.PIPE,
                       env=dict(os.environ, LD_PRELOAD=W + "/killpoint.so",
                                KILLPOINT=points.path))
    points.disarm()
    told = [int(line) for line in p.stdout.split()]
    acked = told[-1] if told else acked
    newest = int(run_ok(argv + ["check", str(acked)]))
    if not acked <= newest <= acked + 1:
        raise Failed(f"journal, call {at}: {acked} was told, {newest} there")
    return p.returncode == -signal.SIGKILL, newest


def journal_points():
    """Segments that begin and go: too rare in the mount's own journal."""
    points = Points("journalist")
    killed, newest = journal_turn(points, 0, 0)
    total, n = points.calls(), 0
    if LONG:
        at = 1
        while killed or at == 1:
            killed, newest = journal_turn(points, at, newest)
            n += killed
            at += 1
    else:
        for at in rng.sample(range(1, total + 1), min(8 * SHARE, total)):
            n += journal_turn(points, at, newest)[0]
            newest = int(run_ok([BUILD + "/journalist", W + "/segments",
                                 "check", "0"]))
    print(f"figure: journal: killed at {n} of {total} points: records lost 0 "
          f"of {newest}", flush=True)


def cache_size(name):
    """Room for three of the large documents, or for all."""
    path = W + "/b1/consent.conf"
    with open(path, "a") as f:
        f.write("[mount]\ncache_size = %s\n" %
                ("8M" if name == "cache-evict" else "1G"))


def daemon_turn(w, d, op, at):
    """One turn with a kill at call ${at} (0: none).  Was it killed?"""
    w.turn += 1
    title = f"t{w.turn}"
    w.up()
    op.prepare(title)
    time.sleep(0.15)  # what goes on behind a prepare is not the operation
    d.points.arm(at)
    t = threading.Thread(target=op.act, args=(title,))
    t.start()
    calm, seen, killed = 0, -1, False
    while t.is_alive() or (calm < 12 and not killed):
        time.sleep(0.02)
        calm = calm + 1 if d.points.calls() == seen else 0
        seen = d.points.calls()
        if not killed and (d.dead() or 0 < at <= seen):
            killed = True
            until(d.name + " to end", d.dead, 20)
            d.points.disarm()
            w.up()
    t.join()
    d.points.disarm()
    w.up()
    op.finish(title)
    return killed, seen


def threads_turn(w, points, op, at):
    """As daemon_turn(), of a command with threads."""
    w.turn += 1
    title = f"t{w.turn}"
    w.up()
    op.prepare(title)
    points.arm(at)
    op.status, op.out = run(op.argv(title), LD_PRELOAD=W + "/killpoint.so",
                            KILLPOINT=points.path)
    seen = points.calls()
    points.disarm()
    killed = op.status == -signal.SIGKILL
    if not killed and op.status != 0:
        raise Failed(f"status {op.status} of {op.argv(title)}")
    op.finish(title)
    return killed, seen


def counted_points(w, who, op):
    if who == "threads":
        points = Points("command")
        turn = lambda at: threads_turn(w, points, op, at)
    else:
        d = {"consentfs": w.mount, "view": w.view, "consentd": w.server}[who]
        turn = lambda at: daemon_turn(w, d, op, at)
    turn(0)  # the first one has more to do
    killed, total = turn(0)
    at, n = 0, 0
    if not LONG:
        for at in sorted(rng.sample(range(1, total + 1), min(SHARE, total))):
            n += turn(at)[0]
        return n, total
    while True:
        at += 1
        if at % 100 == 0:
            w.check()
        if not turn(at)[0]:
            return n, total
        n += 1


def strace(calls, *more):
    return ["strace", "-f", "-qq", "-o", W + "/strace", "-e", "trace=" + calls,
            *more]


def verb_turn(w, op, call, at):
    w.turn += 1
    title = f"t{w.turn}"
    w.up()
    op.prepare(title)
    argv = strace(call, "-e", f"inject={call}:signal=KILL:when={at}") \
        if call else strace(",".join(CALLS))
    op.status, op.out = run(argv + op.argv(title))
    killed = op.status == -signal.SIGKILL
    if not killed and op.status != 0:
        raise Failed(f"status {op.status} of {op.argv(title)}")
    op.finish(title)
    return killed


def verb_points(w, op):
    for _ in range(2):  # the first one has more to do
        verb_turn(w, op, None, 0)
    with open(W + "/strace") as f:
        calls = [m.group(1) for m in
                 (re.match(r"\d+ +(\w+)\(", l) for l in f) if m]
    all_points = [(c, i + 1) for c in CALLS for i in range(calls.count(c))]
    n = 0
    if not LONG:
        for c, at in rng.sample(all_points, min(SHARE, len(all_points))):
            n += verb_turn(w, op, c, at)
        return n, len(all_points)
    for c in sorted(set(calls)):
        at = 1
        while verb_turn(w, op, c, at):
            at += 1
            n += 1
    return n, len(all_points)


def points(w, names):
    if not names or "journal" in names:
        journal_points()
    for name in [n for n in names if n != "journal"] if names else POINTS:
        who, op = POINTS[name]
        w.reset()
        cache_size(name)
        w.up()
        run_ok(w.grant_argv("grant"))
        began = time.monotonic()
        print(f"== {name}", flush=True)
        try:
            n, total = (verb_points(w, op(w)) if who == "command" else
                        counted_points(w, who, op(w)))
            w.check()
            w.check_strays()
            height = w.check_chain()
        except Failed as e:
            raise Failed(f"{name}, turn {w.turn}: {e}")
        print(f"figure: {name}: {who} killed at {n} of {total} points: opens "
              f"not on the ledger 0 of {len(w.opens)}, twice 0 of "
              f"{len(w.attempts)}, sets lost 0 of {len(w.titles)}; blocks that "
              f"do not follow 0 of {height} ({time.monotonic() - began:.0f} s)",
              flush=True)


# ---- at random, under load ----

class Load:
    """Readers, a publisher and a patient who changes her mind."""

    def __init__(self, w):
        self.w, self.stop, self.failed = w, False, None
        self.commands = {}  # running, by thread
        self.lock = threading.Lock()
        self.decisions = 0

    def command(self, argv):
        """Again and again until it is acknowledged."""
        while True:
            with open(W + "/consent.log", "ab") as log:
                p = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log)
            with self.lock:
                self.commands[threading.get_ident()] = p
            out = p.communicate()[0].decode()
            with self.lock:
                del self.commands[threading.get_ident()]
            # what publish has told stands, whatever came then
            if p.returncode == 0 or (out and "publish" in argv):
                return out
            time.sleep(0.1)

    def reader(self, seed):
        r = random.Random(seed)
        while not self.stop:
            with self.w.lock:
                titles = list(self.w.titles)
            self.w.is_read(r.choice(titles))
            time.sleep(r.random() / 10)

    def publisher(self, seed):
        r = random.Random(seed)
        n = 0
        while not self.stop:
            n += 1
            title = f"r{seed}.{n}"
            size = r.choice((2000, 30000, 1500000))
            self.w.published(title, self.command(
                self.w.publish_argv(title, size)))
            time.sleep(r.random() * 2)

    def patient(self, seed):
        r = random.Random(seed)
        while not self.stop:
            for verb in ("revoke", "grant"):
                self.command(self.w.grant_argv(verb))
                self.decisions += 1
                time.sleep(r.random())

    def guarded(self, fn, seed):
        try:
            fn(seed)
        except Exception as e:
            self.failed = e

    def start(self):
        whom = [self.reader] * 3 + [self.publisher, self.patient]
        self.threads = [threading.Thread(target=self.guarded, args=(
            fn, SEED * 1000 + i)) for i, fn in enumerate(whom)]
        for t in self.threads:
            t.start()

    def kill_one(self):
        victim = rng.choice(("consentfs", "consentd", "consent"))
        if victim == "consentfs" and rng.random() < 0.8:
            self.w.mount.kill_one(rng)
        elif victim == "consentfs":
            self.w.mount.kill()
        elif victim == "consentd":
            self.w.server.kill()
        else:
            with self.lock:
                running = list(self.commands.values())
            if not running:
                return None
            rng.choice(running).kill()
        return victim


def at_random(w, kills):
    w.reset()
    cache_size("cache-evict")
    w.up()
    run_ok(w.grant_argv("grant"))
    w.publish("first")
    load, n, by = Load(w), 0, {}
    load.start()
    try:
        while n < kills and not load.failed:
            time.sleep(rng.random() * 0.8)
            victim = load.kill_one()
            if victim is None:
                continue
            n += 1
            by[victim] = by.get(victim, 0) + 1
            w.up()
            if n % 25 == 0:
                w.check_sets()
                print(f"{n} kills, {len(w.opens)} opens, "
                      f"{len(w.titles)} sets", flush=True)
    finally:
        load.stop = True
        w.up()
        for t in load.threads:
            t.join()
    if load.failed:
        raise load.failed
    w.check()
    for t in w.titles:
        w.until("to read " + t, lambda: w.is_read(t))
    w.check_opens()
    run_ok(w.grant_argv("revoke"))
    w.until("no more read", lambda: w.read("first") is None)
    w.check_strays()
    height = w.check_chain()
    w.check_copy()
    print(f"figure: {n} random kills {by}, seed {SEED}: opens not on the ledger "
          f"0 of {len(w.opens)}, twice 0 of {len(w.attempts)}, sets lost 0 of "
          f"{len(w.titles)}, decisions lost 0 of {load.decisions}; blocks that "
          f"do not follow 0 of {height}; starts that had to wait for what "
          f"was ending: {w.busy}", flush=True)


def main():
    w = World()
    os.makedirs(MNT, exist_ok=True)
    try:
        if sys.argv[1] == "points":
            points(w, sys.argv[2:])
        else:
            at_random(w, int(sys.argv[2]))
        w.down()
    except Failed as e:
        print(f"FAILED: {e} (SEED={SEED} LONG={'1' if LONG else ''})",
              file=sys.stderr)
        return 1
    finally:
        w.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
