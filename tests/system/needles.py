"""Search files and the memory of processes for secrets, in any of the forms
in which they could stand there.

  needles.py files NAME=SECRET... -- PATH...
  needles.py memory PID,... NAME=SECRET...
  needles.py key SETKEY BLOBS SET NUMBER

A secret is text, or hex:BYTES.  Search prints a line for each place and, last,
"HITS in N files" (or bytes); the status is 1 if there are hits.  In
memory the flags of each place follow, as smaps has them: lo is locked, dd not
dumped.  "key" prints
hex:KEY of a document of a set (hex), from the header of its blob.
"""
import base64, hashlib, os, sys

PAGE, CHUNK, OVERLAP = 4096, 1 << 20, 512

def b58(b):
    a = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    n, r = int.from_bytes(b, "big"), b""
    while n:
        n, m = divmod(n, 58)
        r = a[m:m + 1] + r
    return r

def forms(secret):
    """{form: bytes} of a secret."""
    is_key = secret.startswith("hex:")
    k = bytes.fromhex(secret[4:]) if is_key else secret.encode()
    out = {"raw": k, "base58": b58(k), "hex": k.hex().encode(), "HEX": k.hex().upper().encode()}
    if not is_key:
        out["utf16"] = secret.encode("utf-16le")
    for i in range(3):  # the three alignments of base64, without the edges
        b = base64.b64encode(b"x" * i + k)
        b = b[2 if i else 0:][2 if i == 2 else 0:].rstrip(b"=")[:-1]
        out[f"base64/{i}"] = b
        out[f"base64url/{i}"] = b.replace(b"+", b"-").replace(b"/", b"_")
    return out

class Search:
    def __init__(self, secrets):
        self.needles = {}
        for name, secret in secrets.items():
            for form, b in forms(secret).items():
                self.needles.setdefault(b, f"{name} {form}")
        self.hits = 0
    def look(self, where, data):
        for b, name in self.needles.items():
            at = data.find(b)
            if at >= 0:
                self.hits += 1
                print(f"HIT {name} in {where} at {at:#x}")

def named(args):
    return dict(a.split("=", 1) for a in args)

def files(args):
    s = Search(named(args[:args.index("--")]))
    n = 0
    for root in args[args.index("--") + 1:]:
        found = os.walk(root) if os.path.isdir(root) else [(os.path.dirname(root), [], [os.path.basename(root)])]
        for d, sub, names in found:
            sub[:] = [x for x in sub if not os.path.ismount(os.path.join(d, x))]
            for name in names:
                p = os.path.join(d, name)
                if os.path.isfile(p) and not os.path.islink(p):
                    n += 1
                    s.look(p, open(p, "rb").read())
                    s.look("the name " + p, name.encode())
    print(f"{s.hits} in {n} files")
    return s.hits

def regions(pid):
    for line in open(f"/proc/{pid}/maps"):
        span, _, _, _, _, *name = line.split(None, 5)
        a, b = (int(x, 16) for x in span.split("-"))
        name = name[0].strip() if name else "anonymous"
        if name not in ("[vvar]", "[vsyscall]"):
            yield from ((*run, name) for run in present(pid, a, b))

def flags(pid, address):
    inside = False
    for line in open(f"/proc/{pid}/smaps"):
        head = line.split(None, 1)[0]
        if "-" in head:
            a, b = (int(x, 16) for x in head.split("-"))
            inside = a <= address < b
        elif inside and head == "VmFlags:":
            return line.split(None, 1)[1].strip()
    return ""

def present(pid, a, b):
    """The runs of pages between two addresses that hold anything."""
    step = 64  # of these, all absent are passed over at once
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as f:
        f.seek(a // PAGE * 8)
        entries = f.read((b - a) // PAGE * 8)
    start = None
    for block in range(0, len(entries), 8 * step):
        some = entries[block:block + 8 * step]
        if start is None and not some[7] >> 6 and some == some[:8] * (len(some) // 8):
            continue
        for i in range(0, len(some), 8):
            there, at = some[i + 7] >> 6, a + (block + i) // 8 * PAGE  # in memory, or swapped
            if there and start is None:
                start = at
            elif not there and start is not None:
                yield start, at
                start = None
    if start is not None:
        yield start, b

def read_region(m, a, b):
    """Chunks that overlap, up to a guard page or the end of a mapped file."""
    tail = b""
    while a < b:
        try:
            m.seek(a)
            data = m.read(min(CHUNK, b - a))
        except (OSError, OverflowError):
            return
        if not data:
            return
        yield a - len(tail), tail + data, len(data)
        a += len(data)
        tail = data[-OVERLAP:]

def memory(args):
    s, n = Search(named(args[1:])), 0
    for pid in args[0].split(","):
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as m:
            for a, b, name in regions(pid):
                for at, data, new in read_region(m, a, b):
                    n += new
                    before = s.hits
                s.look(f"{pid}: {name} {a:x}-{b:x}, {at:x}", data)
                if s.hits > before:
                    print("  flags:", flags(pid, a))
    print(f"{s.hits} in {n} bytes")
    return s.hits

def key(args):
    setkey, blobs, wanted, number = bytes.fromhex(args[0][4:]), args[1], bytes.fromhex(args[2]), int(args[3])
    for d, _, names in os.walk(blobs):
        for name in names:
            h = open(os.path.join(d, name), "rb").read(128)
            if h[:8] == b"CFSEAL1\n" and h[24:40] == wanted and int.from_bytes(h[12:16], "big") == number:
                salted = b"consentfs/1 document" + h[40:72] + wanted + h[12:16]
                k = hashlib.blake2b(salted, key=setkey, digest_size=64).digest()
                if k[32:] == h[72:104]:
                    print("hex:" + k[:32].hex())
                    return 0
    print("no such document", file=sys.stderr)
    return 2

if __name__ == "__main__":
    run = {"files": files, "memory": memory, "key": key}[sys.argv[1]]
    status = run(sys.argv[2:])
    sys.exit(status if run is key else status > 0)
