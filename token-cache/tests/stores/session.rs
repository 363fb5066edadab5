//! Caches that belong to a session.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use token_cache::protect::KeyRing;
use token_cache::provider::{CookieLimits, CookieSession, SessionStore};
use token_cache::store::{Expiration, MemoryStore, Store};
use token_cache::{Clock, Secret};

use crate::contract::{Candidate, Place, Sliding, store_contract};

const FOREVER: Expiration = Expiration {
    absolute: None,
    sliding: None,
};

fn memory(clock: Clock) -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(10_000_000, clock))
}

#[tokio::test(start_paused = true)]
async fn the_part_of_a_session_keeps_the_store_contract() {
    let make = |clock| -> Arc<dyn Store> {
        let day = Duration::from_secs(86_400);
        let session = SessionStore::new(memory(clock), &Secret::new("s1"));
        Arc::new(session.idle_timeout(day))
    };
    store_contract(&Candidate {
        name: "session",
        place: Place::Process(make, Mutex::default()),
        sliding: Sliding::InEntry,
        largest_blob: 1_000_000,
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_session_sees_its_own_entries_until_it_has_been_idle_for_twenty_minutes() {
    let memory = Arc::new(MemoryStore::new(10_000_000, Clock::system()));
    let shared: Arc<dyn Store> = Arc::clone(&memory) as _;
    let session = |id: &str| SessionStore::new(Arc::clone(&shared), &Secret::new(id));
    let (one, two) = (session("s3ssion-1"), session("s3ssion-2"));
    one.set("uid.utid", "1".into(), FOREVER).await.unwrap();
    let stored = memory.contents().remove(0).key;
    assert_eq!(SessionStore::cache_key(&stored), Some("uid.utid"));
    assert_eq!(SessionStore::cache_key("uid.utid"), None);
    assert_eq!(two.get("uid.utid").await.unwrap(), None);
    two.remove("uid.utid").await.unwrap();
    let minute = Duration::from_secs(60);
    for _ in 0..3 {
        tokio::time::advance(19 * minute).await;
        assert!(one.get("uid.utid").await.unwrap().is_some());
    }
    tokio::time::advance(20 * minute).await;
    assert_eq!(one.get("uid.utid").await.unwrap(), None);
    assert!(!format!("{one:?}").contains("s3ssion"));
}

fn cookies(id: &str, ring: &Arc<KeyRing>) -> CookieSession {
    let ring = Arc::clone(ring);
    CookieSession::new("msal", Secret::new(id), ring, Clock::system())
}

fn borrowed(cookies: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    cookies.iter().map(|(name, value)| (&name[..], &value[..]))
}

/// A user's entry as the article sizes it: 4 + 2 + 2 KB, less what base64 adds.
fn user_entry() -> Bytes {
    let number = |it: u32| it.wrapping_mul(2_654_435_761).to_be_bytes()[0];
    let random: Vec<u8> = (0..5_600).map(number).collect();
    random.into()
}

#[tokio::test]
async fn cookies_bring_the_cache_back_in_any_order_to_the_same_session_alone() {
    let ring = Arc::new(KeyRing::generate("k1").unwrap());
    let session = cookies("s1", &ring);
    assert_eq!(
        session.to_cookies().unwrap(),
        [],
        "nothing cached, no cookie"
    );
    assert_eq!(session.size_bytes(), 0);
    session
        .set("uid.utid", user_entry(), FOREVER)
        .await
        .unwrap();
    let mut made = session.to_cookies().unwrap();
    assert!(made.len() > 1, "one cookie is too small for a user's entry");
    for (name, value) in &made {
        assert!(name.len() + value.len() <= 4_096, "browsers drop {name}");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(value.bytes().all(plain), "needs no quoting");
    }
    let total: usize = made
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    assert_eq!(session.size_bytes(), total);

    made.reverse();
    made.push(("msalx.0".to_owned(), "other".to_owned()));
    made.push(("theme".to_owned(), "dark".to_owned()));
    let next = cookies("s1", &ring).with_cookies(borrowed(&made));
    assert_eq!(next.get("uid.utid").await.unwrap(), Some(user_entry()));
    next.remove("another").await.unwrap();
    assert!(session.has_changed() && !next.has_changed());
    next.remove("uid.utid").await.unwrap();
    assert_eq!(next.to_cookies().unwrap(), []);
    assert!(next.has_changed());

    let stolen = cookies("s2", &ring).with_cookies(borrowed(&made));
    assert_eq!(stolen.get("uid.utid").await.unwrap(), None);
    let other_ring = Arc::new(KeyRing::generate("k1").unwrap());
    let foreign = cookies("s1", &other_ring).with_cookies(borrowed(&made));
    assert_eq!(foreign.get("uid.utid").await.unwrap(), None);
    for broken in [
        &made[1..],
        &made[..1],
        &[("msal.0".to_owned(), "%%%".to_owned())],
    ] {
        let damaged = cookies("s1", &ring).with_cookies(borrowed(broken));
        assert_eq!(damaged.get("uid.utid").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_cache_that_browsers_would_not_keep_is_an_error_with_its_size() {
    let ring = Arc::new(KeyRing::generate("k1").unwrap());
    let session = cookies("s1", &ring);
    for user in ["a.utid", "b.utid"] {
        session.set(user, user_entry(), FOREVER).await.unwrap();
    }
    let error = session.to_cookies().unwrap_err();
    assert_eq!(error.limit_bytes, 3 * 4_096);
    assert_eq!(error.needed_bytes, session.size_bytes());
    assert!(error.needed_bytes > error.limit_bytes, "{error}");
    let wide = CookieLimits {
        cookie_bytes: 4_096,
        cookies: 6,
    };
    let session = session.limits(wide);
    assert!(session.to_cookies().unwrap().len() <= 6);
    let absurd = CookieLimits {
        cookie_bytes: 3,
        cookies: 6,
    };
    assert!(session.limits(absurd).to_cookies().is_err());
}

#[tokio::test(start_paused = true)]
async fn an_expired_entry_leaves_the_cookies() {
    let ring = Arc::new(KeyRing::generate("k1").unwrap());
    let session = cookies("s1", &ring);
    let soon = Expiration {
        absolute: Some(Clock::system().now().plus(Duration::from_secs(60))),
        sliding: None,
    };
    session.set("uid.utid", "1".into(), soon).await.unwrap();
    assert_eq!(session.to_cookies().unwrap().len(), 1);
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(session.get("uid.utid").await.unwrap(), None);
    assert_eq!(session.to_cookies().unwrap(), []);
}
