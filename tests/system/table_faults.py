"""The set-ups and checks that faults.tsv names."""
import contextlib
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from faultproxy import Fault
from table_world import (ENV, NODE, RMS, SERVER, W, Failed, alone, check, consent, item,
                         replace, setup, sh, tree, wait_for)


# ---- keys and configuration ----

@setup
def home(run, of="ann"):
    """Nothing is wrong with this home; {key} and {address} are ann's."""
    run.copy(of)
    run.names.update(json.loads(consent(W / "ann", "id", "--json")))


@setup
def home_with_passphrase(run):
    subprocess.run(["consent", "--home", run.names["home"], "keygen", "--roots",
                    str(W / "rms/client.conf"), "--passphrase-fd", "0"], env=ENV, text=True,
                   input="correct horse\n", stdout=subprocess.DEVNULL, check=True)


@setup
def key_edited(run, old, new):
    replace(run.copy("ann") / "identity.key", old, new)


@setup
def key_cut(run):
    key = run.copy("ann") / "identity.key"
    key.write_bytes(key.read_bytes()[:40])


@setup
def key_missing(run):
    (run.copy("ann") / "identity.key").unlink()


@setup
def key_of_another(run):
    shutil.copy(W / "b1" / "identity.key", run.copy("ann") / "identity.key")


def _edit(run, path, words):
    """
    Write lines of a configuration: a key that its section has already gets the
    new value, a line that begins with + comes besides, all else is added.
    """
    lines = path.read_text().splitlines()
    new = run.fill(" ".join(words)).encode().decode("unicode_escape").split("\n")
    lines = [s for s in lines if s]
    section, said = "", ""
    for s in new:
        key = s.split(" =")[0]
        section = s if s.startswith("[") else section
        old = _line_of(lines, section, key)
        if old is not None:
            lines[old] = s
        elif s != section:
            lines += ([section] if section != said else []) + [s.removeprefix("+")]
            said, old = section, len(lines) - 1
        run.names["line"] = (old or 0) + 1
    path.write_text("\n".join(lines) + "\n")


def _line_of(lines, section, key):
    at = ""
    for i, s in enumerate(lines):
        at = s if s.startswith("[") else at
        if at == section and s.startswith(f"{key} ="):
            return i
    return None


@setup
def conf(run, of, *line):
    """Lines of consent.conf; {silent} is a port that is open."""
    silent = Fault("silent")
    run.undo.append(silent.close)
    run.names["silent"] = silent.url.replace("http://", "")
    _edit(run, run.copy(of) / "consent.conf", line)


def _server_dir(run):
    """A directory of consentd of its own, {server}."""
    top = run.dir / "server"
    run.names["server"] = str(top)
    sh("consentd", "init", "--dir", top, "--node-listen", "127.0.0.1:0",
       "--rms-listen", "127.0.0.1:0")
    run.names["generator"] = item(top / "client.conf", "generator")
    kept = {p: p.read_bytes() for p in top.iterdir() if p.is_file()}

    def put_back():
        for p, content in kept.items():
            if not p.is_file():
                shutil.rmtree(p, ignore_errors=True)
            p.write_bytes(content)
    run.mend(put_back)
    return top


@setup
def server_dir(run):
    """Nothing is wrong with it."""
    _server_dir(run)


@setup
def server_conf(run, name, *line):
    """Lines of consentd.conf or client.conf."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run.names["port"] = taken.getsockname()[1]
        run.names["taken"] = "127.0.0.1:%d" % run.names["port"]
        run.undo.append(taken.dup().close)
    _edit(run, _server_dir(run) / name, line)


@setup
def server_conf_without(run, key):
    _without(_server_dir(run) / "client.conf", key)


@setup
def server_file(run, name, how):
    """A file of the directory is missing, cut, another's, or no file."""
    path = _server_dir(run) / name
    if how == "other":
        shutil.copy(W / "other" / name, path)
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:40])
    else:
        path.unlink()
        if how == "folder":
            path.mkdir()


@setup
def conf_without(run, key):
    _without(run.copy("ann") / "consent.conf", key)


