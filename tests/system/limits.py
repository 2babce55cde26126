#!/usr/bin/env python3
# Clients and servers that want too much.
#   limits.py server NAME PORT PID ...   attack the listener on PORT of the
#       process PID; a legal request goes on beside it; prints figures
#   limits.py clients HOME CONSENT       CONSENT in copies of HOME, whose node
#       and RMS are servers that send without measure
import concurrent.futures, itertools, os, re, resource, shutil, socket, subprocess, sys, threading, time


def rss(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def connect(port, source=None):
    s = socket.socket()
    s.settimeout(30)
    if source:
        s.bind((source, 0))
    s.connect(("127.0.0.1", port))
    return s


def answer(s, limit=1 << 20):
    """Status of the answer, or 'closed', or 'silent'."""
    got = b""
    try:
        while b"\r\n\r\n" not in got and len(got) < limit:
            piece = s.recv(65536)
            if not piece:
                return "closed"
            got += piece
    except TimeoutError:
        return "silent"
    except ConnectionError:
        return "closed"
    return got.split()[1].decode()


class Legal(threading.Thread):
    """Asks all the time, from its own address; keeps how long it took."""

    def __init__(self, port, path):
        super().__init__(daemon=True)
        self.port, self.path, self.took, self.bad, self.end = port, path, [], 0, False

    def run(self):
        while not self.end:
            t = time.monotonic()
            try:
                s = connect(self.port, "127.0.0.9")
                s.sendall(f"GET {self.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                ok = answer(s) == "200"
                s.close()
            except OSError:
                ok = False
            self.took.append(time.monotonic() - t)
            self.bad += not ok
            time.sleep(0.02)

    def figures(self):
        self.end = True
        self.join(60)
        t = sorted(self.took)
        return f"{len(t)} legal requests beside it, unanswered: {self.bad} of {len(t)}, slowest {t[-1] * 1000:.0f} ms"


def sources(n, per=100):
    """Addresses of this machine, so many connections from each."""
    for i in range(n):
        yield f"127.0.{1 + i // per // 250}.{10 + i // per % 250}"


# ---- what is done to a listener; each returns what came of it
def idle(port, n):
    """n connections that say nothing."""
    socks = []
    for src in sources(n):
        try:
            socks.append(connect(port, src))
        except OSError:
            pass
    time.sleep(2)
    return socks, f"{len(socks)} idle connections"


def slow_heads(port, n):
    socks = []
    for src in sources(n):
        try:
            socks.append(connect(port, src))
        except OSError:
            pass
    return drip(socks, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ")


def slow_bodies(port, n):
    socks = []
    for src in sources(n):
        try:
            s = connect(port, src)
            s.sendall(HEAD + b"Content-Length: 500000\r\n\r\n")
            socks.append(s)
        except OSError:
            pass
    return drip(socks, b"")


SECONDS = 12


def drip(socks, begin):
    """A byte a second to all of them until SECONDS are over or all are cut."""
    for s in socks:
        s.setblocking(False)
    alive, t, text = list(socks), time.monotonic(), itertools.chain(begin, itertools.repeat(0x61))
    lost_at = None
    while alive and time.monotonic() - t < SECONDS:
        b = bytes([next(text)])
        for s in list(alive):
            try:
                s.send(b)
                try:
                    if not s.recv(1):
                        raise ConnectionError
                except BlockingIOError:
                    pass
            except (BlockingIOError, TimeoutError):
                pass
            except OSError:
                alive.remove(s)
                lost_at = time.monotonic() - t
        time.sleep(1)
    if alive:
        raise SystemExit(f"FAILED: {len(alive)} slow clients are still there")
    return socks, f"{len(socks)} slow clients, cut off: {len(socks) - len(alive)} of {len(socks)}, the last after {lost_at or 0:.0f} s"


HEAD, MOST = b"POST /v1/events HTTP/1.1\r\nHost: x\r\n", 512 << 10


def expect(status, port, parts):
    s = connect(port)
    try:
        for p in parts:
            s.sendall(p)
    except OSError:
        pass
    got = answer(s)
    s.close()
    if got not in status:
        raise SystemExit(f"FAILED: {got} instead of {status}")
    return got


def announced(port, _):
    """Bodies that are announced too long: refused before a byte is read."""
    n = 0
    for length in (MOST + 1, 1 << 31, 1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, 1 << 64, 10 ** 40):
        expect(("413", "400", "closed"), port, [HEAD + b"Content-Length: %d\r\n\r\n" % length])
        n += 1
    return [], f"{n} bodies announced too long, read: 0 of {n}"


def endless(port, _):
    """A chunked body without an end."""
    chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    for head in (HEAD, b"POST /healthz HTTP/1.1\r\nHost: x\r\n", b"POST /nothing HTTP/1.1\r\nHost: x\r\n"):
        s = connect(port)
        s.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            while sent < 64 << 20:
                s.sendall(chunk)
                sent += 65536
        except OSError:
            pass
        if sent >= 64 << 20:
            raise SystemExit("FAILED: an endless body is read for ever")
        s.close()
    return [], f"3 endless bodies, the last was dropped after {sent >> 20} MiB"


def deep(port, _):
    """Deep JSON, huge numbers, long texts, as bodies of a signed route."""
    bodies = [b"[" * 100000, b'{"a":' * 50000, b'{"transaction":' + b"9" * 400000 + b"}",
              b'{"transaction":1e' + b"9" * 300000 + b"}", b'{"' + b"a" * 400000 + b'":1}',
              b'{"a":"' + b"\\u0000" * 60000 + b'"}', b"\xff" * 400000, b'{"a":1,' * 1000]
    for b in bodies:
        expect(("400", "401", "422", "413"), port, [HEAD + b"Content-Type: application/json\r\n"
               b"Content-Length: %d\r\n\r\n" % len(b), b])
    return [], f"{len(bodies)} bodies of deep, huge and long JSON, taken: 0 of {len(bodies)}"


def heads(port, _):
    """Many headers, long headers, long targets, no end of a head."""
    parts = [b"GET /healthz HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % i for i in range(100000)) + b"\r\n",
             b"GET /healthz HTTP/1.1\r\nX-A: " + b"a" * (1 << 20) + b"\r\n\r\n",
             b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n\r\n",
             b"GET /healthz?" + b"&" * 30000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
             b"a" * (4 << 20)]
    for p in parts:
        expect(("400", "413", "414", "431", "closed"), port, [p])
    return [], f"{len(parts)} heads without measure, taken: 0 of {len(parts)}"


def against_server(name, port, pid, path, n):
    before, open_before = rss(pid), fds(pid)
    legal = Legal(port, path)
    legal.start()
    socks, told = globals()[name](port, n)
    during = rss(pid)
    beside = legal.figures()
    for s in socks:
        s.close()
    for _ in range(200):
        if fds(pid) <= open_before + 8:
            break
        time.sleep(0.1)
    print(f"figure: {told}; {beside}; RSS {before >> 10} -> {during >> 10} MiB, descriptors {open_before} -> {fds(pid)}")
    if legal.bad:
        raise SystemExit("FAILED: legal requests were not answered")
    if max(during, rss(pid)) > 256 << 10:
        raise SystemExit("FAILED: the process holds more than 256 MiB")
    if fds(pid) > open_before + 8:
        raise SystemExit("FAILED: descriptors do not come back")


# ---- a server that wants too much of its clients
def pieces(name):
    """What goes out, piece by piece, for ever or until it ends."""
    ok = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    byte = itertools.repeat(b"a")
    if name == "silent":
        return itertools.chain([], (time.sleep(1) or b"" for _ in byte))
    if name == "slow-head":
        return itertools.chain([ok + b"X: "], (time.sleep(1) or b for b in byte))
    if name == "slow-body":
        return itertools.chain([ok + b"Content-Length: 100000\r\n\r\n"], (time.sleep(1) or b for b in byte))
    if name == "endless-head":
        return itertools.chain([ok], (b"X-A: " + b"a" * 60000 + b"\r\n" for _ in byte))
    if name == "endless-line":
        return itertools.chain([b"HTTP/1.1 200 "], (b"a" * 65536 for _ in byte))
    if name == "endless-body":
        return itertools.chain([ok + b"\r\n"], (b"a" * 65536 for _ in byte))
    if name == "chunked":
        return itertools.chain([ok + b"Transfer-Encoding: chunked\r\n\r\n"], (chunk for _ in byte))
    if name == "announced":
        return [ok + b"Content-Length: %d\r\n\r\n" % (1 << 62), b"{"]
    body = {"garbage": b"\xff" * 100000, "deep": b"[" * 1000000, "number": b"{\"height\":" + b"9" * 1000000 + b"}",
            "text": b'{"chainId":"' + b"a" * 900000 + b'"}', "members": b"{" + b'"a":1,' * 100000 + b'"b":1}',
            "nothing": b""}[name]
    return [ok + b"Content-Length: %d\r\n\r\n" % len(body) + body]


NAMES = ["silent", "slow-head", "slow-body", "endless-head", "endless-line", "endless-body", "chunked", "announced",
         "garbage", "deep", "number", "text", "members", "nothing"]


def give(s, name):
    try:
        s.recv(65536)
        for p in pieces(name):
            s.sendall(p)
    except OSError:
        pass
    s.close()


def listen(name):
    l = socket.socket()
    l.bind(("127.0.0.1", 0))
    l.listen(64)

    def run():
        while True:
            threading.Thread(target=give, args=(l.accept()[0], name), daemon=True).start()
    threading.Thread(target=run, daemon=True).start()
    return l.getsockname()[1]


def client(name, home, program):
    """A copy of a home whose node and RMS are such a server; what a command takes."""
    port, copy = listen(name), f"{home}-{name}"
    shutil.copytree(home, copy)
    conf = open(f"{copy}/consent.conf").read()
    open(f"{copy}/consent.conf", "w").write(re.sub(r"http://127.0.0.1:\d+", f"http://127.0.0.1:{port}", conf))
    t = time.monotonic()
    p = subprocess.Popen([program, "--home", copy, "status"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = p.stderr.read().decode()
    _, status, use = os.wait4(p.pid, 0)
    return name, os.waitstatus_to_exitcode(status), time.monotonic() - t, use.ru_maxrss >> 10, said


def against_clients(home, program):
    with concurrent.futures.ThreadPoolExecutor(len(NAMES)) as pool:
        done = list(pool.map(lambda n: client(n, home, program), NAMES))
    for name, status, took, mib, said in done:
        print(f"{name}: exit {status} after {took:.0f} s with {mib} MiB: {said.strip().splitlines()[-1] if said else ''}")
        if status not in (1, 5, 6, 7) or not said or took > 90 or mib > 128:
            raise SystemExit(f"FAILED: {name}")
    print(f"figure: servers without measure: {len(done)}, taken for a node: 0 of {len(done)}, longest command "
          f"{max(d[2] for d in done):.0f} s, most memory {max(d[3] for d in done)} MiB")


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if sys.argv[1] == "clients":
        against_clients(sys.argv[2], sys.argv[3])
    if sys.argv[1] == "server":
        SECONDS = float(os.environ.get("SECONDS_OF_DRIP", 12))
        if sys.argv[5] != "/healthz":  # the node
            HEAD, MOST = b"POST /transactions/broadcast HTTP/1.1\r\nHost: x\r\n", 3 << 20
        against_server(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5], int(sys.argv[6]))
