//! What the file may say, and what is made of it.

use super::*;

fn problems(text: &str) -> Vec<String> {
    match ClosedDirectory::parse(text) {
        Err(DirectoryError::Invalid { problems }) => problems,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_problem_of_a_file_is_told_at_once() {
    let found = problems(
        r#"{
            "tenants": [
                { "id": "11111111-1111-1111-1111-111111111111", "domains": ["contoso.com"] },
                { "id": "11111111-1111-1111-1111-111111111111", "domains": ["Contoso.com"] }
            ],
            "applications": [
                { "client_id": "app", "secrets": [""] },
                { "client_id": "App", "certificates": ["no-such-file.pem", "-----BEGIN x"] },
                { "client_id": "" },
                { "client_id": "one", "identifier_uris": ["api://one"], "tenant": "fabrikam.com" },
                { "client_id": "two", "identifier_uris": ["API://one/"] }
            ],
            "users": [{ "name": "alice@fabrikam.com" }, { "name": "bob@contoso.com" }, { "name": "BOB@contoso.com" },
                { "name": "eve@contoso.com", "guest_of": ["fabrikam.com"] }]
        }"#,
    );
    let expected = [
        "tenants: `11111111-1111-1111-1111-111111111111` is there twice",
        "tenants: the domain `contoso.com` is there twice",
        "applications: `app` has an empty secret",
        "applications: `App` is there twice",
        "applications: a certificate of `App` cannot be read",
        "applications: a certificate of `App` is no PEM",
        "applications: `` is no client id",
        "applications: `one` is of `fabrikam.com`, which is no tenant",
        "applications: `API://one/` is there twice",
        "users: no tenant has the domain of `alice@fabrikam.com`",
        "users: `bob@contoso.com` is there twice",
        "users: `eve@contoso.com` is a guest of `fabrikam.com`, which is no tenant",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn a_word_that_the_file_does_not_know_is_placed() {
    let found = problems("{\n \"tenants\": [],\n \"aplications\": []\n}");
    assert!(
        found[0].contains("aplications") && found[0].contains("line 3"),
        "{found:?}"
    );
    assert!(problems(r#"{ "tenants": [] }"#)[0].contains("at least one"));
}

#[test]
fn only_this_machines_port_does_not_matter() {
    for (one, other, same) in [
        ("http://localhost/cb", "http://localhost:5000/cb", true),
        ("http://localhost:1/cb", "http://localhost:2/other", false),
        ("https://localhost/cb", "https://localhost:5000/cb", false),
        ("http://app.example/cb", "http://app.example:80/cb", false),
    ] {
        assert_eq!(
            without_local_port(one) == without_local_port(other),
            same,
            "{one} {other}"
        );
    }
}