def _without(path, key):
    lines = path.read_text().splitlines(True)
    kept = [s for s in lines if not s.startswith(f"{key} =")]
    if kept == lines:
        raise Failed(f"no {key} in {path}")
    path.write_text("".join(kept))


# ---- peers ----

def _point(home, key, value):
    """Let ${key} of a home name another peer."""
    path = home / "consent.conf"
    text = path.read_text().splitlines(True)
    path.write_text("".join(f"{key} = {value}\n" if s.startswith(f"{key} =") else s
                            for s in text))


def _peer_url(run, mode):
    if mode == "down":
        url = "http://127.0.0.1:1"
    else:
        fault = Fault(mode)
        run.undo.append(fault.close)
        url = fault.url
    run.names["peer"] = url
    return url


@setup
def peer(run, which, mode):
    """The node, or the RMS (url), answers in this way only."""
    _point(run.copy("ann"), which, _peer_url(run, mode))


@setup
def new_set_and_peer(run, which, mode):
    """As before, and there is a set that the home has not seen."""
    run.make_doc()
    run.publish([run.doc])
    _point(run.copy("ann"), which, _peer_url(run, mode))


@setup
def other_peer(run, key, of="ann"):
    """A key of the configuration from another installation's client.conf."""
    value = run.names["other"] = item(W / "other/client.conf", key)
    of_node = "other" if key == "node" else "rms"
    run.names["chain"] = item(W / of_node / "client.conf", "chain")
    _point(run.copy(of), key, value)


@setup
def other_peer_fresh(run, key):
    """As before, in a home that knows nothing of the ledger yet."""
    other_peer(run, key)
    for name in ("cli", "outbox"):
        shutil.rmtree(f"{run.names['home']}/{name}")


