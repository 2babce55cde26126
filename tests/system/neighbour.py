#!/usr/bin/env python3
# Everything that another local user may try against a mount and the process
# behind it: neighbour.py CONFIG, run as that user.  CONFIG is JSON:
#   mount, doc, set, home, cache, journal, key, pid, tid, socket, other (a
#   folder that this user may write), secret (texts that must not be seen),
#   ways (names of those to be tried; absent: all)
# Prints a line "WAY OUTCOME" for each; OUTCOME is "got ..." if something came
# out or something was changed, else the error.
import array, ctypes, errno, json, mmap, os, signal, socket, struct, subprocess, sys

C = json.load(open(sys.argv[1]))
LIBC = ctypes.CDLL(None, use_errno=True)
WAYS = []
M, DOC, HOME, PID, OTHER = C["mount"], C["doc"], C["home"], C["pid"], C["other"]


def way(fn):
    WAYS.append((fn.__name__.replace("_", "-"), fn))
    return fn


def call(name, *args):
    r = getattr(LIBC, name)(*args)
    if r == -1:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))
    return r


def run(*argv):
    r = subprocess.run(argv, capture_output=True, timeout=20)
    if r.returncode:
        raise OSError(errno.EPERM, f"exit {r.returncode}")
    return r.stdout


def first(path, n=64):
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, n)
    finally:
        os.close(fd)


def leaked(data):
    """Something that everybody may see is a leak only if it tells a secret."""
    if isinstance(data, str):
        data = data.encode()
    hits = [s for s in C["secret"] if s.encode() in data]
    if hits:
        return hits
    raise OSError(errno.ENODATA, "nothing secret in it")


# ---- the mount by its path
@way
def list_the_mount(): return os.listdir(M)
@way
def list_a_set(): return os.listdir(C["set"])
@way
def stat_a_document(): return os.stat(DOC).st_size
@way
def lstat_a_set(): return os.lstat(C["set"]).st_mtime
@way
def access_a_document():
    call("access", DOC.encode(), 0)
    return "exists"
@way
def open_a_document(): return first(DOC)
@way
def open_for_nothing():
    fd = os.open(DOC, os.O_PATH)
    return os.fstat(fd).st_size
@way
def reopen_a_path_descriptor():
    fd = os.open(M, os.O_PATH)
    return os.listdir(f"/proc/self/fd/{fd}")
@way
def openat_from_a_path_descriptor():
    fd = os.open(M, os.O_PATH | os.O_DIRECTORY)
    return os.open(os.path.relpath(DOC, M), os.O_RDONLY, dir_fd=fd)
@way
def file_handle():
    h = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
    i = ctypes.c_int()
    call("name_to_handle_at", -100, DOC.encode(), h, ctypes.byref(i), 0)
    return "handle"
@way
def file_system_figures():
    s = os.statvfs(M)
    if s.f_blocks or s.f_files:
        return f"{s.f_blocks} blocks, {s.f_files} files"
    raise OSError(errno.ENODATA, "zeros")
@way
def attributes_of_the_root():
    s = os.stat(M)
    if s.st_nlink > 2 or s.st_size:
        return f"{s.st_nlink} links, {s.st_size} bytes"
    raise OSError(errno.ENODATA, "no figures in it")
@way
def extended_attributes(): return os.listxattr(DOC)
@way
def one_extended_attribute(): return os.getxattr(DOC, "user.consent.set")
@way
def map_and_mincore():
    fd = os.open(DOC, os.O_RDONLY)
    return mmap.mmap(fd, 0, prot=mmap.PROT_READ)[:16]
@way
def watch_the_mount():
    fd = call("inotify_init")
    return call("inotify_add_watch", fd, M.encode(), 0xFFF)
@way
def watch_a_set():
    fd = call("inotify_init")
    return call("inotify_add_watch", fd, C["set"].encode(), 0xFFF)
@way
def watch_the_cache():
    fd = call("inotify_init")
    return call("inotify_add_watch", fd, C["cache"].encode(), 0xFFF)
