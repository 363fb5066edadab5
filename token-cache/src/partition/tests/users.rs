//! Whose a user's token is. MSAL sorts what it loads into partitions by what each
//! item says of itself, and tells partitions apart by case.

use super::*;

fn on_behalf(hash: &str, owner: &str, target: &str) -> AccessToken {
    AccessToken {
        user_assertion_hash: Some(AssertionHash::of_session(hash)),
        ..users(owner, target)
    }
}

fn account_query(id: &str) -> Query<'static> {
    Query {
        subject: Subject::Account(leak(HomeAccountId::new(id))),
        ..query("A")
    }
}

fn session_query(hash: &str) -> Query<'static> {
    Query {
        subject: Subject::Assertion(leak(AssertionHash::of_session(hash))),
        ..query("A")
    }
}

/// Whether the partition's refresh token is found for `subject`.
fn refreshes(partition: &Partition, subject: Subject<'_>) -> bool {
    let query = refresh_query(subject, "client");
    partition.find_refresh_token(&query).is_some()
}

/// A partition with all that a sign-in of `owner` brings.
fn signed_in(owner: &str) -> Partition {
    let id_token = IdToken::new(
        owner.into(),
        "login.windows.net".into(),
        "client".into(),
        "tenant".into(),
        None,
        Secret::new("who"),
    );
    let account = Account::new(
        HomeAccountId::new(owner),
        "login.windows.net".into(),
        "tenant".into(),
        None,
        None,
        None,
        None,
    );
    let set = TokenSet {
        refresh_token: Some(Arc::new(refresh_token(owner))),
        id_token: Some(Arc::new(id_token)),
        account: Some(Arc::new(account)),
        ..response(users(owner, "A"))
    };
    Partition::default().save(set, &public())
}

#[test]
fn l8_what_is_stored_for_an_account_id_in_another_case_is_missing() {
    let partition = signed_in("Ann.T");
    for (asked, theirs) in [("Ann.T", true), ("ann.t", false), ("ANN.T", false)] {
        let expected = if theirs { "found" } else { "missing" };
        assert_eq!(
            found(&partition, &account_query(asked)),
            expected,
            "{asked}"
        );
        let subject = Subject::Account(leak(HomeAccountId::new(asked)));
        assert_eq!(refreshes(&partition, subject), theirs, "{asked}");
        assert_eq!(partition.find_account(asked).is_some(), theirs, "{asked}");
        let id_token = partition.find_id_token(asked, "client");
        assert_eq!(id_token.is_some(), theirs, "{asked}");
    }
}

/// The ID token's partition is the account's; its item key is lower-cased.
#[test]
fn l8_the_case_of_a_client_id_does_not_matter_for_what_is_stored_for_an_account() {
    let partition = signed_in("ann.t");
    assert!(partition.find_id_token("ann.t", "CLIENT").is_some());
    let shouted = Query {
        client_id: "CLIENT",
        ..account_query("ann.t")
    };
    assert_eq!(found(&partition, &shouted), "found");
    let ann = HomeAccountId::new("ann.t");
    let shouted = refresh_query(Subject::Account(&ann), "CLIENT");
    assert!(partition.find_refresh_token(&shouted).is_some());
}

#[test]
fn l8_what_is_stored_for_an_assertion_hash_in_another_case_is_missing() {
    let refresh = RefreshToken {
        user_assertion_hash: Some(AssertionHash::of_session("Hash")),
        ..refresh_token("ann.t")
    };
    let set = TokenSet {
        refresh_token: Some(Arc::new(refresh)),
        ..response(on_behalf("Hash", "ann.t", "A"))
    };
    let partition = Partition::default().save(set, &public());
    for (asked, theirs) in [("Hash", true), ("hash", false), ("HASH", false)] {
        let expected = if theirs { "found" } else { "missing" };
        assert_eq!(
            found(&partition, &session_query(asked)),
            expected,
            "{asked}"
        );
        let subject = Subject::Assertion(leak(AssertionHash::of_session(asked)));
        assert_eq!(refreshes(&partition, subject), theirs, "{asked}");
    }
}

#[test]
fn l8_a_token_on_behalf_of_an_assertion_is_none_of_its_users_own() {
    let session = holding([on_behalf("hash", "ann.t", "A")]);
    assert_eq!(found(&session, &session_query("hash")), "found");
    assert_eq!(found(&session, &account_query("ann.t")), "missing");
    let both = holding([on_behalf("hash", "ann.t", "A"), users("ann.t", "A")]);
    for query in [session_query("hash"), account_query("ann.t")] {
        assert_eq!(found(&both, &query), "found", "{query:?}");
    }
}

#[test]
fn s2_a_users_token_deletes_none_that_lies_in_another_partition() {
    let others = || {
        [
            users("ANN.T", "A B"),
            on_behalf("hash", "ann.t", "A C"),
            on_behalf("HASH", "ann.t", "A D"),
        ]
    };
    let before = holding(others().into_iter().chain([users("ann.t", "A E")]));
    let after = before.save(response(users("ann.t", "A")), &public());
    let mut left: Vec<_> = after.access_tokens().map(|at| at.target.target()).collect();
    left.sort_unstable();
    assert_eq!(left, ["A", "A B", "A C", "A D"], "`A E` alone gave way");

    let before = holding(others());
    let after = before.save(response(on_behalf("hash", "ANN.T", "A")), &public());
    let mut left: Vec<_> = after.access_tokens().map(|at| at.target.target()).collect();
    left.sort_unstable();
    assert_eq!(left, ["A", "A B", "A D"], "`A C` alone gave way");
}

#[test]
fn s8_removing_an_account_keeps_what_lies_in_another_partition() {
    let ann = HomeAccountId::new("ann.t");
    let others = signed_in("Ann.T").remove_account(&ann);
    assert_eq!(others.access_token_count(), 1);
    assert_eq!(others.refresh_tokens().count(), 1);
    assert_eq!(others.id_tokens.len(), 1);
    assert!(others.find_account("Ann.T").is_some());
    let session = holding([on_behalf("hash", "ann.t", "A")]).remove_account(&ann);
    assert_eq!(found(&session, &session_query("hash")), "found");
}
