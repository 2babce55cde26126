#!/usr/bin/env python3
# twokeys.py N: envelopes that XChaCha20-Poly1305 opens under two keys: lines
# "KEY1 KEY2 ENVELOPE" in hex.  Poly1305 is a polynomial modulo 2^130 - 5, so two
# free blocks of ciphertext can be chosen to give one tag under both keys.
import ctypes, hashlib, os, sys
from evil import b58

SODIUM, P = ctypes.CDLL("libsodium.so.23"), 2 ** 130 - 5
NONCE, BODY, HEAD = bytes(24), 256, 450
AD_TAIL = bytes([3]) + bytes(31) + b"cfs1." + b58(bytes([5]) + bytes(15)).encode() + b"E" + bytes(32)


def blocks(b):
    b += bytes(-len(b) % 16)
    return [int.from_bytes(b[i:i + 16], "little") + (1 << 128) for i in range(0, len(b), 16)]


class Key:
    def __init__(self, key):
        self.key, s = key, ctypes.create_string_buffer(32)
        SODIUM.crypto_stream_xchacha20(s, ctypes.c_ulonglong(32), NONCE, key)
        self.r = int.from_bytes(s.raw[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
        self.s = int.from_bytes(s.raw[16:], "little")

    def sum(self, m):
        a = 0
        for x in m:
            a = (a + x) * self.r % P
        return a

    def opens(self, ad, sealed):
        out = ctypes.create_string_buffer(len(sealed))
        return SODIUM.crypto_aead_xchacha20poly1305_ietf_decrypt(
            out, None, None, sealed, ctypes.c_ulonglong(len(sealed)), ad,
            ctypes.c_ulonglong(len(ad)), NONCE, self.key) == 0


def balance(one, two, ad, body):
    """Choose the first two blocks of body so that both tags are one."""
    body = bytes(32) + body[32:]
    size = len(ad).to_bytes(8, "little") + len(body).to_bytes(8, "little")
    m = blocks(ad) + blocks(body) + blocks(size)
    n = len(m)
    at = len(blocks(ad))
    ks = (one, two)
    base = [k.sum(m) for k in ks]
    u = [pow(k.r, n - at, P) for k in ks]
    v = [pow(k.r, n - at - 1, P) for k in ks]
    inv = pow(u[0] * v[1] - u[1] * v[0], -1, P)
    while True:
        tag = int.from_bytes(os.urandom(16), "little")
        d = [((tag - k.s) % (1 << 128) + (os.urandom(1)[0] % 3 << 128) - b) % P for k, b in zip(ks, base)]
        x = (d[0] * v[1] - d[1] * v[0]) * inv % P
        y = (u[0] * d[1] - u[1] * d[0]) * inv % P
        if x < 1 << 128 and y < 1 << 128:
            return x.to_bytes(16, "little") + y.to_bytes(16, "little") + body[32:] + tag.to_bytes(16, "little")


for _ in range(int(sys.argv[1])):
    one, two = Key(os.urandom(32)), Key(os.urandom(32))
    commitment = hashlib.blake2b(b"consentfs/1 envelope", key=one.key, digest_size=32).digest()
    head = b"\1\1" + os.urandom(HEAD - 34) + commitment
    sealed = balance(one, two, head + AD_TAIL, os.urandom(BODY))
    assert one.opens(head + AD_TAIL, sealed) and two.opens(head + AD_TAIL, sealed)
    print(one.key.hex(), two.key.hex(), (head + sealed).hex())
