/*
 * break_clock PID NAME: one thread of a process (the first whose name starts with NAME) is told, once, that there is no such clock when
 * it asks for the time. Rust's standard library panics at that, which makes a real panic in the program as it ships, in the thread of our
 * choice and without a line in the program for it.
 *
 * How: the time is asked for in the vDSO, a library that the kernel maps into each process. A hardware breakpoint of that thread alone
 * stops it there; it goes on behind the call, with -EINVAL as the answer.
 */
#include "threads.h"
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <asm/ptrace.h>

#ifndef NT_ARM_HW_BREAK
#define NT_ARM_HW_BREAK 0x402
#endif

static int fail(const char *what)
{
	fprintf(stderr, "break_clock: %s: %s\n", what, strerror(errno));
	return 1;
}

/* Offset of a function in the vDSO, which is the same in every process; 0: not found. */
static uint64_t offset_of(const char *name)
{
	uint64_t base = getauxval(AT_SYSINFO_EHDR), load = 0;
	const Elf64_Ehdr *head = (void *)base;
	const Elf64_Phdr *part = (void *)(base + head->e_phoff);
	const Elf64_Dyn *dynamic = NULL;
	const Elf64_Sym *symbols = NULL;
	const char *strings = NULL;
	const uint32_t *hash = NULL;

	for (int i = 0; i < head->e_phnum; i++) {
		if (part[i].p_type == PT_LOAD)
			load = base + part[i].p_offset - part[i].p_vaddr;
		else if (part[i].p_type == PT_DYNAMIC)
			dynamic = (void *)(base + part[i].p_offset);
	}
	for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
		void *at = (void *)(load + dynamic->d_un.d_ptr);
		if (dynamic->d_tag == DT_SYMTAB)
			symbols = at;
		else if (dynamic->d_tag == DT_STRTAB)
			strings = at;
		else if (dynamic->d_tag == DT_HASH)
			hash = at;
	}
	if (!symbols || !strings || !hash)
		return 0;
	for (uint32_t i = 0; i < hash[1]; i++)
		if (strcmp(strings + symbols[i].st_name, name) == 0)
			return load + symbols[i].st_value - base;
	return 0;
}

/* Where the vDSO is in that process; 0: not found. */
static uint64_t vdso_of(const char *pid)
{
	char path[64], line[512];
	uint64_t start = 0;

	snprintf(path, sizeof path, "/proc/%s/maps", pid);
	FILE *maps = fopen(path, "r");
	while (maps && fgets(line, sizeof line, maps))
		if (strstr(line, "[vdso]"))
			start = strtoull(line, NULL, 16);
	if (maps)
		fclose(maps);
	return start;
}

/* Sets the thread's first breakpoint; `address` 0 takes it away. */
static long set_breakpoint(int thread, uint64_t address)
{
	struct user_hwdebug_state state = {0};
	struct iovec part = {&state, offsetof(struct user_hwdebug_state, dbg_regs) + sizeof state.dbg_regs[0]};

	state.dbg_regs[0].addr = address;
	/* Four bytes, execution, user mode, enabled (Arm's DBGBCR). */
	state.dbg_regs[0].ctrl = address ? 0xf << 5 | 2 << 1 | 1 : 0;
	return ptrace(PTRACE_SETREGSET, thread, NT_ARM_HW_BREAK, &part);
}

int main(int count, char **words)
{
	struct user_pt_regs registers;
	struct iovec all = {&registers, sizeof registers};
	int status;

	if (count != 3)
		return 2;
	int thread = thread_named(words[1], words[2]);
	uint64_t vdso = vdso_of(words[1]), offset = offset_of("__kernel_clock_gettime");
	if (!thread || !vdso || !offset) {
		fprintf(stderr, "break_clock: no thread %s in process %s, or no clock in its vDSO\n", words[2], words[1]);
		return 1;
	}
	if (ptrace(PTRACE_SEIZE, thread, 0, 0) || ptrace(PTRACE_INTERRUPT, thread, 0, 0) || waitpid(thread, &status, __WALL) != thread)
		return fail("attach");
	if (set_breakpoint(thread, vdso + offset))
		return fail("breakpoint");
	if (ptrace(PTRACE_CONT, thread, 0, 0) || waitpid(thread, &status, __WALL) != thread || !WIFSTOPPED(status))
		return fail("wait");
	if (ptrace(PTRACE_GETREGSET, thread, NT_PRSTATUS, &all))
		return fail("registers");
	if (registers.pc != vdso + offset) {
		fprintf(stderr, "break_clock: stopped elsewhere, by signal %d\n", WSTOPSIG(status));
		return 1;
	}
	registers.regs[0] = (uint64_t)-EINVAL;
	registers.pc = registers.regs[30];
	if (ptrace(PTRACE_SETREGSET, thread, NT_PRSTATUS, &all) || set_breakpoint(thread, 0))
		return fail("answer");
	printf("thread %d has no clock\n", thread);
	return ptrace(PTRACE_DETACH, thread, 0, 0) ? fail("detach") : 0;
}
