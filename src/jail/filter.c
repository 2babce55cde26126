/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The list of system calls.  What only an attacker calls ends the process, so
 * that it is seen and not tried again; what a library may try gets EPERM; all
 * else looks as on a kernel that does not have it, and libraries fall back.
 */
#include "jail/jail_internal.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#ifdef WITH_SANITIZER
#define FILTERED false
#else
#define FILTERED true
#endif

#define S(name) SCMP_SYS(name)

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
	S(open),
	S(openat),
	S(close),
	S(close_range),
	S(creat),
	S(lseek),
	S(stat),
	S(fstat),
	S(lstat),
	S(newfstatat),
	S(statx),
	S(statfs),
	S(fstatfs),
	S(access),
	S(faccessat),
	S(faccessat2),
	S(readlink),
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
	S(mkdir),
	S(mkdirat),
	S(rmdir),
	S(unlink),
	S(unlinkat),
	S(rename),
	S(renameat),
	S(renameat2),
	S(link),
	S(linkat),
	S(chmod),
	S(fchmod),
	S(fchmodat),
	S(utimensat),
	S(umask),
	S(chdir),
	S(setsid),
	S(dup),
	S(dup2),
	S(dup3),
	S(pipe),
	S(pipe2),
	S(splice),
	S(sendfile),
	S(copy_file_range),
	/* waiting */
	S(poll),
	S(ppoll),
	S(select),
	S(pselect6),
	S(epoll_create),
	S(epoll_create1),
	S(epoll_ctl),
	S(epoll_wait),
	S(epoll_pwait),
	S(eventfd),
	S(eventfd2),
	S(nanosleep),
	S(clock_nanosleep),
	S(futex),
	S(timerfd_create),
	S(timerfd_settime),
	S(timerfd_gettime),
	S(pause),
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
	S(arch_prctl),
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
	S(time),
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
	S(getpgrp),
	S(uname),
	S(sysinfo),
	S(getrusage),
	S(getrlimit),
	S(times),
};

/* Nothing of ours, nor of the libraries', ever calls these. */
static const int deadly[] = {
	/* other programs */
	S(execve),
	S(execveat),
	S(fork),
	S(vfork),
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
	S(iopl),
	S(ioperm),
	S(modify_ldt),
	S(settimeofday),
	S(clock_settime),
	S(clock_adjtime),
	S(adjtimex),
	S(sethostname),
	S(setdomainname),
	S(vhangup),
	S(mknod),
	S(mknodat),
};

/* One call, told by one argument: ALLOW or EPERM as it compares. */
struct told {
	int call;
	uint32_t action;
	unsigned arg;
	enum scmp_compare op;
	scmp_datum_t a, b;
};

#define NO     SCMP_ACT_ERRNO(EPERM)
#define YES    SCMP_ACT_ALLOW
#define MASKED SCMP_CMP_MASKED_EQ
#define EQ     SCMP_CMP_EQ
#define GT     SCMP_CMP_GT
#define NAMESPACES                                                             \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |         \
	    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static const struct told by_argument[] = {
	/* no code that was not there at the start */
	{ S(mmap), YES, 2, MASKED, PROT_EXEC, 0 },
	{ S(mmap), NO, 2, MASKED, PROT_EXEC, PROT_EXEC },
	{ S(mprotect), YES, 2, MASKED, PROT_EXEC, 0 },
	{ S(mprotect), NO, 2, MASKED, PROT_EXEC, PROT_EXEC },
	/* threads, and nothing else */
	{ S(clone), YES, 0, MASKED, CLONE_THREAD | NAMESPACES, CLONE_THREAD },
	{ S(clone), NO, 0, MASKED, CLONE_THREAD, 0 },
	/* a thread may have descriptors of its own */
	{ S(unshare), YES, 0, EQ, CLONE_FILES, 0 },
	{ S(unshare), SCMP_ACT_KILL_PROCESS, 0, GT, CLONE_FILES, 0 },
	/* TCP, UDP, and what lists the addresses of this machine */
	{ S(socket), YES, 0, EQ, AF_INET, 0 },
	{ S(socket), YES, 0, EQ, AF_INET6, 0 },
	{ S(socket), YES, 0, EQ, AF_NETLINK, 0 },
	{ S(socket), NO, 0, GT, AF_NETLINK, 0 },
	{ S(ioctl), YES, 1, EQ, FIONBIO, 0 },
	{ S(ioctl), YES, 1, EQ, FIONREAD, 0 },
	{ S(ioctl), YES, 1, EQ, TCGETS, 0 },
	{ S(ioctl), NO, 1, GT, FIONBIO, 0 },
	{ S(prctl), YES, 0, EQ, PR_SET_NAME, 0 },
	{ S(prctl), YES, 0, EQ, PR_GET_DUMPABLE, 0 },
	{ S(prctl), NO, 0, EQ, PR_SET_DUMPABLE, 0 },
	{ S(prlimit64), YES, 2, EQ, 0, 0 },
	{ S(prlimit64), NO, 2, GT, 0, 0 },
};

static int
add_lists(scmp_filter_ctx f)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(allowed); i++)
		r = seccomp_rule_add(f, YES, allowed[i], 0);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(deadly); i++)
		r = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	return r;
}

static int
add_by_argument(scmp_filter_ctx f)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(by_argument); i++) {
		const struct told *t = &by_argument[i];

		r = seccomp_rule_add(f, t->action, t->call, 1,
		    SCMP_CMP(t->arg, t->op, t->a, t->b));
	}
	return r;
}

/* Signals to ourselves, and to one process that belongs to us. */
static int
add_signals(scmp_filter_ctx f, const struct jail *j)
{
	static const int calls[] = { S(kill), S(tgkill) };
	const scmp_datum_t self = (scmp_datum_t)getpid();
	const scmp_datum_t other = j->signals ? (scmp_datum_t)j->signals : self;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(calls); i++) {
		r = seccomp_rule_add(f, YES, calls[i], 1, SCMP_A0(EQ, self, 0));
		if (r == 0 && other != self)
			r = seccomp_rule_add(
			    f, YES, calls[i], 1, SCMP_A0(EQ, other, 0));
	}
	return r;
}

/* Unix sockets only where syslog is one. */
static int
add_wishes(scmp_filter_ctx f, const struct jail *j)
{
	if (!j->datagrams)
		return 0;
	return seccomp_rule_add(f, YES, S(socket), 2, SCMP_A0(EQ, AF_UNIX, 0),
	    SCMP_A1(MASKED, 0xf, SOCK_DGRAM));
}

static void
release(scmp_filter_ctx *f)
{
	if (*f)
		seccomp_release(*f);
}

enum err
jail_filter(const struct jail *j, bool *out_on)
{
	__attribute__((cleanup(release))) scmp_filter_ctx f = NULL;
	int r;

	*out_on = FILTERED;
	if (!FILTERED)
		return ERR_OK;
	f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (f == NULL)
		return ERR_NOMEM;
	r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = seccomp_attr_set(
		    f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = add_lists(f);
	if (r == 0)
		r = add_by_argument(f);
	if (r == 0)
		r = add_signals(f, j);
	if (r == 0)
		r = add_wishes(f, j);
	if (r == 0)
		r = seccomp_load(f);
	return r == 0 ? ERR_OK :
			err_say(ERR_UNSUPPORTED,
			    "the kernel takes no system call filter: %s; "
			    "--no-sandbox does without",
			    strerror(-r));
}
