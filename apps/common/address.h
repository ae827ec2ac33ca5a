/*
 * address.h - addresses as people write them: "HOST:PORT", "[v6]:PORT"; numeric in the machines.
 */
#ifndef DFS_APPS_COMMON_ADDRESS_H
#define DFS_APPS_COMMON_ADDRESS_H

#include "core/conf/text.h"
#include "core/env/env.h"

/* A DNS name has at most 253 characters; ":65535" and the end follow. */
#define DFS_ADDRESS_TEXT_BYTES 264

/* Is this the form HOST:PORT? Nothing is looked up. BAD_CONFIG: ret_why says what is wrong. */
enum dfs_status dfs_address_check(const char *text, struct dfs_why *ret_why) DFS_MUST_CHECK;

/*
 * Looks the name up (it may block: at start only) and takes the first answer, IPv4 before IPv6 where there are both.
 * BAD_CONFIG: not the form HOST:PORT. UNREACHABLE: the name has no address now. ret_why says which.
 */
enum dfs_status dfs_address_resolve(const char *text, struct dfs_addr *ret_addr,
                                    struct dfs_why *ret_why) DFS_MUST_CHECK;

/* "127.0.0.1:7401", "[::1]:7401". */
void dfs_address_print(const struct dfs_addr *addr, char ret_text[DFS_ADDRESS_TEXT_BYTES]);

/* 127.0.0.0/8 or ::1. */
bool dfs_address_is_loopback(const struct dfs_addr *addr);

#endif
