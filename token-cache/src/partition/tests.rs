//! Lookup and save, by the numbers of the checklist in
//! `shared/reference/token-cache.md` §9.

mod saving;
mod users;

use std::time::Duration;

use super::*;
use crate::components::{ComponentHash, KeyComponents};
use crate::item::{CredentialType, TokenType};
use crate::query::Subject;
use crate::scope::Scopes;
use crate::secret::Secret;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_000_000);

fn public() -> Environment {
    Environment::of_host("login.microsoftonline.com")
}

fn token(target: &str) -> AccessToken {
    AccessToken::bearer(
        "login.windows.net".into(),
        "client".into(),
        "tenant".into(),
        Scopes::parse(target),
        Secret::new(format!("token for {target}")),
        NOW,
        NOW.plus(Duration::from_secs(3_600)),
    )
}

fn users(owner: &str, target: &str) -> AccessToken {
    AccessToken {
        home_account_id: Some(owner.into()),
        ..token(target)
    }
}

fn response(access_token: AccessToken) -> TokenSet {
    TokenSet {
        app_metadata: Arc::new(AppMetadata::new(
            access_token.environment.clone(),
            access_token.client_id.clone(),
        )),
        access_token: Arc::new(access_token),
        refresh_token: None,
        id_token: None,
        account: None,
    }
}

fn refresh_token(owner: &str) -> RefreshToken {
    RefreshToken::new(
        owner.into(),
        "login.windows.net".into(),
        "client".into(),
        None,
        Secret::new("refresh"),
    )
}

/// A partition with these tokens, put there as they are.
fn holding(tokens: impl IntoIterator<Item = AccessToken>) -> Partition {
    let mut partition = Partition::default();
    for (number, token) in tokens.into_iter().enumerate() {
        partition
            .access_tokens
            .insert(format!("{number}").into(), Arc::new(token));
    }
    partition.index();
    partition
}

/// What a test hands to a borrowing query lives as long as the test process.
fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn query(scopes: &str) -> Query<'static> {
    Query {
        subject: Subject::Application,
        tenant_id: Some("tenant"),
        scopes: leak(Scopes::parse(scopes)),
        token_type: leak(TokenType::Bearer),
        environment: leak(public()),
        client_id: "client",
        key_id: None,
        components: None,
        extended_lifetime: false,
    }
}

fn found(partition: &Partition, query: &Query<'_>) -> &'static str {
    match partition.find_access_token(query, NOW) {
        Ok(Lookup::Found(_)) => "found",
        Ok(Lookup::Extended(_)) => "extended",
        Ok(Lookup::Expired) => "expired",
        Ok(Lookup::Missing) => "missing",
        Err(_) => "several",
    }
}

#[test]
fn l1_a_token_in_the_buffer_is_expired_not_missing() {
    for (left, expected) in [(300, "expired"), (301, "found")] {
        let partition = holding([AccessToken {
            expires_on: NOW.plus(Duration::from_secs(left)),
            ..token("A")
        }]);
        assert_eq!(found(&partition, &query("A")), expected, "{left} s left");
    }
}

#[test]
fn l2_extended_expiry_serves_only_those_who_honour_it_and_the_result_says_so() {
    let partition = holding([AccessToken {
        expires_on: NOW,
        extended_expires_on: Some(NOW.plus(Duration::from_secs(7_200))),
        ..token("A")
    }]);
    assert_eq!(found(&partition, &query("A")), "expired");
    let honoured = Query {
        extended_lifetime: true,
        ..query("A")
    };
    assert_eq!(found(&partition, &honoured), "extended");
}

#[test]
fn l3_scopes_are_found_by_superset() {
    let partition = holding([token("A B")]);
    for (scopes, expected) in [
        ("A", "found"),
        ("b", "found"),
        ("openid A", "found"),
        ("email A", "missing"),
        ("A C", "missing"),
        ("", "found"),
    ] {
        assert_eq!(found(&partition, &query(scopes)), expected, "{scopes:?}");
    }
}

#[test]
fn l4_an_alias_hits_a_foreign_cloud_does_not_and_the_preferred_host_wins() {
    let in_cloud = |host: &str| AccessToken {
        environment: host.into(),
        ..token("A")
    };
    assert_eq!(
        found(&holding([in_cloud("sts.windows.net")]), &query("A")),
        "found"
    );
    assert_eq!(
        found(&holding([in_cloud("login.chinacloudapi.cn")]), &query("A")),
        "missing"
    );
    let both = holding([
        in_cloud("login.microsoftonline.com"),
        in_cloud("login.windows.net"),
    ]);
    assert_eq!(found(&both, &query("A")), "found");
    let Ok(Lookup::Found(token)) = both.find_access_token(&query("A"), NOW) else {
        panic!("found above");
    };
    assert_eq!(&*token.environment, "login.windows.net");
}

#[test]
fn l5_two_that_fit_are_an_error() {
    let partition = holding([token("A B"), token("A C")]);
    assert_eq!(found(&partition, &query("A")), "several");
    assert_eq!(found(&partition, &query("C")), "found");
}

#[test]
fn l6_a_pop_token_never_answers_a_bearer_request() {
    let pop = AccessToken {
        token_type: TokenType::parse("PoP"),
        ..token("A")
    };
    let partition = holding([pop]);
    assert_eq!(found(&partition, &query("A")), "missing");
    let request = Query {
        token_type: leak(TokenType::parse("pop")),
        ..query("A")
    };
    assert_eq!(found(&partition, &request), "found");
}

fn components(value: &str) -> KeyComponents {
    KeyComponents::new([("fmi_path", value)], ComponentHash::DotNet487).unwrap()
}

fn bound_to(value: &str) -> AccessToken {
    AccessToken {
        credential_type: CredentialType::ExtendedAccessToken,
        ext: Some(components(value)),
        ..token("A")
    }
}

#[test]
fn l7_components_of_request_and_token_are_the_same_or_both_absent() {
    let of = |value: &str| Query {
        components: Some(leak(components(value))),
        ..query("A")
    };
    let bound = holding([bound_to("x")]);
    assert_eq!(found(&bound, &of("x")), "found");
    assert_eq!(found(&bound, &of("y")), "missing");
    assert_eq!(found(&bound, &query("A")), "missing");
    assert_eq!(found(&holding([token("A")]), &of("x")), "missing");
    // Another SDK's hash of components, and a credential type without any.
    let mut python = token("A");
    python
        .unknown
        .insert("ext_cache_key".to_owned(), "hash".into());
    assert_eq!(found(&holding([python]), &query("A")), "missing");
    let untold = AccessToken {
        ext: None,
        ..bound_to("x")
    };
    assert_eq!(found(&holding([untold]), &query("A")), "missing");
}

#[test]
fn a_users_token_bound_to_a_key_answers_requests_for_that_key_alone() {
    let bound = AccessToken {
        kid: Some("k".into()),
        ..users("ann.t", "A")
    };
    let partition = holding([bound]);
    let of = |key_id: Option<&'static str>| Query {
        subject: Subject::Account(leak(HomeAccountId::new("ann.t"))),
        key_id,
        ..query("A")
    };
    assert_eq!(found(&partition, &of(None)), "expired");
    assert_eq!(found(&partition, &of(Some("k"))), "found");
    assert_eq!(found(&partition, &of(Some("other"))), "expired");
    let unbound = holding([users("ann.t", "A")]);
    assert_eq!(found(&unbound, &of(Some("k"))), "expired");
}

