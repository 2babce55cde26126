"""Print by which ways another process of ours can be looked into."""
import ctypes, os, sys

pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long
PTRACE_DETACH, PTRACE_SEIZE, PIDFD_GETFD = 17, 0x4206, 438

class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]

def read(name):
    with open(f"/proc/{pid}/{name}", "rb") as f:
        f.read(1)

def mem():
    os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY))

def mem_write():
    os.close(os.open(f"/proc/{pid}/mem", os.O_WRONLY))

def vm_readv():
    # that nothing is there is told only to who may look
    here = ctypes.create_string_buffer(1)
    local, remote = Iovec(ctypes.addressof(here), 1), Iovec(4096, 1)
    if libc.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0) < 0 and ctypes.get_errno() != 14:
        raise OSError

def trace():
    if libc.ptrace(PTRACE_SEIZE, pid, None, None) != 0:
        raise OSError

def descriptor():
    fd = os.pidfd_open(pid)
    if libc.syscall(PIDFD_GETFD, fd, 1, 0) < 0:
        raise OSError

ways = {
    "mem": mem, "mem-write": mem_write, "environ": lambda: read("environ"), "maps": lambda: read("maps"),
    "auxv": lambda: read("auxv"), "fd": lambda: os.listdir(f"/proc/{pid}/fd"),
    "exe": lambda: os.readlink(f"/proc/{pid}/exe"), "root": lambda: os.stat(f"/proc/{pid}/root/."),
    "vm-readv": vm_readv, "pidfd-getfd": descriptor, "ptrace": trace,
}
open_ways = []
for name, way in ways.items():
    try:
        way()
        open_ways.append(name)
    except OSError:
        pass
print(*open_ways)
