/* Who is believed, and who is not: every way in which a token may be wrong. */
#include "tests/unit/auth/forge.h"

#include "core/auth/token_jwt.h"

struct desk {
    struct dfs_signing_keys keys;
    struct dfs_verifier *verifier;
    char token[DFS_TOKEN_BYTES_MAX * 2];
    size_t count;
    struct dfs_claims seen;
    bool unknown_kid;
    uint8_t bearer[DFS_FINGERPRINT_BYTES];
};

static int open_desk(void **state)
{
    static struct desk desk;

    memset(&desk, 0, sizeof desk);
    forge_keys(&desk.keys, 1);
    desk.verifier = forge_verifier(&desk.keys, 4);
    forge_bearer(7, desk.bearer);
    *state = &desk;
    return 0;
}

static int close_desk(void **state)
{
    struct desk *desk = *state;

    dfs_verifier_free(desk->verifier);
    dfs_signing_keys_close(&desk->keys);
    return 0;
}

static enum dfs_status show(struct desk *desk, uint64_t now_s)
{
    return dfs_verifier_check(desk->verifier, desk->token, desk->count, now_s * DFS_SECONDS, desk->bearer, &desk->seen,
                              &desk->unknown_kid);
}

static void sign(struct desk *desk, const struct dfs_claims *claims)
{
    assert_int_equal(
        dfs_jwt_sign(claims, desk->keys.all[0].kid, desk->keys.all[0].private_pem, desk->token, &desk->count), DFS_OK);
}

static void header_for(const struct desk *desk, const char *alg, char ret_header[256])
{
    snprintf(ret_header, 256, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"}", alg, desk->keys.all[0].kid);
}

static void a_token_of_ours_says_what_we_wrote(void **state)
{
    struct desk *desk = *state;
    const struct dfs_claims claims = forge_claims();

    sign(desk, &claims);
    assert_in_range(desk->count, 300, 1000);
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_OK);
    assert_memory_equal(&desk->seen, &claims, sizeof claims);
    assert_false(desk->unknown_kid);
}

static void a_token_of_another_library_is_read_too(void **state)
{
    struct desk *desk = *state;
    char header[256];
    char json[512];

    header_for(desk, "ES256", header);
    forge_json(",\"more\":[1,2]", FORGE_CNF_7, json, sizeof json);
    desk->count = forge_es256(header, json, desk->keys.all[0].private_pem, desk->token);
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_OK);
    assert_string_equal(desk->seen.subject, "ann");
}

static void no_token_is_missing(void **state)
{
    struct desk *desk = *state;

    assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_MISSING);
}

static void times_are_judged_by_the_callers_clock_with_the_leeway(void **state)
{
    struct desk *desk = *state;
    const struct dfs_claims claims = forge_claims();

    sign(desk, &claims);
    assert_int_equal(show(desk, claims.expires_s + 29), DFS_OK);
    assert_int_equal(show(desk, claims.expires_s + 30), DFS_TOKEN_EXPIRED);
    assert_int_equal(show(desk, UINT64_MAX / DFS_SECONDS), DFS_TOKEN_EXPIRED);
    assert_int_equal(show(desk, claims.not_before_s - 30), DFS_OK);
    assert_int_equal(show(desk, claims.not_before_s - 31), DFS_TOKEN_NOT_YET_VALID);
    assert_int_equal(show(desk, 0), DFS_TOKEN_NOT_YET_VALID);
}

static void issuer_audience_and_bearer_each_have_their_status(void **state)
{
    struct desk *desk = *state;
    struct dfs_claims claims = forge_claims();

    strcpy(claims.issuer, "evil");
    sign(desk, &claims);
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_WRONG_ISSUER);
    claims = forge_claims();
    claims.audience[0] = '7';
    sign(desk, &claims);
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_WRONG_AUDIENCE);
    claims = forge_claims();
    sign(desk, &claims);
    desk->bearer[31] ^= 1;
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_NOT_YOURS); /* stolen */
    desk->bearer[31] ^= 1;
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_OK); /* the owner is not harmed by the try */
}

static void hs256_keyed_with_our_public_key_is_refused(void **state)
{
    struct desk *desk = *state;
    char header[256];
    char json[512];

    forge_json("", FORGE_CNF_7, json, sizeof json);
    header_for(desk, "HS256", header);
    desk->count = forge_hs256(header, json, desk->keys.all[0].public_pem, desk->token);
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_INVALID);
    /* libjwt itself would have taken it: this is why the header is read first. */
    struct dfs_claims claims;
    assert_int_equal(dfs_jwt_verify(desk->token, desk->keys.all[0].public_pem, &claims), DFS_TOKEN_INVALID);
}

