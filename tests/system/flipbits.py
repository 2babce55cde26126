#!/usr/bin/env python3
"""Flip single bits of a chain's file: consentd node verify must find each
that changes what the file holds.  flipbits.py WORLD SEED N

What it holds is told by mdb_dump.  The first two pages name the newest of two
states: a bit there may bring back the state before, which is a whole chain."""
import os, random, subprocess, sys

world, seed, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
path = world + "/rms/node/data.mdb"
pristine = open(world + "/pristine", "rb").read()
consentd = os.environ["BUILD_DIR"] + "/consentd"


def dump():
    r = subprocess.run(["mdb_dump", "-a", world + "/rms/node"],
                       capture_output=True, timeout=60)
    lines = [l for l in r.stdout.split(b"\n")
             if not l.startswith((b"mapsize", b"maxreaders", b"mapaddr"))]
    return r.returncode, lines


def verify():
    r = subprocess.run([consentd, "node", "verify", world + "/rms"],
                       capture_output=True, timeout=120)
    return r.returncode, r.stderr.decode(errors="replace").strip()


def pages_in_use():
    """Half of the bits go to pages that hold something now."""
    used = []
    for at in range(8192, len(pristine), 4096):
        if any(pristine[at:at + 4096]):
            used.append(at)
    return used


good = dump()
assert good[0] == 0 and verify()[0] == 0
r = random.Random(seed)
used = pages_in_use()
found = unfound = same = died = 0
for i in range(n):
    bit = 8 * r.choice(used) + r.randrange(8 * 4096)
    bad = bytearray(pristine)
    bad[bit // 8] ^= 1 << bit % 8
    with open(path, "wb") as f:
        f.write(bad)
    status, said = verify()
    if status == 0:
        if dump() == good:
            same += 1
        else:
            unfound += 1
            print(f"seed {seed}: bit {bit} changes what the file holds and is not found")
        continue
    found += 1
    died += "dies of" in said
    if status not in (1, 5) or not said.startswith("consentd: error: "):
        print(f"seed {seed}: bit {bit}: status {status}: {said}")
        sys.exit(1)
    if i < 3:
        print(said)
with open(path, "wb") as f:
    f.write(pristine)
print(f"figure: changed bits of the chain's file: found {found} "
      f"(of these {died} by the death of the reader), no change of what it "
      f"holds {same}, not found {unfound} of {n}")
sys.exit(unfound > 0 or found < n // 20)
