/* Finding one thread of another process. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first thread of process `pid` whose name starts with `name`; 0: there is none. */
static int thread_named(const char *pid, const char *name)
{
	char path[300], found[64];
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof path, "/proc/%s/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		snprintf(path, sizeof path, "/proc/%s/task/%s/comm", pid, entry->d_name);
		FILE *comm = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
		if (!comm)
			continue;
		int hit = fgets(found, sizeof found, comm) && strncmp(found, name, strlen(name)) == 0;
		fclose(comm);
		if (hit)
			return atoi(entry->d_name);
	}
	return 0;
}
