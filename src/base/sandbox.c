/*
 * Sandbox (sandbox.h): rlimits, and a seccomp filter for x86-64.
 *
 * The list is what glibc's memory, threads, clocks and messages need when the
 * decoders of tests/apart_test.py have been through it, and no more. What is
 * refused with an errno is what they may ask and can do without. Numbers of
 * another processor would have to be tried there first, so elsewhere the
 * process has its limits and no list.
 */
#include "base/sandbox.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/error.h"

#if defined(__x86_64__) && defined(__LP64__)
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of a call the lower half of an argument is enough for flags and numbers. */
#define CALL        offsetof(struct seccomp_data, nr)
#define ARCH        offsetof(struct seccomp_data, arch)
#define ARGUMENT(n) offsetof(struct seccomp_data, args[n])

#define LOAD(from) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (from))
#define GIVE(what) BPF_STMT(BPF_RET | BPF_K, (what))
/* Go on behind the next `skip` unless it is so. */
#define IS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))
#define HAS(value, skip)                                                       \
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (value), 0, (skip))

#define KILL        GIVE(SECCOMP_RET_KILL_PROCESS)
#define ALLOW(call) IS(__NR_##call, 1), GIVE(SECCOMP_RET_ALLOW)
#define REFUSE(call, e)                                                        \
    IS(__NR_##call, 1), GIVE(SECCOMP_RET_ERRNO | ((e)&SECCOMP_RET_DATA))
/* Only when its argument n is the value; only with, or without, the bit. */
#define ALLOW_IF(call, n, value)                                               \
    IS(__NR_##call, 4), LOAD(ARGUMENT(n)), IS((value), 1),                     \
        GIVE(SECCOMP_RET_ALLOW), KILL
#define ALLOW_WITH(call, n, bit)                                               \
    IS(__NR_##call, 4), LOAD(ARGUMENT(n)), HAS((bit), 1),                      \
        GIVE(SECCOMP_RET_ALLOW), KILL
#define ALLOW_WITHOUT(call, n, bit)                                            \
    IS(__NR_##call, 4), LOAD(ARGUMENT(n)), HAS((bit), 1), KILL,                \
        GIVE(SECCOMP_RET_ALLOW)

enum { X32 = 0x40000000 }; /* the same calls under other numbers */

static int filter_calls(void)
{
    struct sock_filter list[] = {
        LOAD(ARCH),
        IS(AUDIT_ARCH_X86_64, 1),
        BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
        KILL,
        LOAD(CALL),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32, 0, 1),
        KILL,
        /* The answer, and what a library says to nobody. */
        ALLOW(read),
        ALLOW(write),
        ALLOW(writev),
        ALLOW(fstat),
        REFUSE(newfstatat, EBADF),
        REFUSE(ioctl, ENOTTY),
        REFUSE(lseek, ESPIPE),
        /* Memory, none of it to be run. */
        ALLOW(brk),
        ALLOW(munmap),
        ALLOW(mremap),
        ALLOW(madvise),
        ALLOW_WITHOUT(mmap, 2, PROT_EXEC),
        ALLOW_WITHOUT(mprotect, 2, PROT_EXEC),
        /* Threads of its own; clone3 hides its flags, clone is the same. */
        ALLOW(futex),
        ALLOW(set_robust_list),
        ALLOW(rseq),
        ALLOW(sched_yield),
        ALLOW(sched_getaffinity),
        ALLOW(gettid),
        ALLOW(getpid),
        REFUSE(clone3, ENOSYS),
        ALLOW_WITH(clone, 0, CLONE_THREAD),
        ALLOW_IF(prctl, 0, PR_SET_NAME),
        /* Signals: an abort of its own, and what glibc has for its threads. */
        ALLOW(rt_sigaction),
        ALLOW(rt_sigprocmask),
        ALLOW(rt_sigreturn),
        ALLOW(sigaltstack),
        ALLOW_IF(tgkill, 0, (uint32_t)getpid()),
        /* Clocks, chance and facts. */
        ALLOW(clock_gettime),
        ALLOW(clock_getres),
        ALLOW(clock_nanosleep),
        ALLOW(nanosleep),
        ALLOW(gettimeofday),
        ALLOW(time),
        ALLOW(getrandom),
        ALLOW(getcpu),
        ALLOW(sysinfo),
        ALLOW(restart_syscall),
        ALLOW(exit),
        ALLOW(exit_group),
        KILL,
    };
    const struct sock_fprog program = {sizeof list / sizeof *list, list};
    const long answer = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                SECCOMP_FILTER_FLAG_TSYNC, &program);
    if (answer > 0) /* the thread that could not be taken along */
        errno = EBUSY;
    return answer ? -1 : 0;
}
#else
static int filter_calls(void)
{
    return 0;
}
#endif

/* A sanitizer's shadow takes address space by the terabyte. */
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SHADOWED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHADOWED 1
#endif
#ifndef SHADOWED
#define SHADOWED 0
#endif

static int set_limit(int what, uint64_t value)
{
    const struct rlimit limit = {value, value};
    return setrlimit((__rlimit_resource_t)what, &limit);
}

/* Only a wish: who holds the model is missed more than who decodes. */
static void go_first(void)
{
    FILE *file = fopen("/proc/self/oom_score_adj", "w");
    if (!file)
        return;
    fputs("900", file);
    fclose(file);
}

akin_status akin__sandbox_enter(uint64_t bytes, akin_error *err)
{
    const char *wish = getenv("AKIN_SANDBOX");
    go_first();
    /* Else malloc asks the file system how many processors there are. */
    mallopt(M_ARENA_MAX, 1);
    if ((!SHADOWED && set_limit(RLIMIT_AS, bytes) != 0) ||
        set_limit(RLIMIT_CORE, 0) != 0 || set_limit(RLIMIT_NOFILE, 0) != 0 ||
        set_limit(RLIMIT_FSIZE, 0) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return akin__fail_errno(err, errno, "its limits cannot be set");
    if ((!wish || strcmp(wish, "off") != 0) && filter_calls() != 0)
        return akin__fail_errno(err, errno,
                                "its system calls cannot be confined "
                                "(AKIN_SANDBOX=off goes on without that)");
    return AKIN_OK;
}
