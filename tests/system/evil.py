#!/usr/bin/env python3
# A server that misbehaves on command: it stands between clients and a real
# consentd and passes everything on, until DIR/attack names an attack.
#   evil.py serve DIR RMS:UPSTREAM NODE:UPSTREAM   ports on 127.0.0.1
#   evil.py read FILE TRUTH     read a file of the mount: errno, and whether
#                               0 bytes came or right ones; or WRONG
#   evil.py replay PORT FILE [HOST]   send a kept request again: its status
# What an attack did is a line in DIR/acted; DIR/kept holds requests and
# answers that were seen, for later use.
import base64, ctypes, errno, http.client, json, os, re, socket, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def b58(b):
    n, s = int.from_bytes(b, "big"), ""
    while n:
        n, m = divmod(n, 58)
        s = ALPHABET[m] + s
    return "1" * (len(b) - len(b.lstrip(b"\0"))) + s


def unb58(s, n):
    v = 0
    for c in s:
        v = v * 58 + ALPHABET.index(c)
    return v.to_bytes(n, "big")


def sealed_to(key58, plain):
    sodium = ctypes.CDLL("libsodium.so.23")
    out = ctypes.create_string_buffer(len(plain) + 48)
    if sodium.crypto_box_seal(out, plain, ctypes.c_ulonglong(len(plain)), unb58(key58, 32)):
        raise ValueError("cannot seal")
    return out.raw


