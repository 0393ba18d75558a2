/* Something happens to a process in the moment before one of its changes.
 *
 * Preloaded into a program, this counts the calls by which it changes files or talks to a server.
 * Before call number N of the variable QBB_FAULT
 *
 *   kill:N   the process is killed, as by SIGKILL at that instant;
 *   stop:N   it is stopped, until somebody lets it go on;
 *   full:N   this call and all later ones that need room fail, as on a full disk;
 *   sync:N   this call fails if it is one that waits for the disk.
 *
 * The file named by QBB_FAULT_CALLS gets a letter for each call when the program ends: `r` needs room,
 * `s` waits for the disk, `c` is another change.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum sort { CHANGE, ROOM, SYNC };

static atomic_long calls;
static char letters[1 << 16];
static enum { NOTHING, KILL, STOP, FULL, SYNCING } fault;
static long at;

__attribute__((constructor)) static void begin(void) {
    const char *said = getenv("QBB_FAULT");
    if (!said) return;
    const char *number = strchr(said, ':');
    at = number ? atol(number + 1) : 0;
    if (!strncmp(said, "kill:", 5)) fault = KILL;
    if (!strncmp(said, "stop:", 5)) fault = STOP;
    if (!strncmp(said, "full:", 5)) fault = FULL;
    if (!strncmp(said, "sync:", 5)) fault = SYNCING;
    /* Programs that it starts are not meant. */
    unsetenv("QBB_FAULT");
}

__attribute__((destructor)) static void end(void) {
    const char *place = getenv("QBB_FAULT_CALLS");
    FILE *file = place ? fopen(place, "w") : NULL;
    if (file) {
        fputs(letters, file);
        fclose(file);
    }
}

/* Whether the call fails. */
static int fails(enum sort sort) {
    long number = atomic_fetch_add(&calls, 1) + 1;
    if (number < (long)sizeof letters) letters[number - 1] = "crs"[sort];
    if (number == at && fault == KILL) raise(SIGKILL);
    if (number == at && fault == STOP) raise(SIGSTOP);
    int full = fault == FULL && number >= at && sort == ROOM;
    int lost = fault == SYNCING && number == at && sort == SYNC;
    if (full || lost) errno = full ? ENOSPC : EIO;
    return full || lost;
}

/* Terminals and pipes never lack room. */
static enum sort sort_of(int file) {
    struct stat status;
    return fstat(file, &status) == 0 && S_ISREG(status.st_mode) ? ROOM : CHANGE;
}

#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))
#define WATCHED(result, name, sort, parameters, arguments)                                         \
    result name parameters {                                                                       \
        static typeof(&name) real;                                                                 \
        if (!real) real = REAL(name);                                                              \
        if (fails(sort)) return -1;                                                                \
        return real arguments;                                                                     \
    }

WATCHED(ssize_t, write, sort_of(f), (int f, const void *b, size_t n), (f, b, n))
WATCHED(ssize_t, pwrite, sort_of(f), (int f, const void *b, size_t n, off_t o), (f, b, n, o))
WATCHED(ssize_t, pwrite64, sort_of(f), (int f, const void *b, size_t n, off64_t o), (f, b, n, o))
WATCHED(ssize_t, writev, sort_of(f), (int f, const struct iovec *v, int n), (f, v, n))
WATCHED(ssize_t, copy_file_range, ROOM,
        (int f, off64_t *i, int t, off64_t *o, size_t n, unsigned int flags), (f, i, t, o, n, flags))
WATCHED(ssize_t, send, CHANGE, (int s, const void *b, size_t n, int flags), (s, b, n, flags))
WATCHED(ssize_t, sendmsg, CHANGE, (int s, const struct msghdr *m, int flags), (s, m, flags))
WATCHED(int, fsync, SYNC, (int f), (f))
WATCHED(int, fdatasync, SYNC, (int f), (f))
WATCHED(int, syncfs, SYNC, (int f), (f))
WATCHED(int, ftruncate, CHANGE, (int f, off_t n), (f, n))
WATCHED(int, ftruncate64, CHANGE, (int f, off64_t n), (f, n))
WATCHED(int, unlink, CHANGE, (const char *path), (path))
WATCHED(int, unlinkat, CHANGE, (int d, const char *path, int flags), (d, path, flags))
WATCHED(int, rmdir, CHANGE, (const char *path), (path))
WATCHED(int, rename, ROOM, (const char *from, const char *to), (from, to))
WATCHED(int, link, ROOM, (const char *from, const char *to), (from, to))
WATCHED(int, linkat, ROOM, (int a, const char *from, int b, const char *to, int flags),
        (a, from, b, to, flags))
WATCHED(int, symlink, ROOM, (const char *from, const char *to), (from, to))
WATCHED(int, mkdir, ROOM, (const char *path, mode_t mode), (path, mode))