/// MSAL puts it into the partition that the item itself names.
#[test]
fn l8_an_applications_token_that_belongs_under_another_key_is_missing() {
    let others = [
        AccessToken {
            client_id: "CLIENT".into(),
            ..token("A")
        },
        AccessToken {
            realm: "Tenant".into(),
            ..token("A")
        },
        AccessToken {
            kid: Some("k".into()),
            ..token("A")
        },
        bound_to("x"),
    ];
    for other in others {
        let alone = holding([other.clone()]);
        assert_eq!(found(&alone, &query("A")), "missing", "{other:?}");
        // Nor does it hide what is where it should be, under an alias.
        let alias = AccessToken {
            environment: "sts.windows.net".into(),
            ..token("A")
        };
        let beside = holding([other, alias]);
        assert_eq!(found(&beside, &query("A")), "found");
    }
    let of_key = Query {
        key_id: Some("k"),
        ..query("A")
    };
    assert_eq!(found(&holding([token("A")]), &of_key), "missing");
}

#[test]
fn k5_k7_item_keys_are_those_of_msal() {
    assert_eq!(
        &*token("User.Read").key(),
        "-login.windows.net-accesstoken-client-tenant-user.read"
    );
    let of_user = AccessToken {
        realm: "Tenant".into(),
        ..users("Uid.Utid", "User.Read")
    };
    assert_eq!(
        &*of_user.key(),
        "uid.utid-login.windows.net-accesstoken-client-tenant-user.read"
    );
    let pop = AccessToken {
        token_type: TokenType::parse("PoP"),
        ..token("User.Read")
    };
    assert_eq!(
        &*pop.key(),
        "-login.windows.net-accesstoken_with_authscheme-client-tenant-user.read-pop"
    );
    let ssh = AccessToken {
        token_type: TokenType::parse("ssh-cert"),
        ..token("a")
    };
    assert_eq!(
        &*ssh.key(),
        "-login.windows.net-accesstoken-client-tenant-a"
    );
    assert_eq!(
        &*bound_to("SomeFmiPath/Path").key(),
        "-login.windows.net-atext-client-tenant-a-7cx57q63os7benq6er0sxgjptnqsv7tgb5zexcidfoi"
    );
    assert_eq!(
        &*refresh_token("U.T").key(),
        "u.t-login.windows.net-refreshtoken-client--"
    );
    let of_family = RefreshToken {
        family_id: Some("1".into()),
        ..refresh_token("U.T")
    };
    assert_eq!(&*of_family.key(), "u.t-login.windows.net-refreshtoken-1--");
    let id_token = IdToken::new(
        "U".into(),
        "E".into(),
        "C".into(),
        "T".into(),
        None,
        Secret::new("x"),
    );
    assert_eq!(&*id_token.key(), "u-e-idtoken-c-t-");
}

