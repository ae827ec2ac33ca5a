/*
 * copies.c - counts the bytes that our code copies in user space; linked into every program of a build with DFS_COUNT_COPIES.
 *
 * The linker sends calls of memcpy and memmove in our objects here (--wrap); such a build compiles them as calls (-fno-builtin), so that none is
 * expanded in place. Copies inside of libraries (TLS decrypting a record, for one) are not ours and not seen.
 *
 * One copy is made on purpose and counted apart: net_tls.c collects full encrypted records, so that one send() takes several. It is known by its
 * size, which nothing else has. When the process ends, a line "OTHER_BYTES RECORD_BYTES PROGRAM" is appended to the file that DFS_COPIES names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__real_memcpy(void *to, const void *from, size_t count);
void *__real_memmove(void *to, const void *from, size_t count);
void *__wrap_memcpy(void *to, const void *from, size_t count);
void *__wrap_memmove(void *to, const void *from, size_t count);

/* 16 KiB of plain text, header, content type and tag (RFC 8446, 5.2; AES-GCM). */
#define RECORD_BYTES (16384 + 5 + 1 + 16)

static atomic_ullong other_bytes;
static atomic_ullong record_bytes;

static void add(size_t count)
{
    atomic_fetch_add_explicit(count == RECORD_BYTES ? &record_bytes : &other_bytes, count, memory_order_relaxed);
}

void *__wrap_memcpy(void *to, const void *from, size_t count)
{
    add(count);
    return __real_memcpy(to, from, count);
}

void *__wrap_memmove(void *to, const void *from, size_t count)
{
    add(count);
    return __real_memmove(to, from, count);
}

__attribute__((destructor)) static void report(void)
{
    const char *const path = getenv("DFS_COPIES");
    const int file = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    char line[256];
    int length;

    if (file < 0)
        return;
    length = snprintf(line, sizeof line, "%llu %llu %s\n", atomic_load(&other_bytes), atomic_load(&record_bytes),
                      program_invocation_short_name);
    if (length > 0 && write(file, line, (size_t)length) != (ssize_t)length)
        abort();
    (void)close(file);
}
