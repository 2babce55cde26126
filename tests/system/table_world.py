"""What the set-ups and checks of faults.tsv work with."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

W = Path(os.environ["W"])
BUILD = os.environ["BUILD_DIR"]
NODE, RMS = os.environ["NODE"], os.environ["RMS"]
SERVER = int(os.environ["SERVER"])
DOCS = W / "docs"
ENV = dict(os.environ, PATH=f"{BUILD}:{os.environ['PATH']}", LC_ALL="C.UTF-8")
HEAD, CHUNK, TAG = 128, 16384, 16  # of a sealed document
SECONDS = 60  # for anything that should come to an end

SETUPS, CHECKS = {}, {}
_length = [0]
_lock = threading.Lock()  # of the hosts to spare and of ann's home
_spare = {k: sorted(W.glob(f"{k}-*")) for k in "ab"}


class Failed(Exception):
    """A set-up could not make its fault."""


class Setup:
    def __init__(self, make, alone):
        self.make, self.alone = make, alone


def _name(f):
    return f.__name__.replace("_", "-")


def setup(f):
    SETUPS[_name(f)] = Setup(f, False)
    return f


def alone(f):
    """A set-up that touches the server: no other row runs meanwhile."""
    SETUPS[_name(f)] = Setup(f, True)
    return f


def check(f):
    """Returns why something is harmed, or nothing."""
    CHECKS[_name(f)] = f
    return f


def sh(*argv, **more):
    p = subprocess.run([str(a) for a in argv], env=ENV, text=True, timeout=SECONDS,
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, **more)
    if p.returncode != 0:
        raise Failed(f"{' '.join(map(str, argv))}: {p.returncode}: {p.stderr}")
    return p.stdout


def consent(home, verb, *args):
    return sh("consent", "--home", home, verb, *args)


def wait_for(what, fn, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            x = fn()
        except (OSError, Failed):
            x = None
        if x:
            return x
        time.sleep(0.05)
    raise Failed(f"did not happen in time: {what}")


def replace(path, old, new):
    text = path.read_text()
    if old not in text:
        raise Failed(f"'{old}' is not in {path}")
    path.write_text(text.replace(old, new))


def item(path, key):
    """The value of a key of a configuration."""
    lines = path.read_text().splitlines()
    return next(s.split(" = ")[1] for s in lines if s.startswith(f"{key} ="))


def tree(top):
    """Every file below ${top} with its bytes."""
    return {str(p.relative_to(top)): p.read_bytes()
            for p in sorted(top.rglob("*")) if p.is_file()}


class Run:
    """One row: its folder, its names, what is to be undone."""

    def __init__(self, row):
        self.dir = W / "rows" / row
        self.dir.mkdir(parents=True)
        self.log = self.dir / "daemon.log"
        self.names = {"dir": str(self.dir), "node": NODE, "rms": RMS, "ann": str(W / "ann"), "a1": str(W / "a1"),
                      "home": str(self.dir / "home")}
        self.undo, self.faults = [], []
        self.held = None
        self.sets = 0
        self.stdout = b""

    def full(self, at):
        """Let ${at} be full until the fault is taken away."""
        filler = at / "filler"
        with filler.open("wb", buffering=0) as f:
            for n in (65536, 4096, 512, 1):
                with contextlib.suppress(OSError):
                    while f.write(bytes(n)):
                        pass
        self.mend(filler.unlink)

    def fill(self, text, how=str):
        def one(m):
            if m[1] not in self.names:
                raise Failed(f"nothing is called {{{m[1]}}}")
            return how(str(self.names[m[1]]))
        return re.sub(r"\{(\w+)\}", one, text)

    def command(self, text):
        p = subprocess.Popen(["bash", "-c", text], env=ENV, cwd=self.dir,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, start_new_session=True,
                             pass_fds=[self.held.fileno()] if self.held else [])
        try:
            out, err = p.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            raise Failed(f"'{text}' did not end in {SECONDS} s")
        self.stdout, self.last = out, text
        return p.returncode, err.decode(errors="backslashreplace")

    def logged(self, line):
        """The log is written by another process: it may be on its way."""
        try:
            wait_for(line, lambda: line in self.log_tail(10000), 25)
        except Failed:
            return False
        return True

    def log_tail(self, n=8):
        """Lines of the daemon's log, without the stamp of syslog or journal."""
        lines = []
        for log in (W / "consentd.log", self.log):
            if log.exists():
                lines += log.read_text(errors="backslashreplace").splitlines()[-n:]
        return lines

    # ---- homes ----

    def copy(self, name):
        """A copy of a home that this row only reads the ledger with."""
        shutil.copytree(W / name, self.dir / "home")
        return self.dir / "home"

    def spare(self, kind):
        """A host of its own: of clinic A, which publishes, or B, which reads."""
        with _lock:
            if not _spare[kind]:
                raise Failed("too few hosts to spare; see 64-table.sh")
            home = _spare[kind].pop()
        (home / "cards").mkdir(exist_ok=True)
        shutil.copy(W / f"{kind}1" / "cards" / "Ann", home / "cards")
        with (home / "consent.conf").open("a") as f:
            f.write("[practitioners]\nroot = dr-b, Dr. Berta Blum\n")
        self.names["home"] = str(home)
        return home

    # ---- sets and mounts ----

    def publish(self, files, *grant):
        """A set of its own, granted to clinic B if ${grant} says how."""
        self.sets += 1
        title = self.title = f"Set {self.sets} of {self.dir.name}"
        with _lock:
            out = json.loads(consent(W / "a1", "publish", "--patient", "Ann", "--title",
                                     title, "--json", *files))
        self.names["set"] = out["set"]
        if grant:
            self.decide("grant", *grant)
        return out["set"]

    def decide(self, verb, *how, of=None):
        with _lock:
            consent(W / "ann", verb, "--to", "Clinic B", "--set", of or self.names["set"], *how)

    def mount(self, home, *options, env=None, wrap=()):
        at = self.dir / "mnt"
        at.mkdir(exist_ok=True)
        p = subprocess.Popen([*wrap, f"{BUILD}/consentfs", "--home", str(home), "--log",
                              str(self.log), "-f", *options, str(at)],
                             env=dict(ENV, **(env or {})), stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.undo.append(lambda: self.unmount(p, at))
        self.names.update(mount=str(at), pid=p.pid)
        wait_for("the mount", lambda: os.path.ismount(at))
        return at

    def unmount(self, p, at):
        p.send_signal(signal.SIGCONT)
        p.terminate()
        try:
            p.wait(20)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
        subprocess.run(["fusermount3", "-uqz", str(at)], check=False)

    def listed(self, at, seconds=20):
        """The folder of this row's set in the mount."""
        def find():
            return next((p for p in (at / "Ann").iterdir() if f" {self.title} (" in p.name), None)
        return wait_for("the set in the mount", find, seconds)

    def make_doc(self):
        """A document of a length that no other has."""
        with _lock:
            _length[0] += 1
            n = 30000 + _length[0]
        self.doc = self.dir / "report.pdf"
        self.doc.write_bytes((f"%PDF of {self.dir.name} " * n).encode()[:n])
        self.sealed = HEAD + n + TAG * -(-n // CHUNK)

    def blobs(self, top):
        """The files with the sealed bytes of this row's document."""
        return [p for p in top.rglob("*.blob") if p.stat().st_size == self.sealed]

    def reader(self, *options, **more):
        """A host of B with a mount that lists a granted set; {doc} is in it."""
        home = self.spare("b")
        self.make_doc()
        self.publish([self.doc], "--until", "1d")
        at = self.mount(home, *options, **more)
        self.names["doc"] = str(self.listed(at) / "report.pdf")
        return home, at

    def read_doc(self):
        with open(self.names["doc"], "rb") as f:
            return f.read()

    def hold_open(self):
        self.held, self.held_set = open(self.names["doc"], "rb"), self.names["set"]
        self.undo.append(self.held.close)
        if self.held.read() != self.doc.read_bytes():
            raise Failed("the document does not read before the fault")
        self.held.seek(0)
        self.names["held"] = self.held.fileno()
        self.held_bytes = self.doc.read_bytes()

    def mend(self, fn):
        """How the fault is taken away: by a check, or at the end."""
        self.faults.append(fn)

    def close(self):
        for fn in reversed(self.undo + self.faults):
            fn()
        for at in self.dir.iterdir():
            if os.path.ismount(at):
                sh("fusermount3", "-uz", at)