def _server_start(run):
    log = (W / "consentd.log").open("a")
    p = subprocess.Popen(["consentd", "serve", "--dir", str(W / "rms")], env=ENV,
                         stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    _server.append(p)
    wait_for("the server", lambda: sh("curl", "-sf", f"{RMS}/healthz") or True)


_server = []


def _server_pid():
    return _server[-1].pid if _server else SERVER


def _server_stop():
    os.kill(_server_pid(), signal.SIGTERM)
    if _server:
        _server[-1].wait(20)
    else:
        wait_for("the end of the server", lambda: not os.path.exists(f"/proc/{SERVER}/exe"))


@alone
def server(run, mode):
    """A mount with a granted set that was not opened yet, and then this."""
    run.reader()
    if mode == "stopped":
        os.kill(_server_pid(), signal.SIGSTOP)
        run.mend(lambda: os.kill(_server_pid(), signal.SIGCONT))
        return
    _server_stop()
    run.mend(lambda: _server_start(run))
    if mode != "down":
        for url in (NODE, RMS):
            fault = Fault(mode, int(url.rsplit(":", 1)[1]))
            run.mend(fault.close)


# ---- blobs ----

def _damage(paths, how):
    if not paths:
        raise Failed("no blob to damage")
    for p in paths:
        if how == "missing":
            p.unlink()
        elif how == "cut":
            os.truncate(p, p.stat().st_size // 2)
        elif how == "altered":
            with p.open("r+b") as f:
                f.seek(-20, 2)
                b = f.read(1)
                f.seek(-20, 2)
                f.write(bytes([b[0] ^ 1]))


def _damage_of(run, top, how):
    paths = run.blobs(top)
    if paths:
        run.names["blob"] = paths[0].stem
    _damage(paths, how)


@setup
def blob_in_store(run, how):
    """A document's sealed bytes at the RMS; the list of documents is whole."""
    run.reader()
    _damage_of(run, W / "rms/blobs", how)


@setup
def blob_in_cache(run, how):
    """Read once, then damaged; the kernel keeps no page of it."""
    home, at = run.reader("-o", "direct_io")
    run.read_doc()
    _damage_of(run, home / "cache", how)


@setup
def blob_in_cache_while_open(run, how):
    """The reader has it open already."""
    home, at = run.reader("-o", "direct_io")
    run.hold_open()
    _damage_of(run, home / "cache", how)


# ---- full disks ----

def _two_documents(run, home):
    """One is open and was read, {doc} of another set was not opened yet."""
    run.make_doc()
    run.publish([run.doc], "--until", "1d")
    at = run.mount(home, "-o", "direct_io")
    run.names["doc"] = str(run.listed(at) / "report.pdf")
    run.hold_open()
    run.make_doc()
    run.publish([run.doc], "--until", "1d")
    run.names["doc"] = str(run.listed(at) / "report.pdf")


@setup
def full_disk(run, where, size):
    """A folder of the mount's home lies on a disk of its own, which is full."""
    home = run.spare("b")
    top = home / where
    kept = tree(top) if top.exists() else {}
    top.mkdir(parents=True, exist_ok=True)
    sh("mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", top)
    run.undo.append(lambda: sh("umount", "-l", top))
    for name, content in kept.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(content)
    run.names["where"] = str(top)
    _two_documents(run, home)
    run.full(top)


@setup
def full_outbox(run):
    """The same for the outbox; nor is there a free page in its file."""
    full_disk(run, "outbox", "1m")
    time.sleep(2)  # what the ledger has leaves the outbox
    dump = ("VERSION=3\nformat=bytevalue\ndatabase=filler\ntype=btree\nHEADER=END\n"
            " {:04x}\n {}\nDATA=END\n")
    for i in range(300):
        p = subprocess.run(["mdb_load", run.names["where"]], text=True, check=False,
                           input=dump.format(i, "00" * 3000), stderr=subprocess.DEVNULL)
        if p.returncode != 0:
            return
    raise Failed("the outbox is never full")


@setup
def small_map(run):
    """No database is let grow; this home has read nothing of the ledger."""
    shutil.rmtree(run.copy("ann") / "cli")
    run.names["preload"] = str(W / "smallmap.so")


@setup
def full_registry(run):
    """
    The same for the mount's registry, and the patient decides about other
    sets meanwhile.
    """
    full_disk(run, "mount/registry", "3m")
    held = run.names["set"]
    for verb in ("grant", "revoke", "grant"):
        run.publish([run.doc], "--until", "1d")
        if verb == "revoke":
            run.decide(verb)
        time.sleep(0.5)
    run.names["set"] = held


@alone
def full_server(run):
    """Store, node, keystore and blobs of consentd lie on a disk that is full."""
    _two_documents(run, run.spare("b"))
    run.full(W / "rms")


# ---- patients, cards, hosts ----

@setup
def unaccredited(run):
    """A clinic that the operator has not let in."""
    sh("consent", "--home", run.names["home"], "keygen", "--roots", W / "rms/client.conf",
       "--unprotected", "--institution", "Clinic C", "--host", "c1")
    home = run.dir / "home"
    consent(home, "alias", W / "ann.card", "Ann")


# ---- grants and clocks ----

@setup
def grant_expired(run):
    home = run.spare("b")
    run.make_doc()
    run.publish([run.doc], "--until", "1d")
    at = run.mount(home)
    run.names["doc"] = str(run.listed(at) / "report.pdf")
    run.hold_open()
    run.decide("grant", "--until", "2s")
    wait_for("the end of the listing", lambda: not os.path.exists(run.names["doc"]))


def _faked(offset):
    return {"LD_PRELOAD": FAKETIME, "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), "")


@setup
def clock(run, offset):
    """A mount whose wall clock is wrong from its start, and a granted set."""
    home = run.spare("b")
    run.make_doc()
    run.publish([run.doc], "--until", "1d")
    at = run.mount(home, env=_faked(offset))
    run.names["at"] = str(at)
    try:
        run.names["doc"] = str(run.listed(at, 5) / "report.pdf")
    except Failed:
        run.names["doc"] = f"{at}/Ann/not-listed"


@setup
def clock_jumps(run, offset):
    """The wall clock jumps while a document is open."""
    home = run.spare("b")
    run.make_doc()
    run.publish([run.doc], "--until", "1d")
    stamp = run.dir / "clock"
    stamp.write_text("+0\n")
    env = dict(_faked(""), FAKETIME_TIMESTAMP_FILE=str(stamp), FAKETIME_NO_CACHE="1")
    del env["FAKETIME"]
    # the sandbox would not let the clock's file be read
    at = run.mount(home, "--no-sandbox", env=env)
    run.names["doc"] = str(run.listed(at) / "report.pdf")
    run.hold_open()
    stamp.write_text(offset + "\n")
    time.sleep(1)  # the gate looks every 200 ms
    run.mend(lambda: stamp.write_text("+0\n"))


# ---- suspend ----

@contextlib.contextmanager
def _frozen(pids):
    """As in a suspended machine: nobody runs, and nobody is told."""
    old = Path("/sys/fs/cgroup/freezer")
    top = (old if old.is_dir() else Path("/sys/fs/cgroup")) / f"consentfs-{os.getpid()}"
    switch, on, off = ("freezer.state", "FROZEN", "THAWED") if old.is_dir() \
        else ("cgroup.freeze", "1", "0")
    top.mkdir()
    for pid in pids:
        (top / "cgroup.procs").write_text(str(pid))
    (top / switch).write_text(on)
    try:
        yield
    finally:
        (top / switch).write_text(off)
        for pid in pids:
            (top.parent / "cgroup.procs").write_text(str(pid))
        wait_for("the end of a group", lambda: top.rmdir() or True)


@alone
def suspended(run, seconds):
    """
    The mount's processes stand still for longer than a ledger is fresh, and
    nobody answers when they go on.
    """
    home = run.spare("b")
    with (home / "consent.conf").open("a") as f:
        f.write(f"[mount]\nstale_open = {seconds}s\nstale_read = {seconds}s\n")
    run.make_doc()
    run.publish([run.doc], "--until", "1d")
    at = run.mount(home, "-o", "direct_io")
    run.names["doc"] = str(run.listed(at) / "report.pdf")
    wait_for("an open", lambda: run.hold_open() or True)
    pids = [run.names["pid"]] + [int(p) for p in sh("pgrep", "-P", run.names["pid"]).split()]
    with _frozen(pids):
        os.kill(_server_pid(), signal.SIGSTOP)
        run.mend(lambda: os.kill(_server_pid(), signal.SIGCONT))
        time.sleep(int(seconds) + 1)


# ---- mount points, devices, two at once ----

@setup
def mount_point(run, kind):
    run.spare("b")
    at = run.dir / "m"
    if kind == "file":
        at.write_text("")
    elif kind == "free":
        at.mkdir()


@setup
def card_of_another(run):
    """{card}: a patient's of another installation."""
    run.copy("b1")
    home = run.dir / "patient"
    sh("consent", "--home", home, "keygen", "--roots", W / "other/client.conf", "--unprotected")
    card = run.dir / "card"
    card.write_text(consent(home, "register"))
    run.names["card"] = str(card)


@setup
def card_changed(run):
    """{card}: Ann's, with another letter in its middle."""
    text = (W / "ann.card").read_text()
    at = text.index("consent-card:") + 60
    run.copy("b1")
    card = run.dir / "card"
    card.write_text(text[:at] + ("a" if text[at] != "a" else "b") + text[at + 1:])
    run.names["card"] = str(card)


@setup
def card_loop(run):
    """Of a person who knows a card Loop that cannot be opened."""
    (run.copy("b1") / "cards/Loop").symlink_to("Loop")


@setup
def copy_unreadable(run):
    """A copy of a set of which the list cannot be opened."""
    run.spare("a")
    run.make_doc()
    top = run.dir / "copy" / run.publish([run.doc])
    (top / "blobs").mkdir(parents=True)
    (top / "set.json").symlink_to("set.json")


@setup
def libcrypto_conf(run):
    """libcrypto is configured to offer nothing: {conf}."""
    run.copy("ann")
    conf = run.names["conf"] = str(run.dir / "openssl.cnf")
    Path(conf).write_text("openssl_conf = all\n[all]\nproviders = some\n[some]\nnull = null\n"
                          "[null]\nactivate = 1\n")


def _patient(run):
    """A patient of this row's own, {patient}, and the first card, {first}."""
    home = run.dir / "patient"
    sh("consent", "--home", home, "keygen", "--roots", W / "rms/client.conf", "--unprotected")
    first = run.dir / "first"
    first.write_text(consent(home, "register"))
    run.names.update(patient=str(home), first=str(first))
    return home


@setup
def card_of_new_patient(run):
    """{first}: another patient's than the alias Ann names."""
    run.copy("b1")
    _patient(run)


@setup
def card_of_new_key(run):
    """
    {card}: of a patient whose card is known as First, made anew with another
    key by an RMS that lost its keystore; its own signature is on it.
    """
    home = _patient(run)
    consent(run.copy("b1"), "alias", run.names["first"], "First")
    top = run.dir / "server"
    top.mkdir()
    for name in ("consentd.conf", "client.conf", "rms.key", "keystore.key"):
        shutil.copy(W / "rms" / name, top)
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = "http://127.0.0.1:%d" % free.getsockname()[1]
    _edit(run, top / "consentd.conf",
          [f"[node]\\nlisten =\\n[rms]\\nlisten = {url[7:]}\\nurl = {url}"])
    replace(top / "client.conf", RMS, url)
    log = (run.dir / "server.log").open("wb")
    p = subprocess.Popen(["consentd", "serve", "--dir", str(top)], env=ENV,
                         stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    run.undo.append(lambda: (p.terminate(), p.wait(20)))
    wait_for("the other RMS", lambda: sh("curl", "-sf", f"{url}/healthz") or True)
    for name in ("cli", "cards"):
        shutil.rmtree(home / name)
    replace(home / "consent.conf", RMS, url)
    card = run.dir / "card"
    card.write_text(consent(home, "register"))
    run.names["card"] = str(card)


@setup
def mounted(run):
    """Somebody else has the home, the cache and the mount point."""
    run.reader()


@setup
def second_server(run):
    """Another consentd serves the directory."""
    run.names["server"] = str(W / "rms")


@setup
def cache_shared(run):
    """Two hosts are configured to use one cache."""
    first = run.spare("b")
    run.mount(first)
    second = run.spare("b")
    replace(second / "consent.conf", "[practitioners]",
            f"[mount]\ncache_dir = {first}/cache\n[practitioners]")
    run.names["cache"] = f"{first}/cache"
    (run.dir / "m").mkdir()


# ---- names ----

NAMES = {
    "dots": ["..."],
    "backslash": ["a\\b.pdf"],
    "control": ["a\x01b.pdf"],
    "newline": ["a\nb.pdf"],
    "not-utf8": [b"a\xff.pdf"],
    "long": ["x" * 251 + ".pdf"],
    "case": ["Report.pdf", "report.pdf"],
    "unicode": ["caf\u00e9.pdf", "cafe\u0301.pdf"],
    "windows": ["CON", "aux.txt", "trailing. ", "a:b", "q?.pdf"],
    "bidi": ["a\u202efdp.exe"],
    "device": ["con.pdf"],
}


@setup
def files(run, kind):
    """A folder with files of such names."""
    run.spare("a")
    top = run.dir / "files"
    top.mkdir()
    for i, name in enumerate(NAMES[kind]):
        with open(os.fsencode(top) + b"/" + os.fsencode(name), "wb") as f:
            f.write(b"content %d" % i)


TITLES = {
    "dots": "../../etc/passwd",
    "dot": "..",
    "control": "a\tb\x1b[2Jc",
    "newline": "a\nb",
    "long": "x" * 255,
    "windows": "CON: a?b*c. ",
    "bidi": "a\u202ecod.exe",
    "case": "report\0Report",
    "unicode": "caf\u00e9\0cafe\u0301",
    "not-utf8": b"a\xff",
}


@setup
def title(run, kind):
    """Sets are published under such a title ({title}), or two of them."""
    run.titles = os.fsencode(TITLES[kind]).split(b"\0")
    run.names["title"] = os.fsdecode(run.titles[0])
    run.make_doc()


# ---- checks ----

@check
def home_again(run):
    """With what it was before, the home works and lost nothing."""
    home = run.dir / "home"
    for name in ("consent.conf", "identity.key"):
        shutil.copy(W / "ann" / name, home / name)
    if tree(W / "ann" / "cards") != tree(home / "cards"):
        return "the cards changed"
    consent(home, "status")


@check
def first_card_kept(run):
    """The card that was seen first is the one that is used."""
    cards = run.dir / "home/cards"
    if "".join((cards / "First").read_text().split()) != \
            "".join(open(run.names["first"]).read().split()):
        return "another card is kept"
    if sorted(p.name for p in cards.iterdir() if p.name != "Ann") != ["First"]:
        return f"other cards: {os.listdir(cards)}"


def _mend(run):
    for fn in reversed(run.faults):
        fn()
    run.faults = []


@check
def server_again(run):
    """With what it was before, consentd serves."""
    _mend(run)
    log = run.dir / "server.log"
    with log.open("wb") as f:
        p = subprocess.Popen(["consentd", "serve", "--dir", run.names["server"]], env=ENV,
                             stdin=subprocess.DEVNULL, stdout=f, stderr=f)
    try:
        wait_for("consentd", lambda: "info: ready" in log.read_text() or p.poll())
    finally:
        p.terminate()
    if p.wait(20) != 0:
        return log.read_text()


@check
def status_says(run):
    """The mount itself tells the trouble that its log has, and since when."""
    text = open(f"{run.names['mount']}/Ann/.consent/status.txt").read()
    if run.said.removeprefix("consentfs: warning: ") not in text or "since 20" not in text:
        return f"status.txt does not tell it: {text}"


@check
def again(run):
    """Without the fault the same command succeeds."""
    _mend(run)
    wait_for("the command to succeed", lambda: run.command(run.last)[0] == 0, 40)


@check
def names_kept(run):
    """The mount of a reader shows just these names, and what is in them."""
    run.title = f"Names of {run.dir.name}"
    run.names["set"] = next(s["set"] for s in json.loads(consent(W / "a1", "sets", "--json"))
                            if s["title"] == run.title)
    run.decide("grant", "--until", "1d")
    shown = run.listed(run.mount(run.spare("b")))
    if tree(shown) != tree(run.dir / "files"):
        return f"other names or contents: {os.listdir(shown)}"


@check
def titles_kept_apart(run):
    """Each set has a folder of its own, with a name that harms nobody."""
    sets = [json.loads(run.stdout.decode())["set"]]
    for more in run.titles[1:]:
        sets.append(json.loads(consent(W / "a1", "publish", "--patient", "Ann", "--title",
                                       os.fsdecode(more), "--json", run.doc))["set"])
    for one in sets:
        run.names["set"] = one
        run.decide("grant", "--until", "1d")
    at = run.mount(run.spare("b")) / "Ann"

    def folders():
        return [p for p in at.iterdir() if p.name != ".consent"
                and os.getxattr(p, "user.consent.set").decode() in sets]
    found = wait_for("the sets", lambda: len(folders()) == len(sets) and folders())
    for p in found:
        if p.name.strip(". ") != p.name or len(os.fsencode(p.name)) > 255 \
                or any(c in '\\/:*?"<>|\u202e' or c < " " for c in p.name):
            return f"folder {p.name!r}"
        if (p / "report.pdf").read_bytes() != run.doc.read_bytes():
            return f"other bytes in {p.name!r}"
    if len({p.name.casefold() for p in found}) != len(sets):
        return "folders that differ in case only"


@check
def doc_reads(run):
    """Without the fault the document reads, byte for byte."""
    _mend(run)
    wait_for("the document", lambda: run.read_doc() == run.doc.read_bytes(), 40)


@check
def held_reads(run):
    """What was open before the fault still gives its bytes."""
    run.held.seek(0)
    if run.held.read() != run.held_bytes:
        return "the open file reads otherwise"


@check
def held_goes_dark(run):
    """A revocation counts, also of what is open."""
    run.decide("revoke", of=run.held_set)

    def dark():
        try:
            run.held.seek(0)
            run.held.read()
        except PermissionError:
            return True
    wait_for("the open file to go dark", dark)


@check
def nothing_out(run):
    """Not a byte came out."""
    if run.stdout:
        return f"{len(run.stdout)} bytes came out"