static void other_algorithms_are_refused(void **state)
{
    static const char *const algorithms[] = {"none",  "NONE",  "None",  "es256", "ES384",
                                             "ES512", "RS256", "HS384", "HS512", ""};
    struct desk *desk = *state;
    char header[256];
    char json[512];

    forge_json("", FORGE_CNF_7, json, sizeof json);
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        header_for(desk, algorithms[i], header);
        desk->count = forge_es256(header, json, desk->keys.all[0].private_pem, desk->token);
        assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_INVALID);
        desk->count = forge_unsigned(header, json, desk->token);
        desk->token[desk->count++] = '.';
        assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_INVALID);
    }
}

static void a_header_without_alg_or_kid_is_refused(void **state)
{
    static const char *const headers[] = {"{\"typ\":\"JWT\",\"kid\":\"k\"}",
                                          "{\"alg\":\"ES256\",\"typ\":\"JWT\"}",
                                          "{\"alg\":\"ES256\",\"kid\":\"\"}",
                                          "{\"alg\":\"ES256\",\"kid\":7}",
                                          "[\"ES256\"]",
                                          "{}",
                                          "not json",
                                          "{\"alg\":[\"ES256\"],\"kid\":\"k\"}"};
    struct desk *desk = *state;
    char json[512];

    forge_json("", FORGE_CNF_7, json, sizeof json);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        desk->count = forge_es256(headers[i], json, desk->keys.all[0].private_pem, desk->token);
        assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_INVALID);
        assert_false(desk->unknown_kid);
    }
}

static void an_unknown_kid_is_said_so_that_newer_keys_can_be_fetched(void **state)
{
    struct desk *desk = *state;
    const struct dfs_claims claims = forge_claims();
    struct dfs_signing_keys newer;
    struct dfs_token_public_key key;

    forge_keys(&newer, 99);
    assert_int_equal(dfs_jwt_sign(&claims, newer.all[0].kid, newer.all[0].private_pem, desk->token, &desk->count),
                     DFS_OK);
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_INVALID);
    assert_true(desk->unknown_kid);
    key = (struct dfs_token_public_key){.kid = newer.all[0].kid,
                                        .kid_bytes = strlen(newer.all[0].kid),
                                        .pem = newer.all[0].public_pem,
                                        .pem_bytes = strlen(newer.all[0].public_pem)};
    assert_int_equal(dfs_verifier_set_keys(desk->verifier, &key, 1), DFS_OK);
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_OK);
    assert_false(desk->unknown_kid);
    dfs_signing_keys_close(&newer);
}

static void a_signature_by_another_key_under_our_kid_is_refused(void **state)
{
    struct desk *desk = *state;
    const struct dfs_claims claims = forge_claims();
    struct dfs_signing_keys evil;

    forge_keys(&evil, 66);
    assert_int_equal(dfs_jwt_sign(&claims, desk->keys.all[0].kid, evil.all[0].private_pem, desk->token, &desk->count),
                     DFS_OK);
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_INVALID);
    assert_false(desk->unknown_kid);
    dfs_signing_keys_close(&evil);
}

static void a_changed_character_anywhere_is_refused(void **state)
{
    struct desk *desk = *state;
    const struct dfs_claims claims = forge_claims();

    sign(desk, &claims);
    for (size_t i = 0; i + 1 < desk->count; i += 7) { /* the last character has bits that say nothing */
        const char was = desk->token[i];

        desk->token[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_INVALID);
        desk->token[i] = was;
    }
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_OK);
}

static void what_is_no_token_at_all_never_reaches_a_parser(void **state)
{
    struct desk *desk = *state;
    const struct dfs_claims claims = forge_claims();
    const size_t whole = (sign(desk, &claims), desk->count);

    for (size_t i = 1; i < whole; i += 11) {
        desk->count = i;
        assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_INVALID);
    }
    desk->count = whole;
    desk->token[20] = '\0';
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_INVALID);
    memset(desk->token, 'A', sizeof desk->token);
    desk->count = sizeof desk->token;
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_INVALID);
    memset(desk->token, '.', 200);
    desk->count = 200;
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_INVALID);
}

