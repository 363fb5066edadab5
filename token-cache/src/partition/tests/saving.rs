//! What a save replaces, keeps and removes.

use super::*;

#[test]
fn s1_tokens_of_two_resources_stay_unless_the_response_echoes_reserved_scopes() {
    let apart = Partition::default()
        .save(response(token("api1/.default")), &public())
        .save(response(token("api2/.default")), &public());
    assert_eq!(apart.access_token_count(), 2);
    let echoed = Partition::default()
        .save(response(token("api1/read openid profile")), &public())
        .save(response(token("api2/read openid profile")), &public());
    assert_eq!(echoed.access_token_count(), 1);
    assert_eq!(found(&echoed, &query("api1/read")), "missing");
    assert_eq!(found(&echoed, &query("api2/read")), "found");
}

#[test]
fn s2_a_save_deletes_only_what_overlaps_for_the_same_owner_tenant_and_type() {
    let kept = [
        users("bob.t", "A"),
        AccessToken {
            realm: "other".into(),
            ..users("ann.t", "A")
        },
        AccessToken {
            client_id: "other".into(),
            ..users("ann.t", "A")
        },
        AccessToken {
            token_type: TokenType::parse("pop"),
            ..users("ann.t", "A")
        },
        AccessToken {
            environment: "login.chinacloudapi.cn".into(),
            ..users("ann.t", "A")
        },
        AccessToken {
            home_account_id: Some("ann.t".into()),
            ..bound_to("x")
        },
        users("ann.t", "B"),
    ];
    let count = kept.len();
    let before = holding(kept.into_iter().chain([users("ann.t", "A C")]));
    let after = before.save(response(users("ann.t", "A")), &public());
    assert_eq!(after.access_token_count(), count + 1, "only `A C` gave way");
    assert_eq!(
        before.access_token_count(),
        count + 1,
        "the old snapshot is as it was"
    );
}

#[test]
fn s2_an_applications_token_deletes_none_that_belongs_under_another_key() {
    let kept = [
        AccessToken {
            realm: "TENANT".into(),
            ..token("A B")
        },
        AccessToken {
            kid: Some("k".into()),
            ..token("A C")
        },
    ];
    let before = holding(kept.into_iter().chain([token("A D")]));
    let after = before.save(response(token("A")), &public());
    assert_eq!(after.access_token_count(), 3, "only `A D` gave way");
}

#[test]
fn s2_s4_a_save_deletes_what_overlaps_under_any_alias_of_the_cloud() {
    for alias in [
        "login.microsoftonline.com",
        "login.microsoft.com",
        "sts.windows.net",
    ] {
        let before = holding([AccessToken {
            environment: alias.into(),
            ..users("ann.t", "A B")
        }]);
        let after = before.save(response(users("ann.t", "A")), &public());
        let left: Vec<_> = after
            .access_tokens()
            .map(|token| &*token.environment)
            .collect();
        assert_eq!(left, ["login.windows.net"], "{alias}");
    }
}

#[test]
fn l11_a_response_without_a_refresh_token_keeps_the_one_there_is() {
    let first = TokenSet {
        refresh_token: Some(Arc::new(refresh_token("ann.t"))),
        ..response(users("ann.t", "A"))
    };
    let partition = Partition::default()
        .save(first, &public())
        .save(response(users("ann.t", "A")), &public());
    let ann = HomeAccountId::new("ann.t");
    let has = |account: &HomeAccountId, client_id: &str| {
        let query = refresh_query(Subject::Account(account), client_id);
        partition.find_refresh_token(&query).is_some()
    };
    assert!(has(&ann, "client"));
    assert!(!has(&ann, "other"));
    assert!(!has(&HomeAccountId::new("bob.t"), "client"));
}

#[test]
fn s6_s7_only_what_can_still_serve_is_worth_storing() {
    let ending = |left: u64| {
        holding([AccessToken {
            expires_on: NOW.plus(Duration::from_secs(left)),
            ..token("A")
        }])
    };
    assert!(!ending(200).has_tokens(NOW));
    assert_eq!(ending(200).suggested_expiry(NOW), None);
    assert!(ending(3_600).has_tokens(NOW));
    assert_eq!(
        ending(3_600).suggested_expiry(NOW),
        Some(NOW.plus(Duration::from_secs(3_600)))
    );
    // Unlike a lookup, which wants more than the buffer, both take the last second.
    for (left, kept) in [(299, false), (300, true)] {
        let end = NOW.plus(Duration::from_secs(left));
        assert_eq!(ending(left).has_tokens(NOW), kept, "{left} s left");
        let expected = kept.then_some(end);
        assert_eq!(
            ending(left).suggested_expiry(NOW),
            expected,
            "{left} s left"
        );
    }
    let with_refresh_token = TokenSet {
        refresh_token: Some(Arc::new(refresh_token("ann.t"))),
        ..response(users("ann.t", "A"))
    };
    let partition = Partition::default().save(with_refresh_token, &public());
    assert!(partition.has_tokens(NOW));
    assert_eq!(
        partition.suggested_expiry(NOW),
        None,
        "a refresh token outlives them"
    );
}

#[test]
fn s7_the_last_token_to_end_says_when_a_store_may_forget_them_all() {
    let ending = |scope: &str, left: u64| AccessToken {
        expires_on: NOW.plus(Duration::from_secs(left)),
        ..token(scope)
    };
    // Whichever comes first in the partition, and however short-lived the other.
    for (a, b) in [(3_600, 7_200), (7_200, 3_600), (100, 7_200), (7_200, 100)] {
        let both = holding([ending("A", a), ending("B", b)]);
        let last = NOW.plus(Duration::from_secs(7_200));
        assert_eq!(both.suggested_expiry(NOW), Some(last), "{a} and {b}");
    }
    let both = holding([ending("A", 100), ending("B", 299)]);
    assert_eq!(both.suggested_expiry(NOW), None);
}

#[test]
fn s8_removing_an_account_leaves_the_applications_metadata_only() {
    let ann = HomeAccountId::new("ann.t");
    let set = TokenSet {
        refresh_token: Some(Arc::new(refresh_token("ann.t"))),
        ..response(users("ann.t", "A"))
    };
    let emptied = Partition::default()
        .save(set, &public())
        .remove_account(&ann);
    assert!(!emptied.has_tokens(NOW));
    assert_eq!(emptied.access_token_count(), 0);
    assert_eq!(emptied.app_metadata.len(), 1);
}

#[test]
fn the_weight_is_the_payload_and_goes_down_again() {
    let empty = Partition::default();
    let one = empty.save(response(users("ann.t", "A")), &public());
    assert!(one.size_bytes() > "token for A".len());
    let gone = one.remove_account(&HomeAccountId::new("ann.t"));
    assert!(gone.size_bytes() < one.size_bytes());
}

#[test]
fn partitions_of_one_application_share_its_metadata_and_the_key_of_that() {
    let metadata = response(token("A")).app_metadata;
    let saved = |tenant: &str| {
        let of_tenant = AccessToken {
            realm: tenant.into(),
            ..token("A")
        };
        let set = TokenSet {
            app_metadata: Arc::clone(&metadata),
            ..response(of_tenant)
        };
        let partition = Partition::default().save(set, &public());
        let (key, item) = partition.app_metadata.iter().next().unwrap();
        (Arc::clone(key), Arc::clone(item))
    };
    let (one, other) = (saved("one"), saved("other"));
    assert!(Arc::ptr_eq(&one.0, &other.0));
    assert!(Arc::ptr_eq(&one.1, &other.1));
    assert_eq!(&*one.0, "appmetadata-login.windows.net-client");
}
