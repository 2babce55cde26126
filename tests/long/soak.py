#!/usr/bin/env python3
"""Random use of a world for some time, while memory, descriptors and threads
of the daemons are sampled.  Called by 50-soak.sh, which made the world:
soak.py BUILD W SECONDS SEED SERVER_PID MOUNT SET...

The first sixth is warm-up; the medians of the second and of the last sixth
are compared.  Memory is what a process has for itself (RssAnon): pages of
LMDB's mapped files come and go as the kernel likes."""
import collections
import os
import random
import statistics
import subprocess
import sys
import threading
import time

BUILD, W, SECONDS, SEED, SERVER, MOUNT = sys.argv[1:7]
SETS = sys.argv[7:]
SECONDS, SEED, SERVER = float(SECONDS), int(SEED), int(SERVER)
EVERY = max(1.0, SECONDS / 600)
SPARE = 2048  # KiB that a median may grow besides 5 %
MAX_PUBLISHED = 24
rng = random.Random(SEED)
counts = collections.Counter()
wrong = []


def run(*argv, home=None, ok=(0,)):
    program = argv[0]
    args = ["--home", f"{W}/{home}"] if home else []
    p = subprocess.run([f"{BUILD}/{program}", *args, *argv[1:]], text=True,
                       capture_output=True, timeout=300, check=False)
    if p.returncode not in ok:
        wrong.append(f"{' '.join(argv)}: {p.returncode}: {p.stderr.strip()}")
    return p


class Story:
    """What may be done; the state that lives on is bounded."""

    def __init__(self):
        self.granted = dict.fromkeys(SETS, True)
        self.published = 0

    def read(self):
        for folder, _, names in os.walk(MOUNT):
            for name in rng.sample(names, min(3, len(names))):
                self.read_file(os.path.join(folder, name))

    @staticmethod
    def read_file(path):
        try:
            with open(path, "rb") as f:
                size = os.fstat(f.fileno()).st_size
                f.seek(rng.randrange(max(1, size)))
                f.read(rng.choice((1, 4096, 300000)))
            counts["opened"] += 1
        except OSError:  # revoked meanwhile, or not granted
            counts["refused"] += 1

    def decide(self):
        one = rng.choice(SETS)
        verb = "revoke" if self.granted[one] else "grant"
        more = ["--until", "30d"] if verb == "grant" else []
        run("consent", verb, "--to", "Clinic B", "--set", one, *more, home="ann")
        self.granted[one] = not self.granted[one]

    def publish(self):
        if self.published == MAX_PUBLISHED:
            return
        self.published += 1
        run("consent", "publish", "--patient", "Ann", "--title",
            f"Note {self.published}", f"{W}/note", home="a1")

    def ask(self):
        run("consent", "ask", "--patient", "Ann", "--reason", "soak", home="b1")

    def look(self):
        verb = rng.choice(("history", "inquiries", "sets", "status"))
        run("consent", verb, home="ann")

    def second_mount(self):
        at = f"{W}/second"
        run("consentfs", "--log", f"{W}/consentfs-a1.log", at, home="a1")
        os.listdir(at)
        subprocess.run(["fusermount3", "-u", at], check=False)
        for _ in range(400):
            if not pids(at):
                return
            time.sleep(0.05)
        wrong.append("processes of the second mount stay")


def pids(at):
    """The processes of a mount, by their last argument."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                argv = f.read().split(b"\0")
        except OSError:
            continue
        if argv[0].endswith(b"consentfs") and at.encode() in argv:
            found.append(int(pid))
    return sorted(found)


def sample(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        status = dict(line.split(":", 1) for line in f if ":" in line)
    links = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:
            pass
    return {
        "RssAnon KiB": int(status["RssAnon"].split()[0]),
        "VmData KiB": int(status["VmData"].split()[0]),
        "RssFile KiB": int(status["RssFile"].split()[0]),
        "descriptors": len([x for x in links if not x.startswith("socket:")]),
        "sockets": len([x for x in links if x.startswith("socket:")]),
        "threads": int(status["Threads"]),
    }


def roles():
    """pid of each daemon; the server of a mount is the one with threads."""
    found = {"consentd": SERVER}
    threads = {p: sample(p)["threads"] for p in pids(MOUNT)}
    order = sorted(threads, key=threads.get, reverse=True)
    for name, pid in zip(("server", "keeper", "unmounter"), order):
        found["consentfs " + name] = pid
    return found


def watch(begun, who, rows):
    while time.monotonic() - begun < SECONDS:
        for name, pid in who.items():
            rows[name].append((time.monotonic() - begun, sample(pid)))
        time.sleep(EVERY)


def part(rows, key, sixth):
    """Of one sixth of the time, counted from 0."""
    lo, hi = SECONDS * sixth / 6, SECONDS * (sixth + 1) / 6
    return [s[key] for t, s in rows if lo <= t < hi]


def judge(name, rows):
    for key in rows[0][1]:
        first, last = part(rows, key, 1), part(rows, key, 5)
        a, b = statistics.median(first), statistics.median(last)
        text = f"{name}: {key} {a:.0f} -> {b:.0f} ({len(first)}, {len(last)} samples)"
        if key == "RssAnon KiB":
            bound = a * 1.05 + SPARE
        elif key in ("descriptors", "sockets", "threads"):
            bound = a
        else:  # address space and page cache: reported only
            bound = b
        print("figure:", text)
        if b > bound:
            wrong.append(f"grew: {text}")


def disk(when):
    for folder in ("rms/node", "rms/registry", "rms/store", "b1/outbox",
                   "b1/mount/journal", "b1/mount/registry"):
        total = files = 0
        for at, _, names in os.walk(f"{W}/{folder}"):
            files += len(names)
            total += sum(os.stat(f"{at}/{n}").st_blocks * 512 for n in names)
        print(f"figure: disk {when}: {folder} {total // 1024} KiB in {files} files")


def main():
    story, who = Story(), roles()
    deeds = ([story.read] * 8 + [story.decide] * 4 + [story.look] * 3 +
             [story.ask, story.publish, story.second_mount])
    rows = {name: [] for name in who}
    begun = time.monotonic()
    disk("at first")
    watcher = threading.Thread(target=watch, args=(begun, who, rows))
    watcher.start()
    while time.monotonic() - begun < SECONDS and not wrong:
        deed = rng.choice(deeds)
        deed()
        counts[deed.__name__] += 1
    watcher.join()
    disk("at last")
    print(f"figure: {SECONDS:.0f} s, seed {SEED}:",
          ", ".join(f"{k} {n}" for k, n in sorted(counts.items())))
    if roles() != who:
        wrong.append(f"not the same processes: {who}, now {roles()}")
    for name, of in rows.items():
        judge(name, of)
    for line in wrong:
        print("wrong:", line)
    return 1 if wrong else 0


sys.exit(main())
