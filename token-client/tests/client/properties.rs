//! What must hold whatever happens in whatever order: nobody gets another's
//! token, and nothing that was stored is lost. The order is drawn from a seed,
//! which a failure prints; `SEED=n` runs that one alone.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use crate::lab::{
    HOUR, Lab, asking, begin, by_code, forced, how, in_session, on_behalf_of, silent, unheard,
};
use crate::managed_identity::machine;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use token_cache::policy::L2Write;
use token_cache::protect::KeyRing;
use token_cache::{
    ComponentHash, HomeAccountId, KeyComponents, PartitionKey, Policy, Scopes, Timestamp,
    TokenCacheOptions,
};
use token_client::{
    AcquireRequest, AuthenticationResult, AuthenticationScheme, Client, Flow, ManagedIdentityId,
    SearchInCache,
};

const PRESETS: [Policy; 2] = [Policy::MSAL_NET, Policy::RECOMMENDED];
const USERS: [&str; 3] = ["ann", "bob", "eve"];

/// Runs `property` for each of many seeds, in both presets.
async fn for_seeds(count: u64, property: impl AsyncFn(Policy, u64)) {
    let only = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    for seed in only.map_or(0..count, |seed: u64| seed..seed + 1) {
        for policy in PRESETS {
            let run = AssertUnwindSafe(property(policy, seed)).catch_unwind();
            assert!(run.await.is_ok(), "fails with SEED={seed} in {policy:?}");
        }
    }
}

/// Whose token is asked for.
#[derive(Debug, Clone, PartialEq)]
enum Whose {
    Application,
    User(&'static str),
    /// Of no application: any in the machine may use it.
    Machine(ManagedIdentityId),
}

/// Something to ask for, and whose token answers.
fn draw(random: &mut Pcg64Mcg) -> (AcquireRequest, Whose) {
    let user = USERS[random.random_range(0..USERS.len())];
    let tenant = ["home", "guest"][random.random_range(0..2)];
    let scopes =
        ["api://a/read", "api://a/read api://a/write", "api://b/read"][random.random_range(0..3)];
    let once_in_four = random.random_range(0..4) == 0;
    let key_id = [None, None, Some("key-1"), Some("key-2")][random.random_range(0..4)];
    let number = random.random_range(0..2);
    let kind = random.random_range(0..9);
    if kind == 0 {
        let identity = match number {
            0 => ManagedIdentityId::SystemAssigned,
            _ => ManagedIdentityId::ClientId("7a2e".into()),
        };
        let request = AcquireRequest {
            scopes: Scopes::parse(scopes),
            force_refresh: once_in_four,
            ..machine(identity.clone())
        };
        return (request, Whose::Machine(identity));
    }
    let assertion = format!("{user}.{number}");
    let session = format!("session {number} of {user}");
    let search = [SearchInCache::No, SearchInCache::Yes][usize::from(once_in_four)];
    let request = match kind {
        1 => asking(Flow::ClientCredentials),
        2 => by_code(user),
        3 => silent(&format!("{user}.home")),
        4 => on_behalf_of(&assertion),
        5 => forced(silent(&format!("{user}.home"))),
        6 => asking(Flow::InitiateLongRunning(begin(
            &assertion, &session, search,
        ))),
        7 => in_session(&session),
        _ => forced(in_session(&session)),
    };
    let whose = match kind {
        1 => Whose::Application,
        _ => Whose::User(user),
    };
    let components = once_in_four
        .then(|| KeyComponents::new([("fmi_path", scopes)], ComponentHash::default()))
        .flatten();
    let request = AcquireRequest {
        tenant_id: tenant.into(),
        scopes: Scopes::parse(scopes),
        components,
        scheme: AuthenticationScheme {
            key_id: key_id.map(Into::into),
            ..AuthenticationScheme::default()
        },
        ..request
    };
    (request, whose)
}

fn user_of(name: &str) -> &'static str {
    USERS.into_iter().find(|user| *user == name).unwrap()
}

