#!/usr/bin/env python3
# A ledger's node that misbehaves on command: each port stands before a real
# node and passes everything on until DIR/on exists; then it does what its mode
# says.  What is random comes from the seed.
#   evilnode.py serve DIR SEED NODE OTHER RMS PORT:MODE...
#       port 0: any; DIR/ready then has a line "MODE PORT" for each
#       NODE, OTHER, RMS: ports of the real node, of one of another chain, of
#       the RMS; mode "feed" stands before the RMS and cuts its feed off, mode
#       "told" is the one that DIR/mode names when it begins
#   evilnode.py watch DIR NAME=FILE...   read each file, by opening it again and
#       by a handle that stays open, until DIR/stop exists; then print what was
#       read when, as JSON
#   evilnode.py modes           one mode in each line
import http.client, json, os, random, socket, ssl, sys, threading, time

from evil import b58, unb58

L = 2**252 + 27742317777372353535851937790883648493
MODES = {}
DIR = SEED = UP = OTHER = RMS = None
BLOCKS, POOL, WAIT = "/blocks/", "/transactions/unconfirmed", "/consentfs/wait"


class Ask:
    def __init__(self, conn, method, path, headers, body):
        self.conn, self.method, self.path, self.headers, self.body = conn, method, path, headers, body


class Mode:
    """Passes on; what differs is in the classes below."""

    def __init__(self, rnd):
        self.rnd, self.since, self.height = rnd, None, 0

    def begin(self):
        self.since = time.time()
        self.height = self.real("GET", "/blocks/height")[1]["height"]

    def elapsed(self):
        return time.time() - self.since

    def real(self, method, path, body=None, port=None):
        status, raw = forward(port or UP, method, path, body)
        return status, json.loads(raw or b"null")

    def answer(self, ask):
        """(status, body), or None if it was answered by hand."""
        return forward(UP, ask.method, ask.path, ask.body)


def mode(name):
    def add(cls):
        MODES[name] = cls
        return cls
    return add


def forward(port, method, path, body=None):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
    try:
        c.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        r = c.getresponse()
        return r.status, r.read()
    finally:
        c.close()


def dumps(j):
    return json.dumps(j).encode()


# ---- what it knows and does not tell
class Upto(Mode):
    """Shows the blocks up to top() and an empty pool."""

    def top(self):
        return self.height

    def pool(self):
        return []

    def answer(self, ask):
        p = ask.path.split("?")[0]
        if p == "/blocks/height":
            return 200, dumps({"height": self.top()})
        if p == WAIT:
            time.sleep(1)
            return 200, dumps({"height": self.top(), "unconfirmed": 0})
        if p == POOL:
            return 200, dumps(self.pool())
        if p.startswith("/blocks/seq/"):
            a, b = map(int, p.split("/")[3:5])
            if a > self.top():
                return 200, b"[]"
            return forward(UP, "GET", "/blocks/seq/%d/%d" % (a, min(b, self.top())))
        if p.startswith(("/blocks/at/", "/blocks/headers/at/")) and int(p.split("/")[-1]) > self.top():
            return 404, dumps({"error": 301, "message": "block does not exist"})
        return super().answer(ask)


@mode("frozen")
class _(Upto): pass


@mode("below")
class _(Upto):
    def top(self): return self.height // 2


@mode("slow")
class _(Upto):
    def top(self): return self.height + int(self.elapsed() / 5)


@mode("tall")
class _(Upto):
    def answer(self, ask):
        if ask.path == "/blocks/height":
            return 200, dumps({"height": 10**12})
        return super().answer(ask)


@mode("replay")
class Replay(Upto):
    def pool(self):
        """What was ever on the ledger waits again."""
        blocks = []
        for a in range(1, self.height + 1, 50):
            blocks += self.real("GET", "/blocks/seq/%d/%d" % (a, a + 49))[1]
        return [t for b in blocks for t in b["transactions"]]


