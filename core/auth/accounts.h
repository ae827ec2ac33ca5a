/*
 * accounts.h - users: name, scope, and the scrypt of the password.
 *
 * One line of JSON an account: {"user","scope","n","r","p","salt","hash","since","disabled"}. Pure: salts and times are handed in.
 */
#ifndef DFS_CORE_AUTH_ACCOUNTS_H
#define DFS_CORE_AUTH_ACCOUNTS_H

#include "core/auth/json_line.h"
#include "core/base/limits.h"
#include "core/base/status.h"

/* All accounts are read and written as one file and looked up by bisection: this many are 3 MB and a few milliseconds. */
#define DFS_ACCOUNTS_MAX 10000

#define DFS_SALT_BYTES 16
#define DFS_SCRYPT_BYTES 32
#define DFS_SCRYPT_R 8
#define DFS_SCRYPT_P 1
/* N of a line on the disk: more would take 1 GiB for one guess. */
#define DFS_SCRYPT_N_MAX (UINT64_C(1) << 20)

struct dfs_account {
    char user[DFS_USER_BYTES_MAX + 1];
    char *scope;
    uint64_t scrypt_n;
    uint8_t salt[DFS_SALT_BYTES];
    uint8_t hash[DFS_SCRYPT_BYTES];
    uint64_t since_s; /* when the password was set: tokens that were issued before are not renewed */
    bool disabled;
};

/* In ascending order of `user`, as bytes. */
struct dfs_accounts {
    struct dfs_account *all;
    size_t count;
    size_t room;
};

void dfs_accounts_close(struct dfs_accounts *accounts);

/* A deep copy: changes are made to a copy, which becomes the truth when it is on the disk. */
void dfs_accounts_copy(const struct dfs_accounts *from, struct dfs_accounts *ret_accounts);

const struct dfs_account *dfs_accounts_find(const struct dfs_accounts *accounts, const char *user, size_t user_bytes);

/* May this be a user's name? Letters, digits and . _ @ + - : what needs no quoting anywhere. */
bool dfs_user_is_valid(const char *user, size_t user_bytes);

/*
 * Adds the account, or changes it where `password` or `scope` is not NULL. A new one needs both.
 *
 * BAD_REQUEST  *ret_words says what is wrong with name, password or scope.
 * TOO_LARGE    DFS_ACCOUNTS_MAX are there.
 */
enum dfs_status dfs_accounts_set(struct dfs_accounts *accounts, const char *user, const char *password,
                                 const char *scope, uint64_t scrypt_n, const uint8_t salt[DFS_SALT_BYTES],
                                 uint64_t now_s, const char **ret_words) DFS_MUST_CHECK;

/* NOT_FOUND. */
enum dfs_status dfs_accounts_remove(struct dfs_accounts *accounts, const char *user) DFS_MUST_CHECK;

void dfs_accounts_write(const struct dfs_accounts *accounts, struct dfs_lines *lines);

/* Reads all lines of `text`, which is overwritten. BAD_CONFIG: one of them is no account, or stands out of order; *ret_accounts is untouched. */
enum dfs_status dfs_accounts_read(char *text, size_t count, struct dfs_accounts *ret_accounts) DFS_MUST_CHECK;

/*
 * Is this the account's password? `account` NULL (an unknown user) costs the same time, at `scrypt_n`, and is false: who asks cannot tell
 * wrong users from wrong passwords.
 */
bool dfs_account_check(const struct dfs_account *account, const char *password, size_t password_bytes,
                       uint64_t scrypt_n);

#endif
