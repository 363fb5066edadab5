//! `cache`: the behaviour and the layers of every instance's cache.

use token_cache::Secret;

use super::latency::latency;
use super::policy::policy;
use super::session::{self, session};
use crate::scenario::feature::Feature;
use crate::scenario::plan::{
    CachePlan, L1Plan, L2Plan, PresetPlan, ProviderPlan, RemoteStore, StorePlan,
};
use crate::scenario::reader::{Choice, DurationIn, Flag, Quantity, ScalarOr, Table, TableOf, Text};

/// A layer, or none.
type Layer<T> = Option<T>;

pub(super) fn cache(table: &mut Table<'_>) -> Option<CachePlan> {
    let preset = table.or(
        "preset",
        "The behaviour to start from",
        "recommended",
        &Choice(&[
            ("recommended", PresetPlan::Recommended),
            ("msal_net", PresetPlan::MsalNet),
        ]),
    );
    let choices = table.section("policy", "Single choices, in place of the preset's", policy);
    let provider = table.or(
        "provider",
        "Which kind of cache the application chose",
        "distributed",
        &Choice(&[
            ("distributed", ProviderPlan::Distributed),
            ("memory", ProviderPlan::Memory),
            ("session", ProviderPlan::Session),
            ("session_cookie", ProviderPlan::SessionCookie),
            ("file", ProviderPlan::File),
        ]),
    );
    let session = table.section(
        "session",
        "How long and how large a session's cache may be, with the providers `session` and `session_cookie`",
        session,
    );
    let l1 = table.or_defaults(
        "l1",
        "Each instance's memory, or `none`",
        &ScalarOr {
            short: Choice(&[("none", None)]),
            long: TableOf(l1),
        },
    );
    let l2 = table.or(
        "l2",
        "The layer all instances share, or `none`",
        "none",
        &ScalarOr {
            short: Choice(&[("none", None)]),
            long: TableOf(l2),
        },
    );
    let encryption = table.or(
        "encryption",
        "Whether L2 entries are encrypted",
        "false",
        &Flag,
    );
    if let Some(provider) = provider {
        table.needs(Feature::Provider(provider), "provider");
        let has_file = |l2: &Layer<L2Plan>| {
            let store = l2.as_ref().map(|l2| &l2.store);
            matches!(
                store,
                Some(StorePlan::Remote {
                    kind: RemoteStore::File,
                    ..
                })
            )
        };
        if provider == ProviderPlan::File && l2.as_ref().is_some_and(|l2| !has_file(l2)) {
            let span = table.value_span("provider");
            table.problems().add_with_hint(
                span,
                "a cache in a file needs the file",
                "write `l2: { store: file, url: /path/of/the/cache }`",
            );
        }
    }
    if encryption == Some(true) {
        table.needs(Feature::Encryption, "encryption");
        if l2 == Some(None) {
            let span = table.value_span("encryption");
            table.problems().add_with_hint(
                span,
                "there is nothing to encrypt: the cache has no L2",
                "write an `l2`, or leave `encryption` out",
            );
        }
    }
    let preset = preset?;
    let cache = CachePlan {
        preset,
        policy: choices?.over(preset.policy()),
        provider: provider?,
        session: session?.plan,
        l1: l1?,
        l2: l2?,
        encryption: encryption?,
    };
    session::check(&cache, session?, table);
    Some(CachePlan {
        // Of a session nothing stays in memory between requests.
        l1: cache.l1.filter(|_| !cache.is_by_session()),
        ..cache
    })
}

fn l1(table: &mut Table<'_>) -> Option<Layer<L1Plan>> {
    let size_limit = table.or(
        "size_limit",
        "Bytes one instance may hold",
        "500MB",
        &Quantity::bytes(),
    );
    Some(Some(L1Plan {
        size_limit: size_limit?,
    }))
}

fn l2(table: &mut Table<'_>) -> Option<Layer<L2Plan>> {
    let store = table.required(
        "store",
        "Which store",
        &Choice(&[
            ("memory", None),
            ("redis", Some(RemoteStore::Redis)),
            ("postgres", Some(RemoteStore::Postgres)),
            ("sql_server", Some(RemoteStore::SqlServer)),
            ("cosmos", Some(RemoteStore::Cosmos)),
            ("memcached", Some(RemoteStore::Memcached)),
            ("file", Some(RemoteStore::File)),
        ]),
    );
    let url = table.optional(
        "url",
        "Where the store is, or the path of the `file`; not for `memory`",
        &Text,
    );
    let size_limit = table.or(
        "size_limit",
        "Bytes the store may hold; for `memory`",
        "200MB",
        &Quantity::bytes(),
    );
    let latency = table.or(
        "latency",
        "Time each operation takes; for `memory`",
        "none",
        &latency(),
    );
    let sliding_expiration = table.optional(
        "sliding_expiration",
        "Entries not touched for this long go; left out, they stay until they are evicted",
        &DurationIn::above_zero(),
    );
    let url = url.ok()?;
    let store = match store? {
        None => {
            if table.has("url") {
                let span = table.key_span("url");
                table.problems().add_with_hint(
                    span,
                    "the store `memory` is in this process and has no address",
                    "leave `url` out, or choose another `store`",
                );
            }
            StorePlan::Memory {
                size_limit: size_limit?,
                latency: latency?,
            }
        }
        Some(kind) => {
            table.needs(Feature::Store(kind), "store");
            for key in ["size_limit", "latency"] {
                if table.has(key) {
                    let span = table.key_span(key);
                    table.problems().add_with_hint(
                        span,
                        format!("`{key}` is the store's own, not the scenario's"),
                        "leave it out, or write `store: memory`",
                    );
                }
            }
            StorePlan::Remote {
                kind,
                url: address_of(kind, url, table)?,
            }
        }
    };
    Some(Some(L2Plan {
        store,
        sliding_expiration: sliding_expiration.ok()?,
    }))
}

/// The address of a store, which is one of its kind: otherwise another store would be
/// measured under its name. What was written is not repeated, as it may hold a password.
fn address_of(kind: RemoteStore, url: Option<String>, table: &mut Table<'_>) -> Option<Secret> {
    let (name, example) = (kind.as_str(), kind.address_example());
    let Some(url) = url else {
        let span = table.value_span("store");
        table.problems().add_with_hint(
            span,
            format!("`url` is missing beside the store `{name}`"),
            format!("write where it is, such as `url: {example}`"),
        );
        return None;
    };
    let scheme = url.split_once(':').map(|(scheme, _)| scheme);
    let is_its_own = match kind.schemes() {
        [] => !url.contains("://"),
        schemes => scheme.is_some_and(|scheme| schemes.contains(&scheme)),
    };
    if !is_its_own {
        let span = table.value_span("url");
        table.problems().add_with_hint(
            span,
            format!("this is no address of the store `{name}`"),
            format!("write one such as `url: {example}`"),
        );
        return None;
    }
    Some(Secret::new(url))
}
