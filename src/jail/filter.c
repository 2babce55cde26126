/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The list of system calls.  What only an attacker calls ends the process, so
 * that it is seen and not tried again; what a library may try gets EPERM; all
 * else looks as on a kernel that does not have it, and libraries fall back.
 */
#include "jail/jail_internal.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#ifdef WITH_SANITIZER
#define FILTERED false
#else
#define FILTERED true
#endif

/* Another machine does not build: its name and its calls belong here. */
#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif
_Static_assert(
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "halves of arguments");

#define X32     0x40000000 /* and above: another way to call an x86-64 kernel */
#define YES     SECCOMP_RET_ALLOW
#define NO      (SECCOMP_RET_ERRNO | EPERM)
#define DIE     SECCOMP_RET_KILL_PROCESS
#define S(name) SYS_##name

static const int allowed[] = {
	/* memory */
	S(brk),
	S(munmap),
	S(mremap),
	S(madvise),
	S(mlock),
	S(mlock2),
	S(munlock),
	S(msync),
	S(mincore),
	/* files */
	S(read),
	S(write),
	S(pread64),
	S(pwrite64),
	S(readv),
	S(writev),
	S(preadv),
	S(pwritev),
	S(openat),
	S(close),
	S(close_range),
	S(lseek),
	S(fstat),
	S(newfstatat),
	S(statx),
	S(statfs),
	S(fstatfs),
	S(faccessat),
	S(faccessat2),
	S(readlinkat),
	S(getdents64),
	S(getcwd),
	S(fcntl),
	S(flock),
	S(fsync),
	S(fdatasync),
	S(syncfs),
	S(sync_file_range),
	S(ftruncate),
	S(truncate),
	S(fallocate),
	S(fadvise64),
	S(mkdirat),
	S(unlinkat),
	S(renameat),
	S(renameat2),
	S(linkat),
	S(fchmod),
	S(fchmodat),
	S(utimensat),
	S(umask),
	S(chdir),
	S(setsid),
	S(dup),
	S(dup3),
	S(pipe2),
	S(splice),
	S(sendfile),
	S(copy_file_range),
	/* waiting */
	S(ppoll),
	S(pselect6),
	S(epoll_create1),
	S(epoll_ctl),
	S(epoll_pwait),
	S(eventfd2),
	S(nanosleep),
	S(clock_nanosleep),
	S(futex),
	S(timerfd_create),
	S(timerfd_settime),
	S(timerfd_gettime),
	/* sockets */
	S(socketpair),
	S(connect),
	S(bind),
	S(listen),
	S(accept),
	S(accept4),
	S(shutdown),
	S(getsockname),
	S(getpeername),
	S(getsockopt),
	S(setsockopt),
	S(sendto),
	S(sendmsg),
	S(sendmmsg),
	S(recvfrom),
	S(recvmsg),
	S(recvmmsg),
	/* threads, signals, time */
	S(set_robust_list),
	S(get_robust_list),
	S(set_tid_address),
	S(rseq),
	S(exit),
	S(exit_group),
	S(sched_yield),
	S(sched_getaffinity),
	S(rt_sigaction),
	S(rt_sigprocmask),
	S(rt_sigreturn),
	S(rt_sigtimedwait),
	S(rt_sigpending),
	S(rt_sigsuspend),
	S(sigaltstack),
	S(restart_syscall),
	S(clock_gettime),
	S(clock_getres),
	S(gettimeofday),
	S(getrandom),
	S(getitimer),
	S(membarrier),
	S(wait4),
	S(waitid),
	/* who and what we are */
	S(getpid),
	S(getppid),
	S(gettid),
	S(getuid),
	S(geteuid),
	S(getgid),
	S(getegid),
	S(getgroups),
	S(uname),
	S(sysinfo),
	S(getrusage),
	S(getrlimit),
	S(times),
#ifdef __x86_64__
	/* which newer machines do not have */
	S(open),
	S(creat),
	S(stat),
	S(lstat),
	S(access),
	S(readlink),
	S(mkdir),
	S(rmdir),
	S(unlink),
	S(rename),
	S(link),
	S(chmod),
	S(dup2),
	S(pipe),
	S(poll),
	S(select),
	S(epoll_create),
	S(epoll_wait),
	S(eventfd),
	S(pause),
	S(time),
	S(arch_prctl),
	S(getpgrp),
#endif
};