def flip(b, bit):
    b = bytearray(b)
    b[bit // 8] ^= 1 << bit % 8
    return bytes(b)


class Answer:
    """What goes back: status, headers and body, or raw bytes piece by piece."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body, self.raw = status, headers, body, None

    def json(self):
        return json.loads(self.body)

    def put(self, j):
        self.body = json.dumps(j).encode()


ATTACKS = {}


def attack(name, path, method="GET"):
    def add(fn):
        ATTACKS.setdefault(name, []).append((method, re.compile(path), fn))
        return fn
    return add


SPAN, LEAVES = r"^/v1/blobs/[^/]+/spans/\d+$", r"^/v1/blobs/[^/]+/leaves$"


# ---- blobs ----
@attack("span-flip", SPAN)
def _(x, a): a.body = flip(a.body, 8 * (len(a.body) // 2))


@attack("span-last-bit", SPAN)
def _(x, a): a.body = flip(a.body, 8 * len(a.body) - 1)


@attack("span-cut", SPAN)
def _(x, a): a.body = a.body[:-1]


@attack("span-grown", SPAN)
def _(x, a): a.body += b"\0"


@attack("span-empty", SPAN)
def _(x, a): a.body = b""


@attack("span-zeros", SPAN)
def _(x, a): a.body = bytes(len(a.body))


@attack("span-doubled", SPAN)
def _(x, a): a.body += a.body


@attack("span-other", SPAN)
def _(x, a):
    """Another document of the same length, seen before."""
    for k, v in x.seen("span"):
        if k != x.path and len(v) == len(a.body) and v != a.body:
            a.body = v
            return
    return False


@attack("span-order", SPAN)
def _(x, a):
    """Span 1 is span 2; x.seen() has it."""
    here, i = x.path.rsplit("/", 1)
    if i != "1":
        return False
    a.body = dict(x.seen("span"))[f"{here}/2"]


@attack("span-first-again", SPAN)
def _(x, a):
    here, i = x.path.rsplit("/", 1)
    if i == "0":
        with LOCK:
            SEEN.setdefault("span", {})[x.path] = a.body
        return False
    a.body = dict(x.seen("span"))[f"{here}/0"][:len(a.body)]


@attack("span-gone", SPAN)
def _(x, a):
    a.status = 404
    a.put({"code": 10, "name": "NOTFOUND", "detail": "no such object"})


@attack("span-html", SPAN)
def _(x, a): a.body = b"<html>200 OK</html>"


@attack("leaves-flip", LEAVES)
def _(x, a): a.body = flip(a.body, 8 * 20)


@attack("leaves-cut", LEAVES)
def _(x, a): a.body = a.body[:-32]


@attack("leaves-order", LEAVES)
def _(x, a): a.body = a.body[:8] + a.body[40:72] + a.body[8:40] + a.body[72:]


@attack("leaves-longer", LEAVES)
def _(x, a): a.body = (int.from_bytes(a.body[:8], "big") + 1).to_bytes(8, "big") + a.body[8:]


@attack("leaves-2-63", LEAVES)
def _(x, a): a.body = (1 << 63).to_bytes(8, "big") + a.body[8:]


@attack("leaves-other", LEAVES)
def _(x, a):
    for k, v in x.seen("leaves"):
        if k != x.path and len(v) == len(a.body):
            a.body = v
            return
    return False


# ---- bodies without end, or a byte at a time ----
def raw(name, path, length, pieces):
    """Say ${length} (None: nothing), then send the pieces until it hangs up."""
    @attack(name, path)
    def fn(x, a):
        def send(h):
            h.send_response(200)
            n = length(a) if length else None
            if n is not None:
                h.send_header("Content-Length", str(n))
            h.end_headers()
            for p in pieces(a):
                h.wfile.write(p)
                h.wfile.flush()
            h.close_connection = True
        a.raw = send


def endless(a):
    while True:
        yield a.body + bytes(65536)


def dripping(a):
    for i in range(len(a.body)):
        yield a.body[i:i + 1]
        time.sleep(1)


def silent(a):
    yield b""
    time.sleep(300)


whole = lambda a: len(a.body)
raw("span-endless", SPAN, None, endless)
raw("span-announced", SPAN, lambda a: 1 << 62, endless)
raw("span-drip", SPAN, whole, dripping)
raw("span-silent", SPAN, whole, silent)
raw("leaves-endless", LEAVES, None, endless)
raw("leaves-drip", LEAVES, whole, dripping)


# ---- released keys and receipts ----
def access_only(x):
    return json.loads(x.body)["kind"] != "list"


@attack("key-of-other-set", "^/v1/release$", "POST")
def _(x, a):
    mine = json.loads(x.body)["set"]
    for k, v in x.seen("release"):
        if k != mine and access_only(x):
            a.put({**a.json(), "key": json.loads(v)["key"]})
            return
    return False


@attack("key-of-the-server", "^/v1/release$", "POST")
def _(x, a):
    if not access_only(x):
        return False
    key = sealed_to(x.arg, b"\x07" * 32)
    a.put({**a.json(), "key": base64.b64encode(key).decode()})


@attack("key-flip", "^/v1/release$", "POST")
def _(x, a):
    if not access_only(x):
        return False
    key = flip(base64.b64decode(a.json()["key"]), int(x.arg))
    a.put({**a.json(), "key": base64.b64encode(key).decode()})


@attack("key-short", "^/v1/release$", "POST")
def _(x, a):
    if not access_only(x):
        return False
    key = base64.b64decode(a.json()["key"])[:-1]
    a.put({**a.json(), "key": base64.b64encode(key).decode()})


@attack("receipt-field", "^/v1/release$", "POST")
def _(x, a):
    """One member of the receipt is changed: x.arg."""
    if not access_only(x):
        return False
    j = a.json()
    was = j["receipt"][x.arg]
    j["receipt"][x.arg] = was + 1 if isinstance(was, int) else \
        b58(flip(unb58(was, {"transaction": 32, "signature": 64}.get(x.arg, 16)), 3))
    a.put(j)


@attack("receipt-old", "^/v1/release$", "POST")
def _(x, a):
    """A receipt that is genuine, of another inquiry."""
    for k, v in x.seen("release"):
        if access_only(x) and json.loads(v)["receipt"] != a.json()["receipt"]:
            a.put({**a.json(), "receipt": json.loads(v)["receipt"]})
            return
    return False


@attack("receipt-none", "^/v1/release$", "POST")
def _(x, a):
    if not access_only(x):
        return False
    j = a.json()
    del j["receipt"]
    a.put(j)


@attack("lease-for-ever", "^/v1/release$", "POST")
def _(x, a):
    if not access_only(x):
        return False
    a.put({**a.json(), "lease": 1 << 40})


@attack("record-of-other-set", r"^/v1/sets/[^/]+/key$")
def _(x, a):
    for k, v in x.seen("record"):
        if k != x.path:
            a.body = v
            return
    return False


@attack("record-field", r"^/v1/sets/[^/]+/key$")
def _(x, a):
    rec = bytearray(base64.b64decode(a.json()["record"]))
    rec[int(x.arg)] ^= 2
    a.put({"record": base64.b64encode(bytes(rec)).decode()})


# ---- lists ----
@attack("sets-invented", r"^/v1/patients/[^/]+/sets$")
def _(x, a):
    j = a.json()
    j["sets"].insert(0, {"set": b58(os.urandom(16)), "transaction": b58(os.urandom(32)),
                         "entry": b58(os.urandom(16)), "sender": b58(os.urandom(31) + b"\1")})
    a.put(j)


@attack("sets-moved", r"^/v1/patients/[^/]+/sets$")
def _(x, a):
    """A set under the transaction of another one."""
    j = a.json()
    if len(j["sets"]) < 2:
        return False
    j["sets"][0]["entry"] = j["sets"][1]["entry"]
    a.put(j)


@attack("register-other-key", "^/v1/patients$", "POST")
def _(x, a): a.put({**a.json(), "patientRms": b58(os.urandom(31) + b"\1")})


@attack("register-other-url", "^/v1/patients$", "POST")
def _(x, a): a.put({**a.json(), "url": "http://127.0.0.1:1"})


# ---- transport, on both sides ----
@attack("redirect-file", "^/", "*")
def _(x, a):
    a.status, a.body = 302, b""
    a.headers["Location"] = "file:///etc/passwd"


@attack("redirect-http", "^/", "*")
def _(x, a):
    a.status, a.body = 307, b""
    a.headers["Location"] = f"http://127.0.0.1:{x.arg}{x.path}"


@attack("garbage", "^/", "*")
def _(x, a): a.status, a.body = 200, os.urandom(300)


@attack("deep", "^/", "*")
def _(x, a): a.status, a.body = 200, b"[" * 100000


# ---- the node
BLOCKS = r"^/blocks/(seq/|at/)"


def blocks_of(a):
    j = a.json()
    return j, [b for b in (j if isinstance(j, list) else [j]) if b.get("transactions")]


def each_block(name, change):
    """Blocks that hold data transactions are changed by change(block)."""
    @attack(name, BLOCKS)
    def fn(x, a):
        j, with_txs = blocks_of(a)
        if not with_txs:
            return False
        for b in with_txs:
            change(b)
        a.put(j)


def first_value(b):
    e = b["transactions"][0]["data"][0]
    raw = flip(base64.b64decode(e["value"].removeprefix("base64:")), 8 * 600)
    e["value"] = "base64:" + base64.b64encode(raw).decode()


def set_first(name, change):
    def fn(b):
        b["transactions"][0][name] = change(b["transactions"][0][name])
    return fn


each_block("node-tx-dropped", lambda b: b["transactions"].pop())
each_block("node-tx-doubled", lambda b: b["transactions"].append(b["transactions"][0]))
each_block("node-tx-value", first_value)
each_block("node-tx-time", set_first("timestamp", lambda t: t + 1))
each_block("node-tx-fee", set_first("fee", lambda t: t + 1))
each_block("node-tx-sender", set_first("senderPublicKey", lambda k: b58(os.urandom(31) + b"\1")))
each_block("node-tx-id", set_first("id", lambda k: b58(os.urandom(32))))
each_block("node-block-time", lambda b: b.update(timestamp=b["timestamp"] + 3600000))
each_block("node-block-generator", lambda b: b.update(generatorPublicKey=b58(os.urandom(31) + b"\1")))
each_block("node-block-reference", lambda b: b.update(reference=b58(os.urandom(64))))


@attack("node-below", "^/blocks/height$")
def _(x, a): a.put({"height": 2})


@attack("node-other-block", r"^/blocks/headers/at/\d+$")
def _(x, a): a.put({**a.json(), "signature": b58(os.urandom(64))})


@attack("node-frozen", "^/", "*")
def _(x, a):
    """What was answered when the attack began is answered for ever."""
    key = x.h.command + x.h.path
    with LOCK:
        if x.path in ("/blocks/height", "/consentfs/wait"):
            key = x.path
        old = SEEN.setdefault("frozen", {}).setdefault(key, a)
    a.status, a.body = old.status, old.body


@attack("node-old-pool", "^/transactions/unconfirmed$")
def _(x, a):
    """All transactions that were ever seen wait in the pool again."""
    with LOCK:
        old = list(SEEN.get("tx", {}).values())
    a.put(a.json() + old)


@attack("feed-old", "^/v1/events$")
def _(x, a):
    """The feed brings all old transactions again, as if not final."""
    with LOCK:
        old = list(SEEN.get("tx", {}).values())
    j = a.json()
    j["next"] = max(j["next"], int(re.search(r"after=(\d+)", x.h.path)[1]))
    for i, tx in enumerate(old):
        j["events"].append({"seq": j["next"] + 1 + i, "transaction": tx["id"],
                            "entry": tx["data"][0]["key"][5:], "sender": tx["senderPublicKey"], "json": tx})
    j["next"] += len(old)
    time.sleep(0.3)
    a.put(j)


class Exchange:
    def __init__(self, handler, body, arg):
        self.h, self.body, self.arg = handler, body, arg
        self.path = handler.path.split("?")[0]

    def seen(self, kind):
        with LOCK:
            return list(SEEN.get(kind, {}).items())


LOCK, SEEN = threading.Lock(), {}
KINDS = [("span", SPAN), ("leaves", LEAVES), ("record", r"^/v1/sets/[^/]+/key$")]


def keep(x, a):
    """Remember good answers, and the newest signed request of each kind."""
    with LOCK:
        for kind, path in KINDS:
            if x.h.command == "GET" and re.match(path, x.path) and a.status == 200:
                SEEN.setdefault(kind, {})[x.path] = a.body
        if x.path == "/v1/release" and a.status == 200 and access_only(x):
            SEEN.setdefault("release", {})[json.loads(x.body)["set"]] = a.body
        if re.match(BLOCKS, x.path) and a.status == 200:
            for b in blocks_of(a)[1]:
                for tx in b["transactions"]:
                    SEEN.setdefault("tx", {})[tx["id"]] = {k: v for k, v in tx.items() if k != "height"}
    if "X-Consent-Key" not in x.h.headers:
        return
    name = re.sub("[^a-z]+", "-", f"{x.h.command} {x.path}".lower()).strip("-")[:40]
    head = f"{x.h.command} {x.h.path} HTTP/1.1\r\n"
    head += "".join(f"{k}: {v}\r\n" for k, v in x.h.headers.items())
    new = f"{DIR}/kept/.{threading.get_ident()}"
    with open(new, "wb") as f:
        f.write(head.encode() + b"\r\n" + x.body)
    os.rename(new, f"{DIR}/kept/{name}")  # whole for who reads it now


def current():
    try:
        with open(f"{DIR}/attack") as f:
            name, _, arg = f.read().strip().partition(" ")
            return name, arg
    except FileNotFoundError:
        return "none", ""


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def upstream(self, body):
        c = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=90)
        c.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for k, v in self.headers.items():
            if k.lower() not in ("connection", "expect"):
                c.putheader(k, v)
        c.endheaders(body)
        r = c.getresponse()
        a = Answer(r.status, {k: v for k, v in r.getheaders() if k.lower() in ("content-type",)}, r.read())
        c.close()
        return a

    def relay(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        a = self.upstream(body)
        name, arg = current()  # a long poll may have outlasted an attack
        x = Exchange(self, body, arg)
        if a.status == 200 and name == "none":
            keep(x, a)
        side = name.startswith("node-")
        for method, path, fn in ATTACKS.get(name, []):
            if side != self.server.is_node and name not in BOTH:
                continue
            if method in ("*", self.command) and path.search(x.path) and \
                    (a.status == 200 or method == "*") and fn(x, a) is not False:
                with open(f"{DIR}/acted", "a") as f:
                    f.write(f"{name} {arg} {self.command} {self.path}\n")
        if a.raw:
            return a.raw(self)
        self.send_response(a.status)
        for k, v in a.headers.items():
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(a.body)))
        self.end_headers()
        self.wfile.write(a.body)

    def handle_one(self):
        try:
            self.relay()
        except (ConnectionError, http.client.HTTPException, TimeoutError, OSError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = handle_one


BOTH = ("garbage", "deep", "redirect-file", "redirect-http")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def serve(ports):
    for i, pair in enumerate(ports):
        port, upstream = map(int, pair.split(":"))
        s = Server(("127.0.0.1", port), Proxy)
        s.upstream, s.is_node = upstream, i == 1
        threading.Thread(target=s.serve_forever, daemon=True).start()
    open(f"{DIR}/ready", "w").close()
    threading.Event().wait()


def read(path, truth):
    want, got = open(truth, "rb").read(), b""
    try:
        fd = os.open(path, os.O_RDONLY)
        while True:
            piece = os.read(fd, 65536)
            if not piece:
                break
            got += piece
        end = "OK"
    except OSError as e:
        end = errno.errorcode[e.errno]
    print(end if want.startswith(got) else "WRONG", "right" if got else 0)


def replay(port, path, host=None):
    raw = open(path, "rb").read()
    if host:
        raw = re.sub(rb"(?mi)^Host: [^\r]*", b"Host: " + host.encode(), raw, count=1)
    raw = raw.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    s = socket.create_connection(("127.0.0.1", int(port)), 30)
    s.sendall(raw)
    got = b""
    while piece := s.recv(65536):
        got += piece
    print(got.split(b" ")[1].decode())


if __name__ == "__main__":
    verb, args = sys.argv[1], sys.argv[2:]
    if verb == "serve":
        DIR = args[0]
        os.makedirs(f"{DIR}/kept", exist_ok=True)
        serve(args[1:])
    elif verb == "read":
        read(*args)
    elif verb == "replay":
        replay(*args)
