/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "jail_test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYS(...) (int)syscall(__VA_ARGS__)

/* ---- files ---- */

static int
opens(const char *name, int flags)
{
	return open(jail_test_in(name), flags, 0600);
}

static int
read_other(void)
{
	return opens("other/file", O_RDONLY);
}

static int
write_other(void)
{
	return opens("other/file", O_WRONLY);
}

static int
create_other(void)
{
	return opens("other/new", O_WRONLY | O_CREAT);
}

static int
write_seen(void)
{
	return opens("seen/file", O_WRONLY);
}

static int
create_seen(void)
{
	return opens("seen/new", O_WRONLY | O_CREAT);
}

static int
list_other(void)
{
	return opendir(jail_test_in("other")) ? 0 : -1;
}

static int
list_beside(void)
{
	return opendir(jail_test_in("token")) ? 0 : -1;
}

static int
unlink_other(void)
{
	return unlink(jail_test_in("other/file"));
}

static int
mkdir_other(void)
{
	return mkdir(jail_test_in("other/new"), 0700);
}

static int
rename_other(void)
{
	char from[200];

	(void)strcpy(from, jail_test_in("other"));
	return rename(from, jail_test_in("renamed"));
}

static int
create_named(void)
{
	return opens("named/new", O_WRONLY | O_CREAT);
}

static int
read_named(void)
{
	return opens("named/folder/file", O_RDONLY);
}

static int
truncate_other(void)
{
	return truncate(jail_test_in("other/file"), 0);
}

static int
move_out(void)
{
	char from[200];

	(void)strcpy(from, jail_test_in("mine/file"));
	return rename(from, jail_test_in("other/moved"));
}

static int
link_in(void)
{
	char from[200];

	(void)strcpy(from, jail_test_in("other/file"));
	return link(from, jail_test_in("mine/linked"));
}

static int
root_home(void)
{
	return open("/root", O_RDONLY | O_DIRECTORY);
}

static int
fuse_device(void)
{
	int fd = open("/dev/fuse", O_RDWR);

	if (fd < 0 && errno == ENOENT)
		errno = ENOSYS;
	return fd;
}

static int
parent_memory(void)
{
	char name[40];

	(void)snprintf(name, sizeof(name), "/proc/%d/mem", (int)getppid());
	return open(name, O_RDONLY);
}

/* ---- programs ---- */

static char *const true_argv[] = { (char *)(uintptr_t) "true", NULL };

static int
run_program(void)
{
	return execve("/bin/true", true_argv, NULL);
}

static int
run_by_fd(void)
{
	return SYS(SYS_execveat, AT_FDCWD, "/bin/true", true_argv, NULL, 0);
}

static int
fork_once(void)
{
	pid_t pid = SYS(SYS_fork);

	if (pid == 0)
		_exit(0);
	return pid;
}

static int
clone_once(void)
{
	pid_t pid = SYS(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);

	if (pid == 0)
		_exit(0);
	return pid;
}

static int
memory_file(void)
{
	return SYS(SYS_memfd_create, "name", 0);
}

static int
map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ?
	    -1 :
	    0;
}