/* Nothing of ours, nor of the libraries', ever calls these. */
static const int deadly[] = {
	/* other programs */
	S(execve),
	S(execveat),
	S(memfd_create),
	S(memfd_secret),
	/* other processes */
	S(ptrace),
	S(process_vm_readv),
	S(process_vm_writev),
	S(pidfd_getfd),
	S(kcmp),
	S(process_madvise),
	S(perf_event_open),
	S(userfaultfd),
	/* other rights */
	S(mount),
	S(umount2),
	S(pivot_root),
	S(chroot),
	S(move_mount),
	S(fsopen),
	S(fsconfig),
	S(fsmount),
	S(fspick),
	S(open_tree),
	S(mount_setattr),
	S(setns),
	S(open_by_handle_at),
	S(name_to_handle_at),
	S(keyctl),
	S(add_key),
	S(request_key),
	S(setuid),
	S(setgid),
	S(setreuid),
	S(setregid),
	S(setresuid),
	S(setresgid),
	S(setgroups),
	S(setfsuid),
	S(setfsgid),
	S(capset),
	S(personality),
	/* the machine */
	S(bpf),
	S(io_uring_setup),
	S(io_uring_enter),
	S(io_uring_register),
	S(kexec_load),
	S(kexec_file_load),
	S(init_module),
	S(finit_module),
	S(delete_module),
	S(reboot),
	S(swapon),
	S(swapoff),
	S(acct),
	S(quotactl),
	S(syslog),
	S(settimeofday),
	S(clock_settime),
	S(clock_adjtime),
	S(adjtimex),
	S(sethostname),
	S(setdomainname),
	S(vhangup),
	S(mknodat),
#ifdef __x86_64__
	S(fork),
	S(vfork),
	S(mknod),
	S(modify_ldt),
	S(iopl),
	S(ioperm),
#endif
};

/* One call, told by arguments: each must compare so. */
struct told {
	int call;
	uint32_t action;
	struct want {
		unsigned arg;
		enum { ANY, EQ, GT, MASKED } op; /* MASKED: & a is b */
		uint32_t a, b;
	} want[2];
};

#define NAMESPACES                                                             \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |         \
	    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static const struct told by_argument[] = {
	/* no code that was not there at the start */
	{ S(mmap), YES, { { 2, MASKED, PROT_EXEC, 0 } } },
	{ S(mmap), NO, { { 2, MASKED, PROT_EXEC, PROT_EXEC } } },
	{ S(mprotect), YES, { { 2, MASKED, PROT_EXEC, 0 } } },
	{ S(mprotect), NO, { { 2, MASKED, PROT_EXEC, PROT_EXEC } } },
	/* threads, and nothing else */
	{ S(clone), YES,
	    { { 0, MASKED, CLONE_THREAD | NAMESPACES, CLONE_THREAD } } },
	{ S(clone), NO, { { 0, MASKED, CLONE_THREAD, 0 } } },
	/* a thread may have descriptors of its own */
	{ S(unshare), YES, { { 0, EQ, CLONE_FILES, 0 } } },
	{ S(unshare), DIE, { { 0, GT, CLONE_FILES, 0 } } },
	/* TCP, UDP, and what lists the addresses of this machine */
	{ S(socket), YES, { { 0, EQ, AF_INET, 0 } } },
	{ S(socket), YES, { { 0, EQ, AF_INET6, 0 } } },
	{ S(socket), YES, { { 0, EQ, AF_NETLINK, 0 } } },
	{ S(socket), NO, { { 0, GT, AF_NETLINK, 0 } } },
	{ S(ioctl), YES, { { 1, EQ, FIONBIO, 0 } } },
	{ S(ioctl), YES, { { 1, EQ, FIONREAD, 0 } } },
	{ S(ioctl), YES, { { 1, EQ, TCGETS, 0 } } },
	{ S(ioctl), NO, { { 1, GT, FIONBIO, 0 } } },
	{ S(prctl), YES, { { 0, EQ, PR_SET_NAME, 0 } } },
	{ S(prctl), YES, { { 0, EQ, PR_GET_DUMPABLE, 0 } } },
	{ S(prctl), NO, { { 0, EQ, PR_SET_DUMPABLE, 0 } } },
	{ S(prlimit64), YES, { { 2, EQ, 0, 0 } } },
	{ S(prlimit64), NO, { { 2, GT, 0, 0 } } },
};

/* Signals may go to ourselves, and to one process that belongs to us. */
static const int signals[] = { S(kill), S(tgkill) };

/* The program: what fits first decides. */
#define HEAD       7
#define LIST_OPS   2
#define TOLD_OPS   11
#define TOLD_MAX   (ARRAY_LEN(by_argument) + 2 * ARRAY_LEN(signals) + 1)
#define LISTED_MAX (ARRAY_LEN(allowed) + ARRAY_LEN(deadly))
#define OPS        (HEAD + LIST_OPS * LISTED_MAX + TOLD_OPS * TOLD_MAX + 1)
#define ELSE       UINT8_MAX /* a jump that is to go behind the row */

