/*
 * What our own decoder makes of frames: reads one in hexadecimal digits a line (header and body, no bulk), writes
 *
 *     REQUEST NAME{field=value ...}       as dfs_print does, never cut
 *     ?                                   when it is no frame or does not decode
 *
 * compare.py holds it against what tshark shows with the dissector that is made from the schema.
 */
#include "core/wire/frame.h"
#include "core/wire/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A message of the largest body has lists of numbers: some twenty characters for four bytes. */
#define TEXT_BYTES (8 * DFS_FRAME_BODY_BYTES_MAX)

static int digit(int c)
{
    const char *const digits = "0123456789abcdef";
    const char *const at = c > 0 ? strchr(digits, c) : NULL;

    return at == NULL ? -1 : (int)(at - digits);
}

/* A line's bytes; -1 at the end of the input, -2 when there is something else in it or too much. */
static long line_read(FILE *file, uint8_t *bytes, size_t room)
{
    size_t count = 0;
    int high = -1;

    for (int c = fgetc(file);; c = fgetc(file)) {
        if (c == EOF)
            return -1;
        if (c == '\n')
            return high < 0 ? (long)count : -2;
        if (digit(c) < 0 || count == room)
            return -2;
        if (high < 0) {
            high = digit(c);
        } else {
            bytes[count++] = (uint8_t)(high << 4 | digit(c));
            high = -1;
        }
    }
}

static bool decode(const uint8_t *bytes, size_t count, struct dfs_arena *arena, char *text, uint32_t *ret_request)
{
    static union dfs_any_message message;
    struct dfs_frame frame;

    if (count < DFS_FRAME_HEADER_BYTES || dfs_frame_decode(bytes, &frame) != DFS_OK ||
        frame.body_bytes != count - DFS_FRAME_HEADER_BYTES)
        return false;
    const struct dfs_layout *layout = dfs_message_layout(frame.type);
    struct dfs_rd body = dfs_rd_make(bytes + DFS_FRAME_HEADER_BYTES, frame.body_bytes);

    dfs_arena_reset(arena);
    if (dfs_decode(layout, &body, arena, &message) != DFS_OK)
        return false;
    *ret_request = frame.request;
    return dfs_print(layout, &message, text, TEXT_BYTES) + 1 < TEXT_BYTES;
}

int main(void)
{
    const size_t room = DFS_FRAME_HEADER_BYTES + DFS_FRAME_BODY_BYTES_MAX;
    uint8_t *bytes = malloc(room);
    char *text = malloc(TEXT_BYTES);
    struct dfs_arena arena;
    uint32_t request = 0;
    long count = 0;

    if (bytes == NULL || text == NULL)
        return 1;
    dfs_arena_init(&arena, DFS_DECODE_BYTES_MAX);
    while ((count = line_read(stdin, bytes, room)) >= 0) {
        if (decode(bytes, (size_t)count, &arena, text, &request))
            (void)printf("%u %s\n", request, text);
        else
            (void)printf("?\n");
    }
    dfs_arena_close(&arena);
    free(text);
    free(bytes);
    if (count == -2)
        (void)fprintf(stderr, "decode: a line that is not hexadecimal digits, or longer than a frame\n");
    return count == -2;
}