static int
make_code(void)
{
	void *p = mmap(
	    NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? 0 : mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

/* ---- other processes ---- */

static int
trace_me(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int
read_parent(void)
{
	static char here;
	struct iovec v = { &here, 1 };

	return SYS(SYS_process_vm_readv, getppid(), &v, 1, &v, 1, 0);
}

static int
write_parent(void)
{
	static char here;
	struct iovec v = { &here, 1 };

	return SYS(SYS_process_vm_writev, getppid(), &v, 1, &v, 1, 0);
}

static int
signal_parent(void)
{
	return kill(getppid(), 0);
}

static int
signal_parent_thread(void)
{
	return SYS(SYS_tgkill, getppid(), getppid(), 0);
}

static int
hold_parent(void)
{
	return SYS(SYS_pidfd_open, getppid(), 0);
}

static int
compare_parent(void)
{
	return SYS(SYS_kcmp, getpid(), getppid(), 0, 0, 0);
}

static int
become_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int
allow_cores(void)
{
	const struct rlimit none = { 0, 0 };

	return setrlimit(RLIMIT_CORE, &none);
}

/* ---- rights ---- */

static int
mount_tmpfs(void)
{
	return unshare(CLONE_NEWNS) == 0 ?
	    mount("none", "/mnt", "tmpfs", 0, NULL) :
	    -1;
}

static int
mount_directly(void)
{
	return mount("none", jail_test_in("missing"), "tmpfs", 0, NULL);
}

static int
unmount_nothing(void)
{
	return umount2(jail_test_in("mine"), 0);
}

static int
change_root(void)
{
	return chroot("/");
}

static int
new_user(void)
{
	return unshare(CLONE_NEWUSER);
}

static int
enter_namespace(void)
{
	return SYS(SYS_setns, -1, 0);
}

static int
become_user(void)
{
	return SYS(SYS_setuid, getuid());
}

static int
become_group(void)
{
	return SYS(SYS_setgid, getgid());
}

static int
take_capabilities(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };

	return SYS(SYS_capset, &head, none);
}

static int
ask_personality(void)
{
	return SYS(SYS_personality, 0xffffffff);
}

static int
read_keyring(void)
{
	return SYS(SYS_keyctl, 0, -1, 0, 0, 0);
}

static int
open_handle(void)
{
	return SYS(SYS_open_by_handle_at, -1, NULL, 0);
}

static int
make_device(void)
{
	return mknod(jail_test_in("mine/null"), S_IFCHR | 0600, 0x103);
}

static int
make_fifo(void)
{
	return SYS(SYS_mknodat, AT_FDCWD, jail_test_in("mine/fifo"),
	    S_IFIFO | 0600, 0);
}

/* ---- network ---- */

static int
speaks(int domain, int type)
{
	return socket(domain, type, 0);
}

static int
unix_stream(void)
{
	return speaks(AF_UNIX, SOCK_STREAM);
}

static int
unix_datagram(void)
{
	return speaks(AF_UNIX, SOCK_DGRAM);
}

static int
raw_packets(void)
{
	return speaks(AF_PACKET, SOCK_RAW);
}

static int
raw_ip(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int
kernel_crypto(void)
{
	return speaks(AF_ALG, SOCK_SEQPACKET);
}

static int
virtual_machine(void)
{
	return speaks(AF_VSOCK, SOCK_STREAM);
}

static int
tcp(uint16_t port, int (*use)(int, const struct sockaddr *, socklen_t))
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = speaks(AF_INET, SOCK_STREAM | SOCK_CLOEXEC);

	return use(fd, (const struct sockaddr *)&at, sizeof(at));
}

static uint16_t
listener(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int fd = speaks(AF_INET, SOCK_STREAM | SOCK_CLOEXEC);

	if (bind(fd, (const struct sockaddr *)&at, n) != 0 ||
	    listen(fd, 5) != 0 || getsockname(fd, (struct sockaddr *)&at, &n))
		abort();
	return ntohs(at.sin_port);
}

uint16_t
jail_test_port(bool allowed)
{
	static uint16_t port[2];

	if (port[allowed] == 0)
		port[allowed] = listener();
	return port[allowed];
}

static int
connect_other(void)
{
	return tcp(jail_test_port(false), connect);
}

static int
bind_other(void)
{
	return tcp(65432, bind);
}

/* ---- the machine ---- */

static int
load_bpf(void)
{
	return SYS(SYS_bpf, 0, NULL, 0);
}

static int
io_ring(void)
{
	return SYS(SYS_io_uring_setup, 1, NULL);
}

static int
count_events(void)
{
	return SYS(SYS_perf_event_open, NULL, 0, -1, -1, 0);
}

static int
user_faults(void)
{
	return SYS(SYS_userfaultfd, 1);
}

static int
load_module(void)
{
	return SYS(SYS_finit_module, -1, "", 0);
}

static int
kernel_log(void)
{
	return SYS(SYS_syslog, 10, NULL, 0);
}

static int
turn_clock(void)
{
	struct timex t = { 0 };

	return adjtimex(&t);
}

static int
io_ports(void)
{
	return SYS(SYS_iopl, 0);
}

static int
segments(void)
{
	return SYS(SYS_modify_ldt, 0, NULL, 0);
}

static int
restart(void)
{
	return SYS(SYS_reboot, 0, 0, 0, NULL);
}

static int
swap_off(void)
{
	return SYS(SYS_swapoff, "/nowhere");
}

static int
type_keys(void)
{
	int fd = open("/dev/null", O_RDWR);

	return ioctl(fd, TIOCSTI, "x");
}

#ifdef __x86_64__
/* What has the numbers of another machine; that it answers does not matter. */
static int
call_x32(void)
{
	(void)SYS(0x40000000 | SYS_getpid);
	return 0;
}

static void
absent(int sig)
{
	(void)sig;
	_exit(3); /* ABSENT: this kernel has no calls of the i386 */
}

static int
call_i386(void)
{
	int r = 20; /* getpid, and writev on x86-64 */

	(void)signal(SIGSEGV, absent);
	__asm__ volatile("int $0x80" : "+a"(r));
	return r > 0 ? 0 : -1;
}
#endif

#define FILTER(name, run)                                                      \
	{                                                                      \
		name, run, BY_FILTER, 0, false                                 \
	}
#define DEADLY(name, run)                                                      \
	{                                                                      \
		name, run, BY_FILTER, 0, true                                  \
	}
#define LANDLOCK(abi, name, run)                                               \
	{                                                                      \
		name, run, BY_LANDLOCK, abi, false                             \
	}

const struct deed jail_test_deeds[] = {
	LANDLOCK(1, "read a file outside", read_other),
	LANDLOCK(1, "write a file outside", write_other),
	LANDLOCK(1, "create a file outside", create_other),
	LANDLOCK(1, "write a file that may be read", write_seen),
	LANDLOCK(1, "create a file where may be read", create_seen),
	LANDLOCK(1, "list a folder outside", list_other),
	LANDLOCK(
	    1, "list the folder of a file that may be replaced", list_beside),
	LANDLOCK(1, "remove a file outside", unlink_other),
	LANDLOCK(1, "make a folder outside", mkdir_other),
	LANDLOCK(1, "make a file where folders are renamed", create_named),
	LANDLOCK(1, "read a file where folders are renamed", read_named),
	LANDLOCK(1, "rename a folder outside", rename_other),
	LANDLOCK(3, "truncate a file outside", truncate_other),
	LANDLOCK(1, "move a file out", move_out),
	LANDLOCK(1, "link a file in", link_in),
	LANDLOCK(1, "open the home of root", root_home),
	LANDLOCK(1, "open /dev/fuse", fuse_device),
	LANDLOCK(1, "open the memory of another process", parent_memory),
	DEADLY("execve", run_program),
	DEADLY("execveat", run_by_fd),
	DEADLY("fork", fork_once),
	FILTER("clone of a process", clone_once),
	DEADLY("memfd_create", memory_file),
	FILTER("map code", map_code),
	FILTER("make memory code", make_code),
	DEADLY("ptrace", trace_me),
	DEADLY("process_vm_readv", read_parent),
	DEADLY("process_vm_writev", write_parent),
	FILTER("signal another process", signal_parent),
	FILTER("signal another thread", signal_parent_thread),
	FILTER("pidfd_open", hold_parent),
	DEADLY("kcmp", compare_parent),
	FILTER("become dumpable", become_dumpable),
	FILTER("set a limit", allow_cores),
	DEADLY("unshare and mount", mount_tmpfs),
	DEADLY("mount", mount_directly),
	DEADLY("umount", unmount_nothing),
	DEADLY("chroot", change_root),
	DEADLY("a user namespace", new_user),
	DEADLY("setns", enter_namespace),
	DEADLY("setuid", become_user),
	DEADLY("setgid", become_group),
	DEADLY("capset", take_capabilities),
	DEADLY("personality", ask_personality),
	DEADLY("keyctl", read_keyring),
	DEADLY("open_by_handle_at", open_handle),
	DEADLY("make a device", make_device),
	DEADLY("make a fifo", make_fifo),
	FILTER("a Unix stream socket", unix_stream),
	FILTER("a Unix datagram socket", unix_datagram),
	FILTER("a packet socket", raw_packets),
	FILTER("a raw socket", raw_ip),
	FILTER("a socket to the kernel's ciphers", kernel_crypto),
	FILTER("a socket to the host of this machine", virtual_machine),
	LANDLOCK(4, "connect to another port", connect_other),
	LANDLOCK(4, "listen on another port", bind_other),
	DEADLY("bpf", load_bpf),
	DEADLY("io_uring", io_ring),
	DEADLY("perf_event_open", count_events),
	DEADLY("userfaultfd", user_faults),
	DEADLY("load a module", load_module),
	DEADLY("read the kernel's log", kernel_log),
	DEADLY("adjtimex", turn_clock),
	DEADLY("iopl", io_ports),
	DEADLY("modify_ldt", segments),
	DEADLY("reboot", restart),
	DEADLY("swapoff", swap_off),
	FILTER("type on a terminal", type_keys),
#ifdef __x86_64__
	DEADLY("a call of x32", call_x32),
	DEADLY("a call of the i386", call_i386),
#endif
};
const size_t jail_test_ndeeds = sizeof(jail_test_deeds) /
    sizeof(jail_test_deeds[0]);

/* ---- what must still work ---- */

static int
rename_folder(void)
{
	char to[200];

	(void)strcpy(to, jail_test_in("named/renamed"));
	return rename(jail_test_in("named/folder"), to);
}

static int
write_mine(void)
{
	char to[200];

	(void)strcpy(to, jail_test_in("mine/moved"));
	return rename(jail_test_in("mine/file"), to) == 0 &&
		opens("mine/new", O_WRONLY | O_CREAT) >= 0 ?
	    unlink(to) :
	    -1;
}

static int
read_seen(void)
{
	return opens("seen/file", O_RDONLY);
}

static int
read_beside(void)
{
	return opens("token/next", O_RDONLY);
}

static int
connect_allowed(void)
{
	return tcp(jail_test_port(true), connect);
}

static int
bind_any(void)
{
	return tcp(0, bind);
}

static void *
nothing(void *arg)
{
	return arg;
}

static int
start_thread(void)
{
	pthread_t t;

	errno = EPERM;
	return pthread_create(&t, NULL, nothing, NULL) == 0 ?
	    pthread_join(t, NULL) :
	    -1;
}

static void *
waits(void *arg)
{
	(void)pause();
	return arg;
}

static int
cancel_thread(void)
{
	pthread_t t;

	errno = EPERM;
	return pthread_create(&t, NULL, waits, NULL) == 0 &&
		pthread_cancel(t) == 0 ?
	    pthread_join(t, NULL) :
	    -1;
}

static int
resolve(void)
{
	struct addrinfo *found = NULL;
	int r = getaddrinfo("localhost", "80", NULL, &found);

	errno = EPERM;
	if (r == 0)
		freeaddrinfo(found);
	return r == 0 ? 0 : -1;
}

static int
name_of_parent(void)
{
	char name[40];

	(void)snprintf(name, sizeof(name), "/proc/%d/comm", (int)getppid());
	return open(name, O_RDONLY);
}

static int
random_bytes(void)
{
	return open("/dev/urandom", O_RDONLY);
}

static int
signal_ourselves(void)
{
	return kill(getpid(), 0);
}

#define NEED(name, run)                                                        \
	{                                                                      \
		name, run, BY_FILTER, 0, false                                 \
	}

const struct deed jail_test_needs[] = {
	NEED("change our files", write_mine),
	NEED("rename a folder", rename_folder),
	NEED("read what may replace a file", read_beside),
	NEED("read where may be read", read_seen),
	NEED("connect where may be connected", connect_allowed),
	NEED("listen on a port of the kernel's choice", bind_any),
	NEED("start a thread", start_thread),
	NEED("cancel a thread", cancel_thread),
	NEED("resolve a name", resolve),
	NEED("name another program", name_of_parent),
	NEED("read random bytes", random_bytes),
	NEED("signal ourselves", signal_ourselves),
};
const size_t jail_test_nneeds = sizeof(jail_test_needs) /
    sizeof(jail_test_needs[0]);