@mode("replay-other")
class _(Upto):
    def pool(self):
        j = self.real("GET", "/blocks/seq/1/50", port=OTHER)[1]
        return [t for b in j for t in b["transactions"]]


@mode("pool-only")
class _(Upto):
    """No block more, but what they hold, as if it still waited."""
    def pool(self):
        newer = self.real("GET", "/blocks/seq/%d/%d" % (self.height + 1, self.height + 99))[1]
        return [t for b in newer for t in b["transactions"]] + self.real("GET", POOL)[1]


@mode("flap")
class _(Upto):
    """As two nodes behind one address, one of them frozen."""
    def answer(self, ask):
        return super().answer(ask) if int(self.elapsed()) % 2 else forward(UP, ask.method, ask.path, ask.body)


# ---- forks and forgeries
class Blocks(Mode):
    """change(b) each block above the height at which it began."""

    def answer(self, ask):
        status, raw = super().answer(ask)
        if not ask.path.startswith(BLOCKS) or ask.path == "/blocks/height" or status != 200:
            return status, raw
        j = json.loads(raw)
        for b in j if isinstance(j, list) else [j]:
            if isinstance(b, dict) and b.get("height", 0) > self.height:
                self.change(b)
        return status, dumps(j)


def noise(rnd, n):
    return b58(bytes(rnd.randrange(1, 256) for _ in range(n)))


@mode("forge")
class _(Blocks):
    def change(self, b):
        self.rnd.seed("%s %d" % (SEED, b["height"]))
        b["signature"] = noise(self.rnd, 64)
        b["transactions"], b["transactionCount"] = [], 0


@mode("later")
class _(Blocks):
    def change(self, b): b["timestamp"] += 3600000


@mode("drop-tx")
class _(Blocks):
    def change(self, b): b["transactions"], b["transactionCount"] = [], 0


@mode("stuffed")
class _(Blocks):
    def change(self, b):
        if b["height"] == self.height + 1:
            b["transactions"] = [{"type": 4, "id": "x"}] * 70000


@mode("other-key")
class _(Mode):
    """The same key in another spelling: its top bit is set."""
    def answer(self, ask):
        status, raw = super().answer(ask)
        if status != 200 or not ask.path.startswith((BLOCKS, POOL)) or b'"proofs"' not in raw:
            return status, raw
        j = json.loads(raw)
        for x in j if isinstance(j, list) else [j]:
            for t in x.get("transactions", [x]):
                if "senderPublicKey" in t and x.get("height", self.height + 1) > self.height:
                    k = bytearray(unb58(t["senderPublicKey"], 32))
                    k[31] |= 0x80
                    t["senderPublicKey"] = b58(bytes(k))
        return status, dumps(j)


@mode("s-plus-l")
class _(Mode):
    """S + L for S: nodes accept it and the id stays as it is."""
    def answer(self, ask):
        status, raw = super().answer(ask)
        if status != 200 or b'"proofs"' not in raw:
            return status, raw
        j = json.loads(raw)
        for x in j if isinstance(j, list) else [j]:
            for t in x.get("transactions", [x]):
                sig = bytearray(unb58(t["proofs"][0], 64))
                sign, sig[63] = sig[63] & 0x80, sig[63] & 0x7f
                s = int.from_bytes(sig[32:], "little") + L
                sig[32:] = s.to_bytes(32, "little")
                sig[63] |= sign
                t["proofs"][0] = b58(bytes(sig))
        return status, dumps(j)


@mode("two-blocks")
class _(Mode):
    def answer(self, ask):
        status, raw = super().answer(ask)
        j = json.loads(raw) if ask.path.startswith("/blocks/headers/at/") and status == 200 else {}
        if j.get("height", 1) > 1: # it is of the same chain
            j["signature"] = noise(random.Random(SEED), 64)
            raw = dumps(j)
        return status, raw


@mode("other-chain")
class _(Mode):
    def answer(self, ask):
        return forward(OTHER, ask.method, ask.path, ask.body)