struct program {
	struct sock_filter op[OPS];
	unsigned short n;
};
_Static_assert(OPS <= BPF_MAXINSNS, "too long for the kernel");

static void
add(struct program *p, unsigned code, uint32_t k, uint8_t jt, uint8_t jf)
{
	p->op[p->n++] = (struct sock_filter)BPF_JUMP(code, k, jt, jf);
}

static void
add_load(struct program *p, size_t from)
{
	add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)from, 0, 0);
}

static void
add_jump(struct program *p, unsigned op, uint32_t k, uint8_t jt, uint8_t jf)
{
	add(p, BPF_JMP | BPF_K | op, k, jt, jf);
}

static void
add_end(struct program *p, uint32_t action)
{
	add(p, BPF_RET | BPF_K, action, 0, 0);
}

/* Numbers mean other calls elsewhere.  -1 is what a tracer makes of a call that
 * it does itself. */
static void
add_head(struct program *p)
{
	add_load(p, offsetof(struct seccomp_data, arch));
	add_jump(p, BPF_JEQ, MACHINE, 1, 0);
	add_end(p, DIE);
	add_load(p, offsetof(struct seccomp_data, nr));
	add_jump(p, BPF_JGE, X32, 0, 2);
	add_jump(p, BPF_JEQ, UINT32_MAX, 1, 0);
	add_end(p, DIE);
}

static void
add_list(struct program *p, const int *calls, size_t n, uint32_t action)
{
	for (size_t i = 0; i < n; i++) {
		add_jump(p, BPF_JEQ, (uint32_t)calls[i], 0, 1);
		add_end(p, action);
	}
}

/* An argument is 64 bits; what it is compared with here fits in half of it. */
static void
add_want(struct program *p, const struct want *w)
{
	const size_t low = offsetof(struct seccomp_data, args[w->arg]);

	if (w->op == MASKED) {
		add_load(p, low);
		add(p, BPF_ALU | BPF_AND | BPF_K, w->a, 0, 0);
		add_jump(p, BPF_JEQ, w->b, 0, ELSE);
		return;
	}
	add_load(p, low + 4);
	add_jump(p, BPF_JEQ, 0, 0, w->op == GT ? 2 : ELSE);
	add_load(p, low);
	add_jump(p, w->op == GT ? BPF_JGT : BPF_JEQ, w->a, 0, ELSE);
}

static void
add_told(struct program *p, const struct told *t)
{
	const unsigned short begin = p->n;

	add_load(p, offsetof(struct seccomp_data, nr));
	add_jump(p, BPF_JEQ, (uint32_t)t->call, 0, ELSE);
	for (size_t i = 0; i < ARRAY_LEN(t->want); i++)
		if (t->want[i].op != ANY)
			add_want(p, &t->want[i]);
	add_end(p, t->action);
	for (unsigned short i = begin; i < p->n; i++)
		if (p->op[i].jf == ELSE)
			p->op[i].jf = (uint8_t)(p->n - i - 1);
}

static void
add_signals(struct program *p, const struct jail *j)
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		struct told t = { signals[i], YES,
			{ { 0, EQ, (uint32_t)getpid(), 0 } } };

		add_told(p, &t);
		t.want[0].a = (uint32_t)j->signals;
		if (j->signals)
			add_told(p, &t);
	}
}

/* Made without memory of its own: nothing here can fail but the kernel. */
static void
make(struct program *p, const struct jail *j)
{
	/* Unix sockets only where syslog is one */
	static const struct told datagrams = { S(socket), YES,
		{ { 0, EQ, AF_UNIX, 0 }, { 1, MASKED, 0xf, SOCK_DGRAM } } };

	p->n = 0;
	add_head(p);
	add_list(p, allowed, ARRAY_LEN(allowed), YES);
	add_list(p, deadly, ARRAY_LEN(deadly), DIE);
	for (size_t i = 0; i < ARRAY_LEN(by_argument); i++)
		add_told(p, &by_argument[i]);
	add_signals(p, j);
	if (j->datagrams)
		add_told(p, &datagrams);
	add_end(p, SECCOMP_RET_ERRNO | ENOSYS);
}

enum err
jail_filter(const struct jail *j, bool *out_on)
{
	struct program p;
	struct sock_fprog prog = { .filter = p.op };
	long r;

	*out_on = FILTERED;
	if (!FILTERED)
		return ERR_OK;
	make(&p, j);
	prog.len = p.n;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_TSYNC, &prog);
	if (r == 0)
		return ERR_OK;
	return err_say(ERR_UNSUPPORTED,
	    "the kernel takes no system call filter: %s; "
	    "--no-sandbox does without",
	    strerror(r > 0 ? ECANCELED : errno));
}
