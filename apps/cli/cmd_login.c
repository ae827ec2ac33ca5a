/* dfs login, logout, whoami: the token and the certificate that it is bound to. */
#include "apps/cli/cli.h"
#include "apps/common/file.h"
#include "apps/common/password.h"
#include "core/base/mem.h"
#include "net_real/ca.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* dfs login -------------------------------------------------------------------------------------------------------- */

enum { LOGIN_PASSWORD_FILE, LOGIN_AUTH, LOGIN_METADATA, LOGIN_CA, LOGIN_OPTIONS };

static const struct dfs_option login_list[] = {
    [LOGIN_PASSWORD_FILE] = {"password-file", 0, "FILE",
                             "the password is the file's first line; otherwise it is asked for"},
    [LOGIN_AUTH] = {"auth", 0, "HOST:PORT", "writes the authorization server into the profile"},
    [LOGIN_METADATA] = {"metadata", 0, "HOST:PORT", "writes the metadata server into the profile"},
    [LOGIN_CA] = {"ca", 0, "FILE", "writes the cluster's CA into the profile"},
    CLI_OPTIONS,
};

/* Writes what was given; a profile without a certificate gets one of its own, which the tokens are then bound to. */
static int prepare_profile(const char *file, const char *const given[LOGIN_OPTIONS], const char *user)
{
    struct dfs_profile profile;
    struct dfs_conf_error error;
    struct dfs_cert cert = {NULL, NULL};
    struct dfs_why why;
    json_t *keys = json_object();
    enum dfs_status status = dfs_profile_read(file, &profile, &error);
    const bool has_certificate = status == DFS_OK && profile.certificate[0] != '\0';
    const bool is_new = status == DFS_NOT_FOUND;

    dfs_profile_close(&profile);
    if (status != DFS_OK &&
        !(is_new && given[LOGIN_AUTH] != NULL && given[LOGIN_METADATA] != NULL && given[LOGIN_CA] != NULL)) {
        json_decref(keys);
        if (is_new)
            (void)fprintf(
                stderr,
                "dfs: login: %s is not there; say where the cluster is: --auth HOST:PORT --metadata HOST:PORT "
                "--ca FILE\n",
                file);
        else
            (void)fprintf(stderr, "dfs: %s\n", error.text);
        return dfs_status_exit_code(DFS_BAD_CONFIG);
    }
    if (given[LOGIN_AUTH] != NULL)
        (void)json_object_set_new(keys, "auth", json_string(given[LOGIN_AUTH]));
    if (given[LOGIN_METADATA] != NULL)
        (void)json_object_set_new(keys, "metadata", json_string(given[LOGIN_METADATA]));
    if (given[LOGIN_CA] != NULL) {
        char *path = dfs_path_absolute(given[LOGIN_CA]);

        (void)json_object_set_new(keys, "ca", json_string(path));
        dfs_free(path);
    }
    if (!has_certificate && dfs_cert_self_signed(user, &cert) == DFS_OK) {
        (void)json_object_set_new(keys, "certificate", json_string(cert.certificate));
        (void)json_object_set_new(keys, "key", json_string(cert.key));
        dfs_cert_close(&cert);
    }
    if (json_object_size(keys) == 0) {
        json_decref(keys);
        return 0;
    }
    status = dfs_profile_change(file, keys, &why);
    return status == DFS_OK ? 0 : cli_fail("login", status, why.text);
}

int cli_login(int argc, char **argv)
{
    const char *given[LOGIN_OPTIONS] = {NULL};
    char password[DFS_PASSWORD_BYTES_MAX + 1] = "";
    struct cli_session session;
    struct cli_options cli;
    struct dfs_why why;
    const char *user;
    char *file;
    char what[DFS_USER_BYTES_MAX + 16];
    int at;
    int rc;

    cli_options_init(&cli, "login", login_list, sizeof login_list / sizeof login_list[0]);
    while ((at = cli_options_next(&cli, argc, argv)) >= 0)
        given[at] = cli.options.value;
    if (at == DFS_OPTIONS_BAD)
        return dfs_status_exit_code(DFS_BAD_USAGE);
    rc = cli_check_arguments(&cli, 1, 1, "the user's name");
    if (rc >= 0)
        return rc;
    user = cli.options.arguments[0];
    if (user[0] == '\0' || strlen(user) > DFS_USER_BYTES_MAX)
        return cli_bad_usage(&cli, "the user's name must have 1 to %d bytes", DFS_USER_BYTES_MAX);
    (void)snprintf(what, sizeof what, "LOGIN %s", user);
    file = dfs_profile_path(cli.profile);
    rc = prepare_profile(file, given, user);
    dfs_free(file);
    if (rc != 0)
        return rc;
    rc = cli_session_open(&session, &cli, false, what);
    if (rc != 0)
        return rc;
    if (dfs_password_read(given[LOGIN_PASSWORD_FILE], "password: ", false, password, &why) != DFS_OK)
        rc = cli_bad_usage(&cli, "%s", why.text);
    else
        rc = cli_session_login(&session, user, password, what);
    dfs_wipe(password, sizeof password);
    if (rc == 0 && cli.json)
        cli_print_json(
            json_pack("{s:s, s:I}", "user", user, "expires_ms", (json_int_t)session.profile.token_expires_s * 1000));
    else if (rc == 0) {
        char until[CLI_TIME_BYTES];

        (void)printf("logged in as %s until %s\n", user,
                     cli_time((uint64_t)session.profile.token_expires_s * 1000, until));
    }
    cli_session_close(&session);
    return rc;
}

