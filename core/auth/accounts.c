#include "core/auth/accounts.h"

#include "core/auth/token.h"
#include "core/base/assert.h"
#include "core/base/mac.h"
#include "core/base/mem.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

/* The hash ------------------------------------------------------------------------------------------------------------- */

static bool scrypt_n_is_valid(uint64_t n)
{
    return n >= 2 && n <= DFS_SCRYPT_N_MAX && (n & (n - 1)) == 0;
}

static void scrypt(const char *password, size_t password_bytes, const uint8_t salt[DFS_SALT_BYTES], uint64_t n,
                   uint8_t ret_hash[DFS_SCRYPT_BYTES])
{
    /* What scrypt takes is 128 r (N + p + 2); OpenSSL's own limit of 32 MiB would refuse large N. */
    const uint64_t memory_max = 128 * DFS_SCRYPT_R * (n + DFS_SCRYPT_P + 2) + 65536;

    DFS_ASSERT(EVP_PBE_scrypt(password, password_bytes, salt, DFS_SALT_BYTES, n, DFS_SCRYPT_R, DFS_SCRYPT_P, memory_max,
                              ret_hash, DFS_SCRYPT_BYTES) == 1);
}

bool dfs_account_check(const struct dfs_account *account, const char *password, size_t password_bytes,
                       uint64_t scrypt_n)
{
    static const uint8_t nobodys_salt[DFS_SALT_BYTES];
    uint8_t hash[DFS_SCRYPT_BYTES];

    if (account == NULL) {
        scrypt(password, password_bytes, nobodys_salt, scrypt_n, hash);
        dfs_wipe(hash, sizeof hash);
        return false;
    }
    scrypt(password, password_bytes, account->salt, account->scrypt_n, hash);
    const bool same = CRYPTO_memcmp(hash, account->hash, sizeof hash) == 0;

    dfs_wipe(hash, sizeof hash);
    return same && !account->disabled;
}

/* The set -------------------------------------------------------------------------------------------------------------- */

static char *copy_text(const char *text)
{
    const size_t bytes = strlen(text) + 1;

    return memcpy(dfs_alloc(bytes), text, bytes);
}

void dfs_accounts_close(struct dfs_accounts *accounts)
{
    for (size_t i = 0; i < accounts->count; i++)
        dfs_free(accounts->all[i].scope);
    dfs_free(accounts->all);
    *accounts = (struct dfs_accounts){0};
}

void dfs_accounts_copy(const struct dfs_accounts *from, struct dfs_accounts *ret_accounts)
{
    *ret_accounts = (struct dfs_accounts){.count = from->count, .room = from->count};
    ret_accounts->all = dfs_alloc_zero_array(from->count, sizeof *from->all);
    for (size_t i = 0; i < from->count; i++) {
        ret_accounts->all[i] = from->all[i];
        ret_accounts->all[i].scope = copy_text(from->all[i].scope);
    }
}

/* Where `user` stands, or would stand. */
static size_t place_of(const struct dfs_accounts *accounts, const char *user)
{
    size_t low = 0;
    size_t high = accounts->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (strcmp(accounts->all[middle].user, user) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct dfs_account *find_mutable(const struct dfs_accounts *accounts, const char *user)
{
    const size_t place = place_of(accounts, user);

    return place < accounts->count && strcmp(accounts->all[place].user, user) == 0 ? &accounts->all[place] : NULL;
}

const struct dfs_account *dfs_accounts_find(const struct dfs_accounts *accounts, const char *user, size_t user_bytes)
{
    char terminated[DFS_USER_BYTES_MAX + 1];

    if (user_bytes > DFS_USER_BYTES_MAX)
        return NULL;
    if (user_bytes > 0)
        memcpy(terminated, user, user_bytes);
    terminated[user_bytes] = '\0';
    return find_mutable(accounts, terminated);
}

bool dfs_user_is_valid(const char *user, size_t user_bytes)
{
    if (user_bytes == 0 || user_bytes > DFS_USER_BYTES_MAX)
        return false;
    for (size_t i = 0; i < user_bytes; i++) {
        const char c = user[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c != '\0' && strchr("._@+-", c) != NULL)))
            return false;
    }
    return true;
}

/* Takes over account->scope. */
static void insert_at(struct dfs_accounts *accounts, size_t place, const struct dfs_account *account)
{
    if (accounts->count == accounts->room) {
        accounts->room = accounts->room == 0 ? 8 : accounts->room * 2;
        accounts->all = dfs_realloc_array(accounts->all, accounts->room, sizeof *accounts->all);
    }
    memmove(&accounts->all[place + 1], &accounts->all[place], (accounts->count - place) * sizeof *accounts->all);
    accounts->all[place] = *account;
    accounts->count++;
}