/// Whether the token is the one that was asked for, by the provider's ledger.
fn judge(
    lab: &Lab,
    client_id: &str,
    request: &AcquireRequest,
    whose: &Whose,
    result: &AuthenticationResult,
) {
    let token = &result.token;
    let ledger = lab.provider.ledger.lock();
    let issued = ledger
        .get(token.secret.expose())
        .expect("issued by the provider");
    let told = match (&issued.identity, issued.user.as_deref()) {
        (None, None) => Whose::Application,
        (None, Some(user)) => Whose::User(user_of(user)),
        (Some(identity), _) => Whose::Machine(identity.clone()),
    };
    assert_eq!(told, *whose, "subject");
    if !matches!(whose, Whose::Machine(_)) {
        assert_eq!(issued.tenant, *request.tenant_id, "tenant");
        assert_eq!(issued.client, client_id, "client");
    }
    assert!(issued.scopes.cover(&request.scopes), "scopes");
    assert_eq!(token.ext, request.components, "components");
    assert_eq!(token.kid, request.scheme.key_id, "key");
    let left = token.expires_on.since(lab.clock.now());
    assert!(left > Duration::from_secs(300), "{left:?} left");
}

#[tokio::test(start_paused = true)]
async fn c3_no_order_of_events_gives_anybody_a_token_of_another_tenant_user_client_scope_or_key() {
    for_seeds(12, async |policy, seed| {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let l2_write = [L2Write::Awaited, L2Write::Detached][random.random_range(0..2)];
        let lab = Lab::new(Policy { l2_write, ..policy });
        let ring = Arc::new(KeyRing::generate("k1").unwrap());
        let is_sealed = random.random_range(0..2) == 0;
        let options = || TokenCacheOptions {
            sealing: is_sealed.then(|| Arc::clone(&ring) as _),
            ..lab.options()
        };
        *lab.provider.refresh_in.lock() = (seed % 2 == 0).then_some(HOUR / 2);
        let clients: Vec<(&str, Client)> = ["one", "two"]
            .into_iter()
            .flat_map(|id| [id; 2])
            .map(|id| (id, lab.client(id, options(), unheard())))
            .collect();
        let calls = (0..200).map(|_| {
            let (id, client) = &clients[random.random_range(0..clients.len())];
            let (request, whose) = draw(&mut random);
            let wait = Duration::from_secs(random.random_range(0..9_000));
            let event = random.random_range(0..30);
            let round_trip = Duration::from_millis(random.random_range(0..1_200));
            let lab = &lab;
            async move {
                tokio::time::sleep(wait).await;
                match event {
                    0 => *lab.store.down.lock() = true,
                    1..5 => *lab.store.down.lock() = false,
                    5 => *lab.store.round_trip.lock() = round_trip,
                    6..9 => *lab.store.round_trip.lock() = Duration::ZERO,
                    9 => {
                        let account = HomeAccountId::new("ann.home");
                        client.remove_account(&account).await.unwrap();
                    }
                    _ => {}
                }
                match client.acquire(&request).await {
                    Ok(result) => judge(lab, id, &request, &whose, &result),
                    Err(error) => {
                        let code = error.code();
                        let missing = ["no_tokens_found", "obo_cache_key_not_in_cache_error"];
                        assert!(missing.contains(&code), "{error:?}");
                    }
                }
            }
        });
        join_all(calls).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn c1_many_callers_of_one_client_never_miss_what_is_there_and_blobs_hold_one_account() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        *lab.store.round_trip.lock() = Duration::from_millis(2);
        let client = lab.instance();
        let users: Vec<_> = (0..8).map(|number| format!("user{number}")).collect();
        for user in &users {
            client.acquire(&by_code(user)).await.unwrap();
        }
        let calls = (0..1_200).map(|number| {
            let (client, user) = (&client, &users[number % users.len()]);
            async move {
                let result = client
                    .acquire(&silent(&format!("{user}.home")))
                    .await
                    .unwrap();
                assert_eq!(how(&result), "l1 not_applicable");
                let owner = result.token.home_account_id.as_deref().unwrap().to_owned();
                assert_eq!(owner, format!("{user}.home"));
            }
        });
        join_all(calls).await;
        assert_eq!(lab.provider.count(), users.len());
        for user in &users {
            let key = format!("{user}.home");
            let blob = token_cache::store::Store::get(&*lab.store, &key)
                .await
                .unwrap();
            let blob: serde_json::Value = serde_json::from_slice(&blob.unwrap()).unwrap();
            assert_eq!(blob["Account"].as_object().unwrap().len(), 1);
        }
    }
}

/// Every token that a caller was given is in L2 in the end, unless a later one
/// replaced it, whatever the store did meanwhile and whoever was cancelled.
#[tokio::test(start_paused = true)]
async fn no_acknowledged_write_is_lost_in_recommended() {
    for_seeds(30, async |policy, seed| {
        if policy != Policy::RECOMMENDED {
            return;
        }
        let lab = Lab::new(policy);
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let instances = [lab.instance(), lab.instance(), lab.instance()];
        let given = parking_lot::Mutex::new(Vec::new());
        let calls = (0..60).map(|number| {
            let client = &instances[random.random_range(0..3)];
            // No two share a scope, so none replaces another.
            let request = AcquireRequest {
                scopes: Scopes::parse(&format!("api://{number}/.default")),
                ..AcquireRequest::new(Flow::ClientCredentials, "t".into(), Scopes::parse("x"))
            };
            let wait = Duration::from_millis(random.random_range(0..2_000));
            let patience = Duration::from_millis(random.random_range(50..4_000));
            let event = random.random_range(0..6);
            let round_trip = Duration::from_millis(random.random_range(0..700));
            let (lab, given) = (&lab, &given);
            async move {
                tokio::time::sleep(wait).await;
                match event {
                    0 => *lab.store.down.lock() = true,
                    1 | 2 => *lab.store.down.lock() = false,
                    3 => *lab.store.round_trip.lock() = round_trip,
                    _ => *lab.store.round_trip.lock() = Duration::ZERO,
                }
                let call = tokio::time::timeout(patience, client.acquire(&request));
                if let Ok(Ok(result)) = call.await {
                    given
                        .lock()
                        .push((request.scopes.clone(), result.token.secret.clone()));
                }
            }
        });
        join_all(calls).await;
        *lab.store.down.lock() = false;
        *lab.store.round_trip.lock() = Duration::ZERO;
        tokio::time::sleep(Duration::from_secs(60)).await;
        for instance in &instances {
            assert_eq!(instance.cache().flush().await, 0, "all is saved");
        }
        let blob = token_cache::store::Store::get(&*lab.store, "client_t_AppTokenCache").await;
        let blob = String::from_utf8(blob.unwrap().unwrap_or_default().to_vec()).unwrap();
        let given = given.lock();
        assert!(!given.is_empty());
        for (scopes, secret) in given.iter() {
            let entry = format!("\"secret\":\"{}\"", secret.expose());
            assert!(blob.contains(&entry), "{scopes:?} is lost");
        }
    })
    .await;
}

/// For each of some scopes L2 has the newest token that a caller was given in the end,
/// whichever instance it was put off in. Changes of the same few seconds take each
/// other's place in any order.
#[tokio::test(start_paused = true)]
async fn what_comes_late_never_takes_the_place_of_what_is_newer_in_recommended() {
    for_seeds(30, async |policy, seed| {
        if policy != Policy::RECOMMENDED {
            return;
        }
        let lab = Lab::new(policy);
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let instances = [lab.instance(), lab.instance(), lab.instance()];
        let newest = parking_lot::Mutex::new([Timestamp::default(); 4]);
        let calls = (0..80).map(|_| {
            let client = &instances[random.random_range(0..3)];
            let scope = random.random_range(0..4_usize);
            let request = forced(AcquireRequest {
                scopes: Scopes::parse(&format!("api://{scope}/.default")),
                ..AcquireRequest::new(Flow::ClientCredentials, "t".into(), Scopes::parse("x"))
            });
            let wait = Duration::from_millis(random.random_range(0..900_000));
            let event = random.random_range(0..4);
            let (lab, newest) = (&lab, &newest);
            async move {
                tokio::time::sleep(wait).await;
                match event {
                    0 => *lab.store.down.lock() = true,
                    1 => *lab.store.down.lock() = false,
                    _ => {}
                }
                let result = client.acquire(&request).await.unwrap();
                let newest = &mut newest.lock()[scope];
                *newest = result.token.cached_at.max(*newest);
            }
        });
        join_all(calls).await;
        *lab.store.down.lock() = false;
        tokio::time::sleep(Duration::from_secs(60)).await;
        for instance in &instances {
            assert_eq!(instance.cache().flush().await, 0, "all is saved");
        }
        let key = PartitionKey::application("client", "t");
        let read = lab.instance().cache().read(&key).await.unwrap();
        let partition = read.partition.expect("tokens");
        for (scope, newest) in newest.lock().iter().enumerate() {
            let wanted = Scopes::parse(&format!("api://{scope}/.default"));
            let mut tokens = partition.access_tokens();
            let token = tokens.find(|token| token.target.cover(&wanted));
            let age = newest.since(token.expect("a token of each").cached_at);
            assert!(age < Duration::from_secs(5), "api://{scope} is {age:?} old");
        }
    })
    .await;
}