# ---- no node at all
@mode("deep")
class _(Mode):
    def answer(self, ask): return 200, b"[" * 100000 + b"]" * 100000


@mode("wide")
class _(Mode):
    def answer(self, ask): return 200, b"[" + b"[]," * 2000000 + b"[]]"


@mode("garbage")
class _(Mode):
    def answer(self, ask): return 200, self.rnd.randbytes(2000)


@mode("error-200")
class _(Mode):
    def answer(self, ask):
        return 200, dumps(self.rnd.choice([{"status": "error", "details": "no such thing"},
                                           {"error": 112, "message": "State check failed"},
                                           {"error": "There was an internal server error."}]))


@mode("error-500")
class _(Mode):
    def answer(self, ask): return 500, dumps({"error": "There was an internal server error."})


@mode("redirect")
class _(Mode):
    def answer(self, ask):
        by_hand(ask, b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d%s\r\nContent-Length: 0\r\n\r\n" %
                (UP, ask.path.encode()))


@mode("silent")
class _(Mode):
    def answer(self, ask):
        while is_on():
            time.sleep(0.2)
        raise ConnectionError


@mode("drip")
class _(Mode):
    def answer(self, ask):
        by_hand(ask, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999\r\n\r\n")
        while is_on():
            by_hand(ask, b" ")
            time.sleep(1)
        raise ConnectionError


@mode("endless")
class _(Mode):
    def answer(self, ask):
        by_hand(ask, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n")
        while is_on():
            by_hand(ask, b"10000\r\n" + b",1" * 32768 + b"\r\n")
        raise ConnectionError


@mode("cut")
class _(Mode):
    def answer(self, ask):
        by_hand(ask, b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"height\":")
        raise ConnectionError


# ---- what it is sent
@mode("swallow")
class _(Mode):
    """Says yes and forgets it."""
    def answer(self, ask):
        if ask.method == "POST":
            return 200, ask.body
        return super().answer(ask)


@mode("refuse")
class _(Mode):
    """Each refusal in turn."""
    numbers = [(400, 1), (403, 2), (400, 10), (400, 101), (400, 102), (400, 108), (400, 112), (400, 199), (400, 303),
               (401, 618), (400, 620), (403, 621), (403, 638), (503, 640), (503, 642), (403, 703), (500, "text"), (404, 0)]
    n = 0

    def answer(self, ask):
        if ask.method != "POST":
            return super().answer(ask)
        status, number = self.numbers[self.n % len(self.numbers)]
        self.n += 1
        return status, dumps({"error": number, "message": "refused for a test"})


@mode("full-pool")
class _(Mode):
    """A pool that is too big to be read."""
    def answer(self, ask):
        if ask.path == POOL:
            return 200, b"[" + b'{"type":4},' * 900000 + b"{}]"
        return super().answer(ask)


@mode("hurry")
class _(Mode):
    """There is always something new."""
    def answer(self, ask):
        if ask.path.startswith(WAIT):
            return 200, dumps({"height": 10**9, "unconfirmed": 7})
        return super().answer(ask)


@mode("certificate")
class _(Mode): pass  # see Port


@mode("feed")
class _(Mode):
    """The RMS, without its feed."""
    def begin(self): self.since = time.time()

    def answer(self, ask):
        return 503, dumps({"code": 6, "name": "BUSY", "detail": "the feed is cut off for a test"})


# ---- serving
def is_on():
    return os.path.exists(DIR + "/on")


def by_hand(ask, data):
    ask.conn.sendall(data)


class Port(threading.Thread):
    def __init__(self, port, name):
        super().__init__(daemon=True)
        self.name_, self.lock = name, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.mode = None
        self.start()

    def context(self):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        kind = "wrong" if is_on() else "right"
        c.load_cert_chain("%s/%s.pem" % (DIR, kind), "%s/%s.key" % (DIR, kind))
        return c

    def run(self):
        while True:
            conn, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def named(self):
        if self.name_ != "told":
            return self.name_
        with open(DIR + "/mode") as f:
            return f.read().strip()

    def current(self):
        """The mode while the attack lasts, else None."""
        with self.lock:
            if not is_on():
                self.mode = None
            elif self.mode is None:
                m = MODES[self.named()](random.Random("%s %s" % (SEED, self.name_)))
                m.begin()
                self.mode = m
            return self.mode

    def serve(self, conn):
        try:
            if self.name_ == "certificate":
                conn = self.context().wrap_socket(conn, server_side=True)
            f, was = conn.makefile("rb"), is_on()
            while self.one(conn, f) and (self.name_ != "certificate" or is_on() == was):
                pass
        except (OSError, ValueError, http.client.HTTPException):
            pass
        finally:
            conn.close()

    def one(self, conn, f):
        line = f.readline().decode("latin-1").split()
        if len(line) < 2:
            return False
        headers = http.client.parse_headers(f)
        body = f.read(int(headers.get("Content-Length", 0)))
        ask = Ask(conn, line[0], line[1], headers, body or None)
        if headers.get("Expect"):
            by_hand(ask, b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("Authorization"):
            with open(DIR + "/token", "w") as out:
                out.write(headers["Authorization"])
        m = self.current()
        if self.name_ == "feed":
            if not (m and ask.method == "GET" and ask.path.startswith("/v1/events")):
                return self.tunnel(ask, line)
            time.sleep(0.5)
        out = m.answer(ask) if m else forward(UP, ask.method, ask.path, ask.body)
        if out is None:
            return True
        status, raw = out
        by_hand(ask, b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(raw)) + raw)
        return True

    def tunnel(self, ask, line):
        """One exchange with the RMS, headers and all."""
        c = http.client.HTTPConnection("127.0.0.1", RMS, timeout=90)
        try:
            c.request(ask.method, ask.path, ask.body,
                      {k: v for k, v in ask.headers.items() if k.lower() not in ("content-length", "expect")})
            r = c.getresponse()
            raw = r.read()
            head = "".join("%s: %s\r\n" % (k, v) for k, v in r.getheaders()
                           if k.lower() not in ("content-length", "transfer-encoding", "connection"))
            by_hand(ask, ("HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n" % (r.status, head, len(raw))).encode() + raw)
            return True
        finally:
            c.close()


def serve(d, seed, up, other, rms, *ports):
    global DIR, SEED, UP, OTHER, RMS
    DIR, SEED, UP, OTHER, RMS = d, seed, int(up), int(other), int(rms)
    lines = ""
    for p in ports:
        port, name = p.split(":")
        lines += "%s %d\n" % (name, Port(int(port), name).listener.getsockname()[1])
    with open(DIR + "/ready.new", "w") as f:
        f.write(lines)
    os.rename(DIR + "/ready.new", DIR + "/ready")
    threading.Event().wait()


# ---- who reads
def watch_one(path, out, stop):
    held = os.open(path, os.O_RDONLY)
    out.update(opens=1, denied=0, last_open=0, last_held=0)
    while not stop():
        try:
            fd = os.open(path, os.O_RDONLY)
            out["opens"] += 1
            try:
                if os.read(fd, 1):
                    out["last_open"] = time.time()
            finally:
                os.close(fd)
        except OSError:
            out["denied"] += 1
        try:
            if os.pread(held, 1, 0):
                out["last_held"] = time.time()
        except OSError:
            pass
        time.sleep(0.1)
    os.close(held)


def watch(d, *names):
    out = {}
    threads = []
    for n in names:
        name, path = n.split("=", 1)
        out[name] = {}
        threads.append(threading.Thread(target=watch_one, args=(path, out[name], lambda: os.path.exists(d + "/stop"))))
        threads[-1].start()
    open(d + "/watching", "w").close()
    for t in threads:
        t.join()
    print(json.dumps(out))


if __name__ == "__main__":
    what, args = sys.argv[1], sys.argv[2:]
    if what == "modes":
        print("\n".join(MODES))
    else:
        {"serve": serve, "watch": watch}[what](*args)