static void every_claim_is_needed_in_its_type(void **state)
{
    static const char *const claims[] = {
        "{}",
        "[]",
        "{\"iss\":\"dfs\"}",
        "{\"iss\":\"dfs\",\"aud\":[\"" FORGE_CLUSTER
        "\"],\"sub\":\"ann\",\"jti\":\"1\",\"scope\":\"rw:/\",\"iat\":1700000000,"
        "\"nbf\":1700000000,\"exp\":1700000600,\"cnf\":" FORGE_CNF_7 "}",
        "{\"iss\":\"dfs\",\"aud\":\"" FORGE_CLUSTER
        "\",\"sub\":\"\",\"jti\":\"1\",\"scope\":\"rw:/\",\"iat\":1700000000,"
        "\"nbf\":1700000000,\"exp\":1700000600,\"cnf\":" FORGE_CNF_7 "}",
        "{\"iss\":\"dfs\",\"aud\":\"" FORGE_CLUSTER
        "\",\"sub\":\"ann\",\"jti\":\"1\",\"scope\":\"rw:/\",\"iat\":1700000000,"
        "\"nbf\":1700000000,\"exp\":\"1700000600\",\"cnf\":" FORGE_CNF_7 "}",
        "{\"iss\":\"dfs\",\"aud\":\"" FORGE_CLUSTER
        "\",\"sub\":\"ann\",\"jti\":\"1\",\"scope\":\"rw:/\",\"iat\":1700000000,"
        "\"nbf\":1700000000,\"exp\":-1,\"cnf\":" FORGE_CNF_7 "}",
        "{\"iss\":\"dfs\",\"aud\":\"" FORGE_CLUSTER
        "\",\"sub\":\"ann\",\"jti\":\"1\",\"scope\":\"rw:/\",\"iat\":1700000000,"
        "\"nbf\":1700000000,\"exp\":1700000600}",
    };
    static const char *const confirmations[] = {"{}", "\"x\"", "{\"x5t#S256\":\"short\"}", "{\"jkt\":\"BwcH\"}",
                                                "{\"x5t#S256\":\"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwd\"}"};
    struct desk *desk = *state;
    char header[256];
    char json[512];

    header_for(desk, "ES256", header);
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        desk->count = forge_es256(header, claims[i], desk->keys.all[0].private_pem, desk->token);
        assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_INVALID);
    }
    for (size_t i = 0; i < sizeof confirmations / sizeof *confirmations; i++) {
        forge_json("", confirmations[i], json, sizeof json);
        desk->count = forge_es256(header, json, desk->keys.all[0].private_pem, desk->token);
        assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_INVALID);
    }
}

static void a_key_that_left_takes_its_verified_tokens_along(void **state)
{
    struct desk *desk = *state;
    const struct dfs_claims claims = forge_claims();

    sign(desk, &claims);
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_OK);
    assert_int_equal(dfs_verifier_set_keys(desk->verifier, NULL, 0), DFS_OK);
    assert_false(dfs_verifier_has_keys(desk->verifier));
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_TOKEN_INVALID);
    assert_true(desk->unknown_kid);
}

static void the_cache_is_bounded_and_forgets_the_oldest(void **state)
{
    struct desk *desk = *state;
    struct dfs_claims claims = forge_claims();

    for (unsigned i = 0; i < 20; i++) {
        claims.issued_s = FORGE_NOW_S - i;
        sign(desk, &claims);
        assert_int_equal(show(desk, FORGE_NOW_S), DFS_OK);
        assert_int_equal(show(desk, FORGE_NOW_S), DFS_OK);
        assert_int_equal(desk->seen.issued_s, FORGE_NOW_S - i);
    }
    assert_int_equal(show(desk, claims.expires_s + 30), DFS_TOKEN_EXPIRED); /* and is dropped */
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_OK);
}