/* dfs logout ------------------------------------------------------------------------------------------------------- */

static const struct dfs_option common_list[] = {CLI_OPTIONS};

/* Options and profile of a command that only looks at the profile; -1: go on. */
static int open_profile(struct cli_options *cli, const char *name, int argc, char **argv, struct dfs_profile *profile)
{
    struct dfs_conf_error error;
    char *file;
    enum dfs_status status;
    int rc;

    cli_options_init(cli, name, common_list, sizeof common_list / sizeof common_list[0]);
    if (cli_options_next(cli, argc, argv) == DFS_OPTIONS_BAD)
        return dfs_status_exit_code(DFS_BAD_USAGE);
    rc = cli_check_arguments(cli, 0, 0, "nothing");
    if (rc >= 0)
        return rc;
    file = dfs_profile_path(cli->profile);
    status = dfs_profile_read(file, profile, &error);
    dfs_free(file);
    if (status == DFS_OK)
        return -1;
    (void)fprintf(stderr, "dfs: %s\n", error.text);
    dfs_profile_close(profile);
    return dfs_status_exit_code(DFS_BAD_CONFIG);
}

int cli_logout(int argc, char **argv)
{
    struct dfs_profile profile = {.file = NULL};
    struct cli_options cli;
    struct dfs_why why;
    enum dfs_status status;
    int rc = open_profile(&cli, "logout", argc, argv, &profile);

    if (rc >= 0)
        return rc;
    /* The password's file goes from the profile too: the next command would log in again by itself. */
    status = dfs_profile_change(profile.file, json_pack("{s:n, s:n, s:n}", "token", "token_expires_s", "password_file"),
                                &why);
    rc = status == DFS_OK ? 0 : cli_fail("logout", status, why.text);
    if (rc == 0)
        (void)printf("logged out%s%s; a token that was copied elsewhere stays good until it runs out\n",
                     profile.user[0] != '\0' ? ": " : "", profile.user);
    dfs_profile_close(&profile);
    return rc;
}

/* dfs whoami ------------------------------------------------------------------------------------------------------- */

static int base64url_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : -1;
}

/* The claims, unverified: for people who ask what they hold. NULL: no JWT. */
static json_t *claims_of(const char *token)
{
    const char *at = strchr(token, '.');
    char text[DFS_TOKEN_BYTES_MAX];
    size_t count = 0;
    unsigned bits = 0;
    unsigned held = 0;

    if (at == NULL)
        return NULL;
    for (at++; *at != '\0' && *at != '.'; at++) {
        const int digit = base64url_digit(*at);

        if (digit < 0)
            return NULL;
        held = held << 6 | (unsigned)digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            text[count++] = (char)(held >> bits & 0xff);
        }
    }
    return json_loadb(text, count, 0, NULL);
}

static bool certificate_fingerprint(const struct dfs_profile *profile, char ret_hex[2 * DFS_FINGERPRINT_BYTES + 1])
{
    const struct dfs_real_pem pem = dfs_profile_pem(profile->certificate);
    uint8_t bytes[DFS_FINGERPRINT_BYTES];
    char *text = NULL;
    bool good;

    if (pem.text == NULL &&
        (pem.path == NULL || dfs_file_read(pem.path, DFS_TLS_FILE_BYTES_MAX, &text, NULL, NULL) != DFS_OK))
        return false;
    good = dfs_cert_fingerprint(pem.text != NULL ? pem.text : text, bytes) == DFS_OK;
    for (size_t i = 0; good && i < sizeof bytes; i++)
        (void)snprintf(ret_hex + 2 * i, 3, "%02x", bytes[i]);
    dfs_free(text);
    return good;
}

int cli_whoami(int argc, char **argv)
{
    struct dfs_profile profile = {.file = NULL};
    struct cli_options cli;
    char hex[2 * DFS_FINGERPRINT_BYTES + 1] = "";
    char until[CLI_TIME_BYTES];
    const char *user;
    const char *scope;
    json_t *claims;
    bool expired;
    int rc = open_profile(&cli, "whoami", argc, argv, &profile);

    if (rc >= 0)
        return rc;
    claims = claims_of(profile.token);
    user = json_string_value(json_object_get(claims, "sub"));
    scope = json_string_value(json_object_get(claims, "scope"));
    expired = (uint64_t)profile.token_expires_s * DFS_SECONDS < dfs_real_wall();
    if (user == NULL) {
        rc = cli_fail("whoami", DFS_TOKEN_MISSING, "not logged in; log in with: dfs login USER");
    } else {
        (void)certificate_fingerprint(&profile, hex);
        rc = 0;
        if (cli.json)
            cli_print_json(json_pack("{s:s, s:s, s:I, s:b, s:s, s:s, s:s}", "user", user, "scope",
                                     scope != NULL ? scope : "", "expires_ms",
                                     (json_int_t)profile.token_expires_s * 1000, "expired", expired,
                                     "certificate_sha256", hex, "profile", profile.file, "metadata", profile.metadata));
        else
            (void)printf("%s, scope \"%s\", token %s %s\ncertificate %s\nprofile %s, metadata %s\n", user,
                         scope != NULL ? scope : "", expired ? "ran out at" : "until",
                         cli_time((uint64_t)profile.token_expires_s * 1000, until), hex, profile.file,
                         profile.metadata);
    }
    json_decref(claims);
    dfs_profile_close(&profile);
    return rc;
}
