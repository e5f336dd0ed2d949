/* hostfile.h - the host's files that are opened, made or removed while the machine runs: images that the
 * monitor puts into a drive, pictures of the screen, temporary files, sockets' names.
 *
 * The process may have given up opening files by then; whoever can still do it is asked through
 * hostfile_via. All calls are for the vCPU thread.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_HOSTFILE_H
#define HW_HOSTFILE_H

#define HOSTFILE_PATH_MAX 4096 /* bytes of a path with its final 0 */

enum hostfile {
    HOSTFILE_READ,   /* a regular file or block device, for reading */
    HOSTFILE_WRITE,  /* the same, for reading and writing */
    HOSTFILE_CREATE, /* a regular file, for writing, made or emptied */
    HOSTFILE_TEMP,   /* a file without a name, for reading and writing; `path` is not used */
    HOSTFILE_REMOVE, /* remove a socket's name; returns no descriptor */
    HOSTFILE_KINDS,
};

/* Not an errno: the sandbox's rules do not allow it. */
#define HOSTFILE_REFUSED (-5000)

/* A descriptor (close-on-exec), 0 for HOSTFILE_REMOVE, -errno (-EISDIR: a directory; -EINVAL: neither a
 * file nor a block device), or HOSTFILE_REFUSED. */
int hostfile_open(enum hostfile kind, const char *path);
/* The same in this process, whatever hostfile_via says. */
int hostfile_open_here(enum hostfile kind, const char *path);
/* A temporary file in directory `dir`, removed already; in memory if there is no other way. */
int hostfile_temp(const char *dir);
/* Where temporary files are made: $TMPDIR or /var/tmp. */
const char *hostfile_temp_dir(void);

/* What went wrong and, if it is the sandbox, what to do. */
const char *hostfile_error(int rc);

/* If not NULL, hostfile_open calls this. */
extern int (*hostfile_via)(enum hostfile kind, const char *path);

#endif
