/*
 * freeze_thread PID NAME SECONDS: stops one thread of a process (the first whose name starts with NAME) and lets the others run,
 * which no signal can do. The thread goes on when the time is over or this program is killed. Used to prove that a watchdog is fed by
 * progress and not by a timer.
 */
#include "threads.h"
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **words)
{
	if (count != 4)
		return 2;
	int thread = thread_named(words[1], words[2]);
	if (!thread) {
		fprintf(stderr, "freeze_thread: process %s has no thread named %s\n", words[1], words[2]);
		return 1;
	}
	if (ptrace(PTRACE_SEIZE, thread, 0, 0) || ptrace(PTRACE_INTERRUPT, thread, 0, 0) || waitpid(thread, NULL, __WALL) != thread) {
		perror("freeze_thread");
		return 1;
	}
	printf("frozen %d\n", thread);
	fflush(stdout);
	sleep(atoi(words[3]));
	return ptrace(PTRACE_DETACH, thread, 0, 0) ? 1 : 0;
}
