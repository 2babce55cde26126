#!/usr/bin/env python3
"""The embedded node and what it has answered with 200.

node_durable.py points: kill it, or let a call fail, at points of the path of
    some broadcasts and the blocks that they go into
node_durable.py full: its directory is a small tmpfs that fills up"""
import atexit, json, mmap, os, random, struct, subprocess, sys, time, urllib.request

W, NODE, RMS = os.environ["W"], os.environ["NODE"], os.environ["RMS"]
BUILD = os.environ["BUILD_DIR"]
LONG = os.environ.get("LONG", "")
SEED = int(os.environ.get("SEED", "5"))
SHARE = int(os.environ.get("SHARE", "0")) or (10000 if LONG else 12)
ENOSPC, EIO = 28, 5
SENT = 6


def fail(text):
    print("FAILED:", text)
    sys.exit(1)


def until(what, fn, seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        v = fn()
        if v:
            return v
        time.sleep(0.05)
    fail("did not happen: " + what)


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as r:
            return json.load(r)
    except (OSError, ValueError):
        return None


class Node:
    """consentd with its embedded node, under killpoint.so."""

    def __init__(self):
        self.path = W + "/points"
        with open(self.path, "wb") as f:
            f.write(bytes(80))
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 80)
        self.proc = None

    def start(self):
        self.map[:80] = bytes(80)
        with open(W + "/consentd.log", "ab") as log:
            self.proc = subprocess.Popen(
                [BUILD + "/consentd", "serve", "--dir", W + "/rms"],
                stdout=log, stderr=log,
                env=dict(os.environ, LD_PRELOAD=W + "/killpoint.so",
                         KILLPOINT=self.path))
        atexit.register(self.proc.kill)
        until("consentd to start", lambda: get(RMS + "/healthz") or self.dead())
        if self.dead():
            fail("consentd does not start")

    def arm(self, at, error):
        self.map[8:64] = struct.pack("4q24x", 0, at, error, 0)
        self.map[0:8] = struct.pack("q", 1)

    def calls(self):
        return struct.unpack("q", self.map[8:16])[0]

    def hit(self):
        return self.map[40:64].split(b"\0")[0].decode()

    def dead(self):
        return self.proc.poll() is not None

    def stop(self):
        if not self.dead():
            self.proc.terminate()
            self.proc.wait(30)


def send(n):
    out = subprocess.run([BUILD + "/sender", NODE, "E", str(n)], timeout=120,
                         stdout=subprocess.PIPE, check=True).stdout.decode()
    lines = [l.split() for l in out.splitlines()]
    taken = [l[1] for l in lines if l[0] == "taken"]
    return taken, [l for l in lines if l[0] != "taken"]


def empty():
    size = get(NODE + "/transactions/unconfirmed/size")
    return size and size["size"] == 0


def missing(ids):
    until("everything is in a block", empty, 30)
    return [i for i in ids if not (get(f"{NODE}/transactions/info/{i}") or {}).get("height")]


def verified(node):
    node.stop()
    r = subprocess.run([BUILD + "/consentd", "node", "verify", W + "/rms"],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if r.returncode != 0:
        fail("after: " + r.stdout.decode())


def one(node, at, error, taken):
    """Send under an armed point; return how many were lost."""
    node.arm(at, error)
    ids, other = send(SENT)
    deadline = time.time() + 10
    while not node.dead() and time.time() < deadline and not (error and empty()):
        if not error and node.calls() < at and empty():
            send(1)  # the point comes later than it did
        time.sleep(0.02)
    hit = node.hit()
    if error and node.dead():
        fail(f"seed {SEED}: call {at} {hit} with errno {error} ended the node")
    if node.dead():
        node.start()
    else:
        node.map[0:8] = struct.pack("q", 0)
    lost = missing(ids)
    taken += ids
    if lost:
        print(f"seed {SEED}: lost {lost} by call {at} {hit}, errno {error}")
    return len(lost), len(other)


def points():
    r = random.Random(SEED)
    node = Node()
    node.start()
    node.arm(0, 0)
    ids, other = send(SENT)
    if other or missing(ids):
        fail(f"without a fault: {other}")
    time.sleep(0.3)
    total = node.calls()
    for error, what in ((0, "killed"), (ENOSPC, "ENOSPC"), (EIO, "EIO")):
        chosen = sorted(r.sample(range(1, total + 1), min(SHARE, total)))
        taken, lost, refused = [], 0, 0
        for at in chosen:
            n, other = one(node, at, error, taken)
            lost, refused = lost + n, refused + other
        lost += len(missing(taken))
        verified(node)
        node.start()
        print(f"figure: {what} at {len(chosen)} of {total} points, 200 and not "
              f"in the chain: {lost} of {len(taken)}, not taken: {refused}")
        if lost or not taken:
            sys.exit(1)
    verified(node)


def fill(taken):
    for _ in range(200):
        ids, other = send(50)
        taken += ids
        if other:
            break
    else:
        fail("the disk does not fill up")
    if any(o[:2] != ["refused", "500"] for o in other):
        fail(f"a full disk is answered {other[0]}")


def resize(to):
    subprocess.run(["mount", "-o", "remount,size=" + to, W + "/rms/node"], check=True)


def full():
    node = Node()
    node.start()
    taken = []
    fill(taken)
    resize("5m")  # room again while it runs
    taken += until("a broadcast is taken again", lambda: send(1)[0])
    lost = missing(taken)
    fill(taken)
    node.proc.kill()  # and dies with the disk full
    node.proc.wait()
    resize("64m")
    node.start()
    again, other = send(20)
    if other:
        fail(f"with room again: {other[0]}")
    lost += missing(taken + again)
    verified(node)
    print(f"figure: disk full twice, 200 and not in the chain: {len(lost)} of {len(taken)}")
    sys.exit(bool(lost))


{"points": points, "full": full}[sys.argv[1]]()
