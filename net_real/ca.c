#include "net_real/ca.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

/* RFC 5280, 4.1.2.2: at most 20 bytes, positive. 16 random ones never meet again. */
#define SERIAL_BITS 127
#define SECONDS_A_DAY 86400L
#define COMMON_NAME_BYTES 65 /* X.520: 64, and the end */

void dfs_cert_close(struct dfs_cert *cert)
{
    if (cert->key != NULL)
        OPENSSL_cleanse(cert->key, strlen(cert->key));
    dfs_free(cert->certificate);
    dfs_free(cert->key);
    *cert = (struct dfs_cert){0};
}

/* Texts ------------------------------------------------------------------------------------------------------------- */

static char *take_text(BIO *take_bio)
{
    char *bytes = NULL;
    const long count = BIO_get_mem_data(take_bio, &bytes);
    char *text = dfs_alloc((size_t)count + 1);

    memcpy(text, bytes, (size_t)count);
    text[count] = '\0';
    BIO_free(take_bio);
    return text;
}

static bool to_text(X509 *x509, EVP_PKEY *key, struct dfs_cert *ret_cert)
{
    BIO *cert_bio = BIO_new(BIO_s_mem());
    BIO *key_bio = BIO_new(BIO_s_secmem());
    const bool good = PEM_write_bio_X509(cert_bio, x509) == 1 &&
                      PEM_write_bio_PKCS8PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1;

    if (!good) {
        BIO_free(cert_bio);
        BIO_free(key_bio);
        return false;
    }
    ret_cert->certificate = take_text(cert_bio);
    ret_cert->key = take_text(key_bio);
    return true;
}

static X509 *read_certificate(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    ERR_clear_error();
    return x509;
}

static EVP_PKEY *read_key(const char *pem)
{
    static char no_pass_phrase[] = "";
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, no_pass_phrase);

    BIO_free(bio);
    ERR_clear_error();
    return key;
}

/* Making ------------------------------------------------------------------------------------------------------------ */

static bool set_serial(X509 *x509)
{
    BIGNUM *number = BN_new();
    const bool good = number != NULL && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                      BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509)) != NULL;

    BN_free(number);
    return good;
}

static bool set_name(X509 *x509, const char *name)
{
    char common[COMMON_NAME_BYTES];
    X509_NAME *subject = X509_get_subject_name(x509);

    (void)snprintf(common, sizeof common, "%s", name);
    return X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, (const unsigned char *)"dfs", -1, -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)common, -1, -1, 0) == 1;
}

static bool add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;
    bool good;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    good = extension != NULL && X509_add_ext(x509, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

/* A certificate without extensions and signature, for `key`. */
static X509 *draft(const char *name, EVP_PKEY *key, int days)
{
    X509 *x509 = X509_new();

    if (x509 != NULL && X509_set_version(x509, X509_VERSION_3) == 1 && set_serial(x509) && set_name(x509, name) &&
        X509_gmtime_adj(X509_getm_notBefore(x509), -SECONDS_A_DAY) != NULL &&
        X509_time_adj_ex(X509_getm_notAfter(x509), days, 0, NULL) != NULL && X509_set_pubkey(x509, key) == 1)
        return x509;
    X509_free(x509);
    return NULL;
}

struct extension {
    int nid;
    const char *value;
};

static bool finish(X509 *x509, X509 *issuer, EVP_PKEY *issuer_key, const struct extension *extensions, size_t count)
{
    if (X509_set_issuer_name(x509, X509_get_subject_name(issuer)) != 1)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!add_extension(x509, issuer, extensions[i].nid, extensions[i].value))
            return false;
    return X509_sign(x509, issuer_key, EVP_sha256()) > 0;
}

/* A self-signed one with these extensions. */
static enum dfs_status make_own(const char *name, int days, const struct extension *extensions, size_t count,
                                struct dfs_cert *ret_cert)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = key == NULL ? NULL : draft(name, key, days);
    const bool good = x509 != NULL && finish(x509, x509, key, extensions, count) && to_text(x509, key, ret_cert);

    X509_free(x509);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return good ? DFS_OK : DFS_INTERNAL;
}

enum dfs_status dfs_ca_make(const char *name, struct dfs_cert *ret_ca)
{
    static const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
        {NID_key_usage, "critical,keyCertSign,cRLSign"},
        {NID_subject_key_identifier, "hash"},
    };

    return make_own(name, DFS_CA_DAYS, extensions, sizeof extensions / sizeof extensions[0], ret_ca);
}

enum dfs_status dfs_cert_self_signed(const char *name, struct dfs_cert *ret_cert)
{
    static const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "clientAuth"},
        {NID_subject_key_identifier, "hash"},
    };

    return make_own(name, DFS_CERT_DAYS, extensions, sizeof extensions / sizeof extensions[0], ret_cert);
}

static bool sign_node(X509 *x509, X509 *issuer, EVP_PKEY *issuer_key, const char *names)
{
    const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},   {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "serverAuth,clientAuth"},   {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid:always"}, {NID_subject_alt_name, names},
    };

    return finish(x509, issuer, issuer_key, extensions, sizeof extensions / sizeof extensions[0]);
}

enum dfs_status dfs_ca_issue(const struct dfs_cert *ca, enum dfs_role role, const struct dfs_id *cluster,
                             const struct dfs_id *node, struct dfs_cert *ret_cert)
{
    X509 *issuer = read_certificate(ca->certificate);
    EVP_PKEY *issuer_key = read_key(ca->key);
    EVP_PKEY *key = NULL;
    X509 *x509 = NULL;
    enum dfs_status status = DFS_BAD_CONFIG;
    char cluster_text[DFS_ID_TEXT_BYTES];
    char node_text[DFS_ID_TEXT_BYTES];
    char names[256];
    char name[COMMON_NAME_BYTES];

    DFS_ASSERT(role == DFS_ROLE_AUTH || role == DFS_ROLE_META || role == DFS_ROLE_DATA);
    if (issuer == NULL || issuer_key == NULL || X509_check_private_key(issuer, issuer_key) != 1)
        goto out;
    dfs_id_print(cluster, cluster_text);
    dfs_id_print(node, node_text);
    (void)snprintf(name, sizeof name, "%s %s", dfs_role_name(role), node_text);
    (void)snprintf(names, sizeof names, "URI:urn:dfs:%s:%s:%s,DNS:localhost,IP:127.0.0.1,IP:::1", cluster_text,
                   dfs_role_name(role), node_text);
    status = DFS_INTERNAL;
    key = EVP_EC_gen("P-256");
    x509 = key == NULL ? NULL : draft(name, key, DFS_CERT_DAYS);
    if (x509 != NULL && sign_node(x509, issuer, issuer_key, names) && to_text(x509, key, ret_cert))
        status = DFS_OK;
out:
    X509_free(x509);
    EVP_PKEY_free(key);
    EVP_PKEY_free(issuer_key);
    X509_free(issuer);
    ERR_clear_error();
    return status;
}

enum dfs_status dfs_cert_fingerprint(const char *pem, uint8_t ret_fingerprint[DFS_FINGERPRINT_BYTES])
{
    X509 *x509 = read_certificate(pem);
    unsigned count = 0;
    const bool good = x509 != NULL && X509_digest(x509, EVP_sha256(), ret_fingerprint, &count) == 1;

    X509_free(x509);
    return good && count == DFS_FINGERPRINT_BYTES ? DFS_OK : DFS_BAD_CONFIG;
}