#[test]
fn l9_another_tenants_token_is_missed_unless_the_tenant_is_left_open() {
    let assertion = AssertionHash::of("mine");
    let partition = holding([AccessToken {
        user_assertion_hash: Some(assertion.clone()),
        ..users("ann.t", "A")
    }]);
    let of = |tenant: Option<&'static str>| Query {
        subject: Subject::Assertion(leak(assertion.clone())),
        tenant_id: tenant,
        ..query("A")
    };
    // Tenants are in no user's key, so their case does not matter.
    assert_eq!(found(&partition, &of(Some("TENANT"))), "found");
    assert_eq!(found(&partition, &of(Some("other"))), "missing");
    assert_eq!(found(&partition, &of(None)), "found");
}

#[test]
fn one_users_token_never_answers_for_another() {
    let partition = holding([users("ann.t", "A"), users("bob.t", "A")]);
    let of = |id: &str| Query {
        subject: Subject::Account(leak(HomeAccountId::new(id))),
        ..query("A")
    };
    assert_eq!(found(&partition, &of("ann.t")), "found");
    assert_eq!(found(&partition, &of("eve.t")), "missing");
    let Ok(Lookup::Found(token)) = partition.find_access_token(&of("bob.t"), NOW) else {
        panic!("bob has one");
    };
    assert_eq!(token.home_account_id.as_deref(), Some("bob.t"));
}

#[test]
fn one_assertions_token_never_answers_for_another() {
    let own = AssertionHash::of("mine");
    let partition = holding([AccessToken {
        user_assertion_hash: Some(own.clone()),
        ..users("ann.t", "A")
    }]);
    let of = |hash: AssertionHash| Query {
        subject: Subject::Assertion(leak(hash)),
        ..query("A")
    };
    assert_eq!(found(&partition, &of(own)), "found");
    assert_eq!(
        found(&partition, &of(AssertionHash::of("theirs"))),
        "missing"
    );
}

fn refresh_query<'a>(subject: Subject<'a>, client_id: &'a str) -> RefreshTokenQuery<'a> {
    RefreshTokenQuery {
        subject,
        environment: leak(public()),
        client_id,
        family_id: None,
        components: None,
    }
}

#[test]
fn a_familys_refresh_token_serves_its_members_and_no_one_else() {
    let ann = HomeAccountId::new("ann.t");
    let family = RefreshToken {
        family_id: Some("1".into()),
        ..refresh_token("ann.t")
    };
    let set = TokenSet {
        refresh_token: Some(Arc::new(family)),
        ..response(users("ann.t", "A"))
    };
    let partition = Partition::default().save(set, &public());
    let alone = refresh_query(Subject::Account(&ann), "other");
    assert!(partition.find_refresh_token(&alone).is_none());
    let member = RefreshTokenQuery {
        family_id: Some("1"),
        ..alone
    };
    assert!(partition.find_refresh_token(&member).is_some());
    let of_another_family = RefreshTokenQuery {
        family_id: Some("2"),
        ..alone
    };
    assert!(partition.find_refresh_token(&of_another_family).is_none());
    let emptied = partition.remove_account(&ann);
    assert!(emptied.find_refresh_token(&member).is_none());
}

#[test]
fn components_keep_refresh_tokens_apart_where_they_are_meant_to() {
    let ann = HomeAccountId::new("ann.t");
    let binding = components("x").binding_refresh_tokens();
    let bound = RefreshToken {
        ext: Some(binding.clone()),
        ..refresh_token("ann.t")
    };
    let set = TokenSet {
        refresh_token: Some(Arc::new(bound)),
        ..response(users("ann.t", "A"))
    };
    let partition = Partition::default().save(set, &public());
    let plain = refresh_query(Subject::Account(&ann), "client");
    assert!(partition.find_refresh_token(&plain).is_none());
    let query = RefreshTokenQuery {
        components: Some(&binding),
        ..plain
    };
    assert!(partition.find_refresh_token(&query).is_some());
}

#[test]
fn a_large_partition_is_searched_by_scope_and_gives_the_answers_of_a_small_one() {
    for size in [1, SCANNED, SCANNED + 1, 50] {
        let mut partition = Partition::default();
        for number in 0..size {
            let scopes = format!("api{number}/Read api{number}/Write");
            partition = partition.save(response(token(&scopes)), &public());
        }
        assert_eq!(partition.access_token_count(), size);
        for number in 0..size {
            for scopes in [
                format!("api{number}/write"),
                format!("openid api{number}/read"),
            ] {
                let Ok(Lookup::Found(found)) = partition.find_access_token(&query(&scopes), NOW)
                else {
                    panic!("{scopes} of {size}");
                };
                assert!(found.target.cover(&Scopes::parse(&scopes)));
            }
            let both = format!("api{number}/read api{}/read", number + 1);
            assert_eq!(
                found(&partition, &query(&both)),
                "missing",
                "{both} of {size}"
            );
        }
    }
}
