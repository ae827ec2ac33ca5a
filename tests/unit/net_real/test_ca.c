/* The cluster's CA: what it issues, what it refuses, and that nothing is issued twice. */
#include "tests/unit/net_real/toy.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

static X509 *parse(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    assert_non_null(x509);
    return x509;
}

static void a_node_certificate_names_role_and_node(void **state)
{
    struct toy_cluster cluster;
    const struct dfs_id node = toy_id(5);
    struct dfs_cert cert;
    GENERAL_NAMES *names;
    char expected[160];
    char cluster_text[DFS_ID_TEXT_BYTES];
    char node_text[DFS_ID_TEXT_BYTES];
    X509 *x509;
    X509 *ca;

    (void)state;
    toy_cluster_init(&cluster, 1);
    assert_int_equal(dfs_ca_issue(&cluster.ca, DFS_ROLE_DATA, &cluster.id, &node, &cert), DFS_OK);
    x509 = parse(cert.certificate);
    ca = parse(cluster.ca.certificate);
    assert_int_equal(X509_verify(x509, X509_get0_pubkey(ca)), 1);
    assert_int_equal(X509_check_ca(ca), 1);
    assert_int_equal(X509_check_ca(x509), 0);
    assert_true(X509_cmp_current_time(X509_get0_notBefore(x509)) < 0);
    assert_true(X509_cmp_current_time(X509_get0_notAfter(x509)) > 0);
    assert_int_equal(X509_check_host(x509, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(x509, "127.0.0.1", 0), 1);

    dfs_id_print(&cluster.id, cluster_text);
    dfs_id_print(&node, node_text);
    (void)snprintf(expected, sizeof expected, "urn:dfs:%s:data:%s", cluster_text, node_text);
    names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    assert_int_equal(sk_GENERAL_NAME_value(names, 0)->type, GEN_URI);
    assert_string_equal(
        (const char *)ASN1_STRING_get0_data(sk_GENERAL_NAME_value(names, 0)->d.uniformResourceIdentifier), expected);
    GENERAL_NAMES_free(names);
    X509_free(x509);
    X509_free(ca);
    dfs_cert_close(&cert);
    toy_cluster_close(&cluster);
}

static void nothing_is_made_twice(void **state)
{
    struct dfs_cert one;
    struct dfs_cert two;
    uint8_t a[DFS_FINGERPRINT_BYTES];
    uint8_t b[DFS_FINGERPRINT_BYTES];

    (void)state;
    assert_int_equal(dfs_cert_self_signed("me", &one), DFS_OK);
    assert_int_equal(dfs_cert_self_signed("me", &two), DFS_OK);
    assert_int_equal(dfs_cert_fingerprint(one.certificate, a), DFS_OK);
    assert_int_equal(dfs_cert_fingerprint(two.certificate, b), DFS_OK);
    assert_memory_not_equal(a, b, sizeof a);
    assert_string_not_equal(one.key, two.key);
    assert_int_equal(dfs_cert_fingerprint("nonsense", a), DFS_BAD_CONFIG);
    dfs_cert_close(&one);
    dfs_cert_close(&two);
    dfs_cert_close(&two);
}

static void a_ca_with_the_wrong_key_issues_nothing(void **state)
{
    struct toy_cluster one;
    struct toy_cluster two;
    const struct dfs_id node = toy_id(5);
    struct dfs_cert mixed;
    struct dfs_cert cert = {0};

    (void)state;
    toy_cluster_init(&one, 1);
    toy_cluster_init(&two, 2);
    mixed = (struct dfs_cert){.certificate = one.ca.certificate, .key = two.ca.key};
    assert_int_equal(dfs_ca_issue(&mixed, DFS_ROLE_DATA, &one.id, &node, &cert), DFS_BAD_CONFIG);
    mixed.certificate = two.ca.key;
    assert_int_equal(dfs_ca_issue(&mixed, DFS_ROLE_DATA, &one.id, &node, &cert), DFS_BAD_CONFIG);
    assert_null(cert.certificate);
    toy_cluster_close(&one);
    toy_cluster_close(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_certificate_names_role_and_node),
        cmocka_unit_test(nothing_is_made_twice),
        cmocka_unit_test(a_ca_with_the_wrong_key_issues_nothing),
    };

    return cmocka_run_group_tests_name("net_real/ca", tests, NULL, NULL);
}