static void keys_that_are_none_leave_the_old_set_in_place(void **state)
{
    struct desk *desk = *state;
    const struct dfs_claims claims = forge_claims();
    char long_kid[DFS_KID_BYTES_MAX + 2] = "";
    struct dfs_token_public_key bad[] = {
        {.kid = "k", .kid_bytes = 1, .pem = "nonsense", .pem_bytes = 8},
        {.kid = "",
         .kid_bytes = 0,
         .pem = desk->keys.all[0].public_pem,
         .pem_bytes = strlen(desk->keys.all[0].public_pem)},
        {.kid = long_kid,
         .kid_bytes = sizeof long_kid - 1,
         .pem = desk->keys.all[0].public_pem,
         .pem_bytes = strlen(desk->keys.all[0].public_pem)},
        {.kid = "k",
         .kid_bytes = 1,
         .pem = desk->keys.all[0].private_pem,
         .pem_bytes = strlen(desk->keys.all[0].private_pem)},
    };
    struct dfs_token_public_key many[DFS_TOKEN_KEYS_MAX + 1];
    EVP_PKEY *p384 = EVP_EC_gen("P-384");
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem;

    memset(long_kid, 'k', sizeof long_kid - 1);
    memset(many, 0, sizeof many);
    sign(desk, &claims);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(dfs_verifier_set_keys(desk->verifier, &bad[i], 1), DFS_BAD_REQUEST);
    assert_int_equal(dfs_verifier_set_keys(desk->verifier, many, DFS_TOKEN_KEYS_MAX + 1), DFS_BAD_REQUEST);
    PEM_write_bio_PUBKEY(bio, p384);
    const long count = BIO_get_mem_data(bio, &pem);
    const struct dfs_token_public_key other_curve = {
        .kid = "k", .kid_bytes = 1, .pem = pem, .pem_bytes = (size_t)count};

    assert_int_equal(dfs_verifier_set_keys(desk->verifier, &other_curve, 1), DFS_BAD_REQUEST);
    BIO_free(bio);
    EVP_PKEY_free(p384);
    assert_int_equal(show(desk, FORGE_NOW_S), DFS_OK);
}

/* Scope ------------------------------------------------------------------------------------------------------------------ */

static void a_scope_covers_whole_components_only(void **state)
{
    static const struct {
        const char *scope;
        char mode;
        const char *path;
        bool allowed;
    } cases[] = {
        {"rw:/", 'r', "a/one", true},
        {"rw:/", 'w', "", true},
        {"rw:/", 'a', "", false},
        {"r:/", 'w', "a", false},
        {"rw:/home/ann", 'w', "home/ann", true},
        {"rw:/home/ann", 'w', "home/ann/x", true},
        {"rw:/home/ann", 'w', "home/anna", false}, /* SeaweedFS #9439 */
        {"rw:/home/ann", 'w', "home/an", false},
        {"rw:/home/ann", 'r', "home", false},
        {"rw:/home/ann", 'r', "", false},
        {"r:/ w:/tmp", 'w', "tmp/x", true},
        {"r:/ w:/tmp", 'w', "x", false},
        {"r:/ w:/tmp", 'r', "x", true},
        {"a:/", 'a', "", true},
        {"a:/", 'w', "anything", true},
        {"", 'r', "x", false},
        {"rw", 'r', "x", false},
        {"rw:x", 'r', "x", false},
        {":/", 'r', "x", false},
        {"x:/", 'r', "x", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(dfs_scope_allows(cases[i].scope, cases[i].mode, cases[i].path, strlen(cases[i].path)),
                         cases[i].allowed);
}

static void a_scope_for_an_account_is_checked_in_words(void **state)
{
    static const char *const good[] = {"rw:/",           "r:/",   "w:/in",        "a:/",
                                       "r:/ w:/tmp a:/", "rwa:/", "rw:/home/ann", "r:/ü/..x"};
    static const char *const bad[] = {"",       " ",     "rw",      "rw:",    "rw:home", "x:/",     "rr:/",  ":/",
                                      "a:/adm", "r:/a/", "r:/a//b", "r:/./a", "r:/..",   "r:/a/..", "r:/\n", "r://"};
    const char *words = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(dfs_scope_is_valid(good[i], &words));
    assert_null(words);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        words = NULL;
        assert_false(dfs_scope_is_valid(bad[i], &words));
        assert_non_null(words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)
        STORY(a_token_of_ours_says_what_we_wrote),
        STORY(a_token_of_another_library_is_read_too),
        STORY(no_token_is_missing),
        STORY(times_are_judged_by_the_callers_clock_with_the_leeway),
        STORY(issuer_audience_and_bearer_each_have_their_status),
        STORY(hs256_keyed_with_our_public_key_is_refused),
        STORY(other_algorithms_are_refused),
        STORY(a_header_without_alg_or_kid_is_refused),
        STORY(an_unknown_kid_is_said_so_that_newer_keys_can_be_fetched),
        STORY(a_signature_by_another_key_under_our_kid_is_refused),
        STORY(a_changed_character_anywhere_is_refused),
        STORY(what_is_no_token_at_all_never_reaches_a_parser),
        STORY(every_claim_is_needed_in_its_type),
        STORY(a_key_that_left_takes_its_verified_tokens_along),
        STORY(the_cache_is_bounded_and_forgets_the_oldest),
        STORY(keys_that_are_none_leave_the_old_set_in_place),
        STORY(a_scope_covers_whole_components_only),
        STORY(a_scope_for_an_account_is_checked_in_words),
#undef STORY
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
