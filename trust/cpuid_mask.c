/* Hides AVX-512 and AMX from a process, so that libraries compute as on a machine with AVX2 at most.
 *
 *     cc -shared -fPIC -O1 -o cpuid_mask.so cpuid_mask.c && LD_PRELOAD=./cpuid_mask.so COMMAND
 *
 * Linux lets a process trap its own CPUID instructions (arch_prctl ARCH_SET_CPUID); the handler runs them, and clears
 * the bits of leaf 7. Libraries that ask the operating system instead (/proc/cpuinfo) see what there is.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef ARCH_SET_CPUID
#define ARCH_SET_CPUID 0x1012
#endif

static void on_segv(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *code = (const unsigned char *)registers[REG_RIP];
    unsigned a, b, c, d, leaf = registers[REG_RAX], part = registers[REG_RCX];
    if (code[0] != 0x0f || code[1] != 0xa2) { /* a true fault */
        signal(SIGSEGV, SIG_DFL);
        return;
    }
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
    __cpuid_count(leaf, part, a, b, c, d);
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
    if (leaf == 7 && part == 0) {
        b &= ~(1u << 16 | 1u << 17 | 1u << 21 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 30 | 1u << 31);
        c &= ~(1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14);
        d &= ~(1u << 2 | 1u << 3 | 1u << 8 | 1u << 22 | 1u << 23 | 1u << 24 | 1u << 25);
    }
    if (leaf == 7 && part == 1) a &= ~(1u << 4 | 1u << 5); /* AVX-VNNI, AVX-512 BF16 */
    registers[REG_RAX] = a;
    registers[REG_RBX] = b;
    registers[REG_RCX] = c;
    registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
    (void)number;
    (void)info;
}

__attribute__((constructor)) static void begin(void) {
    struct sigaction action = {0};
    action.sa_sigaction = on_segv;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, NULL);
    if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) != 0) {
        fputs("cpuid_mask: this processor cannot trap CPUID\n", stderr);
        _exit(77);
    }
}
