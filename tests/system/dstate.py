#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random opens, reads (read, pread, mmap, splice), revocations and grants
while the RMS is stopped now and then and a proxy in front of it swallows what
it carries.  A watcher reads the state of every thread of the mount and of
every reader ten times a second.

  dstate.py proxy FROM TO CONTROL      carry TCP; hold it while CONTROL exists
  dstate.py run SECONDS SEED MOUNT TITLE FILES RMS-PID CONTROL GRANT REVOKE

Prints figures; fails if a thread of the mount is in D for over a second in one
sleep that has to do with FUSE, or if a reader that is does not die when killed.
"""
import mmap, os, random, re, select, signal, socket, subprocess, sys, threading, time

LIMIT = 1.0
# where a task sleeps that waits for the mount, not for a disk
FUSE = re.compile(r"fuse|folio|request_wait|rwsem|iterate_dir|lookup")


# ---- the proxy ----

def carry(a, b, control):
    while True:
        ready, _, _ = select.select([a, b], [], [], 5)
        for s in ready:
            data = s.recv(65536)
            while os.path.exists(control):
                time.sleep(0.02)
            if not data:
                return
            (b if s is a else a).sendall(data)


def serve(client, to, control):
    try:
        with client, socket.create_connection(("127.0.0.1", to)) as up:
            carry(client, up, control)
    except OSError:
        pass


def proxy(own, to, control):
    with socket.create_server(("127.0.0.1", own), backlog=64) as s:
        while True:
            c, _ = s.accept()
            threading.Thread(target=serve, args=(c, to, control), daemon=True).start()


# ---- a reader: a process of its own, until it is killed ----

def by_read(fd, size, rng):
    os.lseek(fd, rng.randrange(size), os.SEEK_SET)
    return os.read(fd, 70000)


def by_pread(fd, size, rng):
    return os.pread(fd, 4096, rng.randrange(size))


def by_splice(fd, size, rng):
    r, w = os.pipe()
    try:
        return os.splice(fd, w, 4096, offset_src=rng.randrange(size))
    finally:
        os.close(r)
        os.close(w)


def by_map(fd, size, rng):
    """In a child, as a page that is refused is a signal."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        try:
            with mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ) as m:
                for _ in range(8):
                    m[rng.randrange(size)]
        finally:
            os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        raise OSError(5, "SIGBUS")


def read_on(mount, title, files, seed, count):
    rng = random.Random(seed)
    ways = [by_read, by_pread, by_splice, by_map]
    fds = []
    while True:
        try:
            if len(fds) < 3 or rng.random() < 0.1:
                sets = [d for d in os.listdir(mount + "/Ann") if " %s (" % title in d]
                fds.append(os.open("%s/Ann/%s/%s" % (mount, sets[0], rng.choice(files)), os.O_RDONLY))
            if len(fds) > 6:
                os.close(fds.pop(0))
            fd = rng.choice(fds)
            if rng.random() < 0.3:
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            rng.choice(ways)(fd, os.fstat(fd).st_size, rng)
            count.write(b"+")
        except (OSError, IndexError):
            count.write(b"-")
            if fds and rng.random() < 0.5:
                os.close(fds.pop(rng.randrange(len(fds))))
            time.sleep(0.02)


class Reader:
    def __init__(self, args, seed):
        r, w = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()  # its own group: it forks
            os.close(r)
            try:
                read_on(*args, seed, os.fdopen(w, "wb", buffering=0))
            finally:
                os._exit(1)
        os.close(w)
        self.out = r
        os.set_blocking(r, False)

    def counts(self):
        good = bad = 0
        try:
            while data := os.read(self.out, 65536):
                good += data.count(b"+")
                bad += data.count(b"-")
        except BlockingIOError:
            pass
        return good, bad

    def kill(self):
        """Kill it with its children; return how long it took to die."""
        begun = time.monotonic()
        os.killpg(self.pid, signal.SIGKILL)
        while os.waitpid(self.pid, os.WNOHANG)[0] == 0 and time.monotonic() - begun < 30:
            time.sleep(0.002)
        os.close(self.out)
        return time.monotonic() - begun


# ---- the watcher ----