enum dfs_status dfs_accounts_set(struct dfs_accounts *accounts, const char *user, const char *password,
                                 const char *scope, uint64_t scrypt_n, const uint8_t salt[DFS_SALT_BYTES],
                                 uint64_t now_s, const char **ret_words)
{
    struct dfs_account *account;

    if (!dfs_user_is_valid(user, strlen(user))) {
        *ret_words = "a user's name is made of 1 to 64 letters, digits and . _ @ + -";
        return DFS_BAD_REQUEST;
    }
    if (password != NULL && (password[0] == '\0' || strlen(password) > DFS_PASSWORD_BYTES_MAX)) {
        *ret_words = "a password has 1 to 1024 bytes";
        return DFS_BAD_REQUEST;
    }
    if (scope != NULL && !dfs_scope_is_valid(scope, ret_words))
        return DFS_BAD_REQUEST;
    account = find_mutable(accounts, user);
    if (account == NULL) {
        struct dfs_account fresh = {.scrypt_n = scrypt_n};

        if (password == NULL || scope == NULL) {
            *ret_words = "no such user; a new one needs a password and a scope";
            return DFS_BAD_REQUEST;
        }
        if (accounts->count >= DFS_ACCOUNTS_MAX) {
            *ret_words = "there are 10000 accounts already; remove some";
            return DFS_TOO_LARGE;
        }
        const size_t place = place_of(accounts, user);

        memcpy(fresh.user, user, strlen(user) + 1);
        fresh.scope = copy_text(scope);
        insert_at(accounts, place, &fresh);
        account = &accounts->all[place];
    } else if (scope != NULL) {
        dfs_free(account->scope);
        account->scope = copy_text(scope);
    }
    if (password != NULL) {
        account->scrypt_n = scrypt_n;
        account->since_s = now_s;
        memcpy(account->salt, salt, DFS_SALT_BYTES);
        scrypt(password, strlen(password), account->salt, scrypt_n, account->hash);
    }
    return DFS_OK;
}

enum dfs_status dfs_accounts_remove(struct dfs_accounts *accounts, const char *user)
{
    struct dfs_account *account = find_mutable(accounts, user);

    if (account == NULL)
        return DFS_NOT_FOUND;
    const size_t place = (size_t)(account - accounts->all);

    dfs_free(account->scope);
    accounts->count--;
    memmove(account, account + 1, (accounts->count - place) * sizeof *account);
    return DFS_OK;
}

/* Text ------------------------------------------------------------------------------------------------------------------ */

void dfs_accounts_write(const struct dfs_accounts *accounts, struct dfs_lines *lines)
{
    for (size_t i = 0; i < accounts->count; i++) {
        const struct dfs_account *account = &accounts->all[i];

        dfs_line_begin(lines);
        dfs_line_text(lines, "user", account->user);
        dfs_line_text(lines, "scope", account->scope);
        dfs_line_number(lines, "n", account->scrypt_n);
        dfs_line_number(lines, "r", DFS_SCRYPT_R);
        dfs_line_number(lines, "p", DFS_SCRYPT_P);
        dfs_line_hex(lines, "salt", account->salt, DFS_SALT_BYTES);
        dfs_line_hex(lines, "hash", account->hash, DFS_SCRYPT_BYTES);
        dfs_line_number(lines, "since", account->since_s);
        dfs_line_bool(lines, "disabled", account->disabled);
        dfs_line_end(lines);
    }
}

/* Which members of a line were there. */
enum { HAS_USER = 1, HAS_SCOPE = 2, HAS_N = 4, HAS_SALT = 8, HAS_HASH = 16, HAS_R = 32, HAS_P = 64, HAS_ALL = 127 };

/* *ret_scope points into the line. */
static bool read_account(char *line, struct dfs_account *ret_account, const char **ret_scope)
{
    struct dfs_account account = {0};
    struct dfs_member member;
    unsigned has = 0;
    int more;

    while ((more = dfs_line_member(&line, &member)) == 1) {
        const bool text = member.kind == DFS_MEMBER_TEXT;
        const bool number = member.kind == DFS_MEMBER_NUMBER;

        if (strcmp(member.key, "user") == 0 && text && dfs_user_is_valid(member.text, strlen(member.text))) {
            memcpy(account.user, member.text, strlen(member.text) + 1);
            has |= HAS_USER;
        } else if (strcmp(member.key, "scope") == 0 && text && dfs_scope_is_valid(member.text, NULL)) {
            *ret_scope = member.text;
            has |= HAS_SCOPE;
        } else if (strcmp(member.key, "n") == 0 && number && scrypt_n_is_valid(member.number)) {
            account.scrypt_n = member.number;
            has |= HAS_N;
        } else if (strcmp(member.key, "r") == 0 && number && member.number == DFS_SCRYPT_R) {
            has |= HAS_R;
        } else if (strcmp(member.key, "p") == 0 && number && member.number == DFS_SCRYPT_P) {
            has |= HAS_P;
        } else if (strcmp(member.key, "salt") == 0 && text &&
                   dfs_auth_hex_parse(member.text, account.salt, DFS_SALT_BYTES)) {
            has |= HAS_SALT;
        } else if (strcmp(member.key, "hash") == 0 && text &&
                   dfs_auth_hex_parse(member.text, account.hash, DFS_SCRYPT_BYTES)) {
            has |= HAS_HASH;
        } else if (strcmp(member.key, "since") == 0 && number) {
            account.since_s = member.number;
        } else if (strcmp(member.key, "disabled") == 0 && member.kind == DFS_MEMBER_BOOL) {
            account.disabled = member.truth;
        }
    }
    *ret_account = account;
    return more == 0 && has == HAS_ALL;
}

enum dfs_status dfs_accounts_read(char *text, size_t count, struct dfs_accounts *ret_accounts)
{
    struct dfs_accounts accounts = {0};
    char *at = text;
    char *line;

    while ((line = dfs_lines_next(&at, text + count)) != NULL) {
        struct dfs_account account;
        const char *scope = NULL;

        if (accounts.count >= DFS_ACCOUNTS_MAX || !read_account(line, &account, &scope) ||
            (accounts.count > 0 && strcmp(accounts.all[accounts.count - 1].user, account.user) >= 0)) {
            dfs_accounts_close(&accounts);
            return DFS_BAD_CONFIG;
        }
        account.scope = copy_text(scope);
        insert_at(&accounts, accounts.count, &account);
    }
    if (at != text + count) {
        dfs_accounts_close(&accounts);
        return DFS_BAD_CONFIG;
    }
    *ret_accounts = accounts;
    return DFS_OK;
}
