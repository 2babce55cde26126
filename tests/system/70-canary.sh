#!/bin/bash
# A canary in every title, name, reason and file name: nowhere on ledger,
# databases, cache, journal or logs, raw, base58 or base64.
. "$(dirname "$0")/lib.sh"
need_fuse
K=QxCanaryZv
server_init
server_start
patient ann
clinic a1 "Clinic A"
clinic b1 "Clinic B"
practitioner b1 root "$K-id" "Dr. $K"
consent --home "$W/a1" alias "$W/ann.card" Ann 2>/dev/null
consent --home "$W/b1" alias "$W/ann.card" Ann 2>/dev/null
mkdir "$W/src" "$W/src/$K"
echo "content $K" >"$W/src/$K/$K.txt"
set=$(publish a1 "Title $K" --label "$K" "$W/src")
consent --home "$W/b1" ask --patient Ann --reason "because $K" >/dev/null
consent --home "$W/ann" grant --to "Clinic B" --set "$set" --practitioner "$K-id" --until 1d >/dev/null
mount_home b1 "$W/mnt"
until_ok 10 appears "$W/mnt" "Title $K"
cat "$(find_dir "$W/mnt" "Title $K")"/src/*/*.txt >/dev/null
seen() { history_has ann '.kind == "access"'; }
until_ok 10 seen
consent --home "$W/ann" revoke --to "Clinic B" --set "$set" >/dev/null
refused() { ! cat "$(find_dir "$W/mnt" "Title $K")"/src/*/*.txt >/dev/null 2>&1; }
until_ok 10 refused
until_ok 10 history_has ann '.kind == "denied"'
unmount "$W/mnt"
server_stop
python3 - "$K" "$W/rms" "$W/a1" "$W/b1" "$W/ann" "$W" <<'P'
import base64, os, sys
k = sys.argv[1].encode()
roots = sys.argv[2:6]
def b58(b):
    a = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    n, r = int.from_bytes(b, "big"), b""
    while n: n, m = divmod(n, 58); r = a[m:m+1] + r
    return r
needles = {"raw": k, "base58": b58(k), "utf16": k.decode().encode("utf-16le")}
for i in range(3):  # the three alignments of base64, without the edges
    needles[f"base64/{i}"] = base64.b64encode(b"x" * i + k)[2 if i else 0:][2 if i == 2 else 0:].rstrip(b"=")[:-1]
files = hits = 0
for root in roots + [sys.argv[6]]:
    for d, sub, names in os.walk(root):
        if root == sys.argv[6]:
            sub[:] = []
            names = [n for n in names if n.endswith(".log")]
        for n in names:
            p = os.path.join(d, n)
            if n == "consent.conf": continue      # the map of practitioners, written by us
            files += 1
            data = open(p, "rb").read()
            for what, s in needles.items():
                if s in data or s in n.encode():
                    hits += 1; print("HIT", what, p)
print(f"figure: canary hits: {hits} in {files} files (ledger, databases, cache, journal, logs)")
sys.exit(1 if hits or files < 20 else 0)
P
