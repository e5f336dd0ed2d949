/* exception.h - what an engine needs of exception.c besides cpu_deliver().
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_EXCEPTION_H
#define CPU_EXCEPTION_H

/* A second exception came while `first` was being delivered: the vector to deliver now (the
 * second, or #DF), or -1 for shutdown. */
int exception_combine(int first, int second);

#endif