def text(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def processes(match):
    """pid -> group, of those whose command line has ${match} or whose group is
    in it."""
    for p in os.listdir("/proc"):
        if p.isdigit():
            yield int(p)


class Watch:
    def __init__(self):
        self.since = {}
        self.looks = 0

    def look(self, pids):
        """Yield (pid, tid, seconds in D, where) of each task in one sleep in D."""
        now, seen = time.monotonic(), {}
        for pid in pids:
            try:
                tasks = os.listdir("/proc/%d/task" % pid)
            except OSError:
                continue
            for t in tasks:
                at = "/proc/%d/task/%s/" % (pid, t)
                self.looks += 1
                stat = text(at + "stat")
                if stat[stat.rfind(")") + 2:][:1] != "D":
                    continue
                n = re.search(r"^voluntary_ctxt_switches:\s*(\d+)", text(at + "status"), re.M)
                key = (pid, t, n and n.group(1))
                seen[key] = self.since.get(key, now)
                yield pid, t, now - seen[key], text(at + "wchan")
        self.since = seen


def of_mount(mount):
    out = []
    for pid in processes(mount):
        args = text("/proc/%d/cmdline" % pid).split("\0")
        if "consentfs" in args[0] and mount in args:
            out.append(pid)
    return out


def group(readers):
    """The readers and their children."""
    leaders = {r.pid for r in readers}
    out = []
    for pid in processes(None):
        stat = text("/proc/%d/stat" % pid)
        rest = stat[stat.rfind(")") + 2:].split()
        if len(rest) > 2 and int(rest[2]) in leaders:
            out.append(pid)
    return out


# ---- what goes on meanwhile ----

class Trouble(threading.Thread):
    def __init__(self, rng, rms, control, grant, revoke):
        super().__init__(daemon=True)
        self.rng, self.rms, self.control = rng, rms, control
        self.commands = [revoke, grant]
        self.done = {"stops": 0, "holes": 0, "revocations": 0, "grants": 0, "failed": 0}
        self.over = threading.Event()

    def decide(self, which):
        r = subprocess.run(self.commands[which], shell=True, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.done[("revocations", "grants")[which] if r.returncode == 0 else "failed"] += 1

    def run(self):
        while not self.over.is_set():
            self.over.wait(self.rng.uniform(0.2, 1.5))
            self.decide(0)
            self.over.wait(self.rng.uniform(0.05, 0.4))
            self.decide(1)
            self.over.wait(self.rng.uniform(0.5, 3))
            long = self.rng.choice([0.3, 1.5, 3.0])
            if self.rng.random() < 0.5:
                os.kill(self.rms, signal.SIGSTOP)
                self.over.wait(long)
                os.kill(self.rms, signal.SIGCONT)
                self.done["stops"] += 1
            else:
                open(self.control, "w").close()
                self.over.wait(long)
                os.unlink(self.control)
                self.done["holes"] += 1


def run(seconds, seed, mount, title, files, rms, control, grant, revoke):
    args = (mount, title, files.split(","))
    readers = [Reader(args, seed + i) for i in range(4)]
    trouble = Trouble(random.Random(seed), rms, control, grant, revoke)
    watch, end = Watch(), time.monotonic() + seconds
    worst = {"mount": 0.0, "disk": 0.0, "reader": 0.0, "death": 0.0}
    good = bad = killed = 0
    at = ""
    trouble.start()
    ours = of_mount(mount)
    assert len(ours) == 3, ours
    while time.monotonic() < end:
        time.sleep(0.1)
        theirs = group(readers)
        slow = set()
        for pid, tid, s, where in watch.look(ours + theirs):
            kind = "reader" if pid in theirs else "mount" if FUSE.search(where) else "disk"
            if s > worst[kind]:
                worst[kind] = s
                at = at if kind != "mount" else "%s in %s" % (tid, where)
            if kind == "reader" and s > LIMIT:
                slow.add(os.getpgid(pid) if pid in theirs and os.path.exists("/proc/%d" % pid) else 0)
        for i, r in enumerate(readers):
            g, b = r.counts()
            good, bad = good + g, bad + b
            if r.pid in slow:
                killed += 1
                worst["death"] = max(worst["death"], r.kill())
                readers[i] = Reader(args, seed + 1000 + killed)
    trouble.over.set()
    trouble.join()
    for r in readers:
        worst["death"] = max(worst["death"], r.kill())
    print("figure: %d s, seed %d: %d reads went well, %d failed; %s" % (
        seconds, seed, good, bad, ", ".join("%s %d" % x for x in trouble.done.items())))
    print("figure: threads of the mount in D for over 1 s: %s of %d looks at tasks; longest %.1f s (%s)" % (
        "0" if worst["mount"] <= LIMIT else "some", watch.looks, worst["mount"], at or "-"))
    print("figure: of the mount in D for the disk, longest %.1f s; readers, who wait for the network, longest %.1f s; "
          "%d of these were killed, slowest death %.2f s" % (worst["disk"], worst["reader"], killed, worst["death"]))
    alive = of_mount(mount) == ours
    if not alive:
        print("the mount's processes changed: %s, now %s" % (ours, of_mount(mount)))
    return 0 if worst["mount"] <= LIMIT and worst["death"] <= LIMIT and good and alive else 1


if sys.argv[1] == "proxy":
    proxy(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
else:
    a = sys.argv[2:]
    sys.exit(run(float(a[0]), int(a[1]), a[2], a[3], a[4], int(a[5]), *a[6:]))