@way
def fanotify_on_the_mount():
    fd = call("fanotify_init", 0, 0)
    call("fanotify_mark", fd, 1 | 0x10, ctypes.c_uint64(0x20), -100, M.encode())
    return "marked"
@way
def bind_mount_in_a_user_namespace():
    return run("unshare", "-Urm", "sh", "-c", f"mount --rbind '{M}' '{OTHER}' && ls '{OTHER}/Ann'")
@way
def root_of_a_user_namespace(): return run("unshare", "-Ur", "ls", M)
@way
def overlay_in_a_user_namespace():
    return run("unshare", "-Urm", "sh", "-c",
               f"mkdir -p '{OTHER}/e' '{OTHER}/o' && mount -t overlay o -o 'lowerdir={M}:{OTHER}/e' '{OTHER}/o' && ls '{OTHER}/o/Ann'")
@way
def take_the_mount_away(): return run("fusermount3", "-u", M) or "unmounted"
@way
def umount_itself(): return call("umount2", M.encode(), 2) or "unmounted"
@way
def mount_over_it(): return call("mount", b"none", M.encode(), b"tmpfs", 0, None) or "mounted"
@way
def abort_the_connection():
    minor = os.minor(os.stat(M).st_dev)
    with open(f"/sys/fs/fuse/connections/{minor}/abort", "w") as f:
        f.write("1")
    return "aborted"
@way
def table_of_mounts(): return leaked(open("/proc/self/mountinfo").read())


# ---- home, cache, journal, databases
@way
def list_the_home(): return os.listdir(HOME)
@way
def read_the_key(): return first(C["key"])
@way
def read_the_configuration(): return first(f"{HOME}/consent.conf")
@way
def list_the_cards(): return os.listdir(f"{HOME}/cards")
@way
def list_the_cache(): return os.listdir(C["cache"])
@way
def stat_a_known_blob(): return os.stat(C["blob"]).st_size
@way
def read_a_known_blob(): return first(C["blob"])
@way
def list_the_journal(): return os.listdir(C["journal"])
@way
def open_the_database_lock():
    return os.open(f"{HOME}/mount/registry/lock.mdb", os.O_RDWR)
@way
def open_the_outbox(): return first(f"{HOME}/outbox/data.mdb")
@way
def plant_a_file():
    os.close(os.open(f"{C['cache']}/planted", os.O_CREAT | os.O_WRONLY))
    return "planted"
@way
def plant_a_symlink(): return os.symlink("/etc/passwd", f"{C['cache']}/00/planted") or "planted"
@way
def plant_a_hardlink():
    own = f"{OTHER}/own"
    open(own, "w").close()
    return os.link(own, f"{C['journal']}/planted") or "planted"
@way
def link_a_file_out(): return os.link(C["key"], f"{OTHER}/stolen") or "linked"
@way
def rename_the_home(): return os.rename(HOME, HOME + ".gone") or "renamed"
@way
def change_the_mode(): return os.chmod(HOME, 0o777) or "changed"
@way
def lock_the_journal():
    import fcntl
    fd = os.open(f"{C['journal']}/lock", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return "locked"


# ---- the process
def proc(name):
    def fn():
        return first(f"/proc/{PID}/{name}", 65536)
    fn.__name__ = "proc-" + name
    return way(fn)


for f in ("environ", "maps", "smaps", "io", "auxv", "pagemap", "syscall", "stack", "personality"):
    proc(f)
@way
def proc_mem(): return os.open(f"/proc/{PID}/mem", os.O_RDONLY)
@way
def proc_task_mem(): return os.open(f"/proc/{PID}/task/{C['tid']}/mem", os.O_RDONLY)
@way
def proc_fd_list(): return os.listdir(f"/proc/{PID}/fd")
@way
def proc_fdinfo_list(): return os.listdir(f"/proc/{PID}/fdinfo")
@way
def proc_fd_open():
    for n in range(3, 40):
        try:
            return os.open(f"/proc/{PID}/fd/{n}", os.O_RDONLY)
        except FileNotFoundError:
            pass
    raise OSError(errno.ENOENT, "none")
@way
def proc_root(): return os.listdir(f"/proc/{PID}/root{M}")
@way
def proc_cwd(): return os.readlink(f"/proc/{PID}/cwd")
@way
def proc_exe(): return os.readlink(f"/proc/{PID}/exe")
@way
def proc_map_files(): return os.listdir(f"/proc/{PID}/map_files")
@way
def proc_cmdline(): return leaked(open(f"/proc/{PID}/cmdline").read())
@way
def proc_status(): return leaked(open(f"/proc/{PID}/status").read())
@way
def ptrace(): return call("ptrace", 16, PID, 0, 0) or "attached"
@way
def ptrace_seize(): return call("ptrace", 0x4206, PID, 0, 0) or "seized"
@way
def read_its_memory():
    class Vec(ctypes.Structure):
        _fields_ = [("p", ctypes.c_void_p), ("n", ctypes.c_size_t)]
    room = ctypes.create_string_buffer(16)
    here, there = Vec(ctypes.addressof(room), 16), Vec(0x400000, 16)
    return call("process_vm_readv", PID, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
@way
def take_its_descriptor():
    pidfd = os.pidfd_open(PID)
    return call("syscall", 438, pidfd, 4, 0)
@way
def compare_descriptors(): return call("syscall", 312, PID, os.getpid(), 0, 4, 1)
@way
def move_its_pages(): return call("syscall", 256, PID, 1, None, None)
@way
def kill_it(): return os.kill(PID, signal.SIGTERM) or "killed"
@way
def stop_it(): return os.kill(PID, signal.SIGSTOP) or "stopped"
@way
def renice_it(): return os.setpriority(os.PRIO_PROCESS, PID, 19) or "reniced"
@way
def pin_it(): return os.sched_setaffinity(PID, {0}) or "pinned"
@way
def limit_it():
    import resource
    return resource.prlimit(PID, resource.RLIMIT_NOFILE, (5, 5)) or "limited"
@way
def enter_its_namespace():
    fd = os.open(f"/proc/{PID}/ns/mnt", os.O_RDONLY)
    return call("setns", fd, 0) or "entered"
@way
def listen_to_its_events():
    attr = ctypes.create_string_buffer(struct.pack("IIQQ", 1, 112, 0, 0) + bytes(88))
    return call("syscall", 298, attr, PID, -1, -1, 0)
@way
def sockets_of_its_own():
    """Every socket of the machine's table whose name tells of the program."""
    got = []
    for line in open("/proc/net/unix"):
        name = line.split()[7] if len(line.split()) > 7 else ""
        if "consent" not in name and HOME not in name:
            continue
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(3)
        try:
            s.connect("\0" + name[1:] if name[0] == "@" else name)
            s.sendall(b"lock\n")
            if s.recv(64):
                got.append(name)
        except OSError:
            pass
    if got:
        return got
    raise OSError(errno.ECONNREFUSED, "none answers")
@way
def leftovers_in_tmp():
    found = []
    for d in ("/tmp", "/var/tmp", "/dev/shm"):
        for n in os.listdir(d):
            p = f"{d}/{n}"
            try:
                if os.lstat(p).st_uid == C["uid"] and os.path.isfile(p):
                    found.append(first(p))
            except OSError:
                pass
    if found:
        return found
    raise OSError(errno.ENOENT, "none")
@way
def log_of_the_mount(): return leaked(open(C["log"]).read())


def attempt(fn):
    try:
        got = fn()
        return f"got {str(got)[:60]!r}"
    except OSError as e:
        return e.strerror or str(e)
    except subprocess.TimeoutExpired:
        return "no end"


for name, fn in WAYS:
    if name in C.get("ways", [name]):
        print(name, attempt(fn), flush=True)
