//! `docs/policies.md` says what the presets do differently, and is made from
//! the presets. `UPDATE_DOCS=1 cargo test -p token-cache --test policies_doc`
//! writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use token_cache::Policy;
use token_cache::policy::Refresh;

/// Every switch, what it decides, and what each preset chooses. No `..`: a new
/// switch does not compile until it has its row.
#[expect(clippy::too_many_lines, reason = "a table: each switch has its row")]
fn rows(policy: Policy) -> Vec<(&'static str, &'static str, String)> {
    let Policy {
        caching,
        flight,
        refresh,
        extended_lifetime,
        l2_touch,
        stale_l1,
        l1_eviction,
        l2_write,
        l2_conflict,
        l2_failure,
        l2_guard,
        unreadable,
        plaintext,
        accessor,
        throttle,
        http_retry,
    } = policy;
    let (jitter, refresh_flight) = match refresh {
        Refresh::Background { jitter, flight } => (format!("{jitter:?}"), format!("{flight:?}")),
        Refresh::Off => ("Off".to_owned(), "Off".to_owned()),
    };
    vec![
        (
            "caching",
            "whether tokens are cached at all",
            format!("{caching:?}"),
        ),
        (
            "flight",
            "who fetches when several callers miss at once",
            format!("{flight:?}"),
        ),
        (
            "refresh.jitter",
            "how often the moment of a refresh is drawn",
            jitter,
        ),
        (
            "refresh.flight",
            "who refreshes when several callers notice at once",
            refresh_flight,
        ),
        (
            "extended_lifetime",
            "whether a token serves up to its extended expiry",
            format!("{extended_lifetime:?}"),
        ),
        (
            "l2_touch",
            "whether an L1 hit touches L2",
            format!("{l2_touch:?}"),
        ),
        (
            "stale_l1",
            "whom to ask when L1 has no usable token",
            format!("{stale_l1:?}"),
        ),
        (
            "l1_eviction",
            "what a full L1 lets go",
            format!("{l1_eviction:?}"),
        ),
        (
            "l2_write",
            "whether a caller waits for L2",
            format!("{l2_write:?}"),
        ),
        (
            "l2_conflict",
            "two instances change a partition at once",
            format!("{l2_conflict:?}"),
        ),
        (
            "l2_failure",
            "an L2 operation fails and no handler decides",
            format!("{l2_failure:?}"),
        ),
        (
            "l2_guard",
            "what keeps a sick L2 from slowing requests down",
            format!("{l2_guard:?}"),
        ),
        (
            "unreadable",
            "an entry that cannot be decrypted or parsed",
            format!("{unreadable:?}"),
        ),
        (
            "plaintext",
            "an entry that is not sealed, where entries are",
            format!("{plaintext:?}"),
        ),
        (
            "accessor",
            "where a request keeps what it has read",
            format!("{accessor:?}"),
        ),
        (
            "throttle",
            "what the provider's `Retry-After` means",
            format!("{throttle:?}"),
        ),
        (
            "http_retry",
            "whether a token request that failed on its way is sent again",
            format!("{http_retry:?}"),
        ),
    ]
}

/// What no switch undoes, or none has by default.
const DEVIATIONS: &str = "
## Where `msal_net` is not MSAL.NET

- L1 holds parsed entries, also where they are sealed in L2. MSAL.NET's adapter keeps
  ciphertext in L1, and opens and parses it at every hit. So a hit here is quicker, tokens
  lie in this process's memory in the clear, and what L1 has is served on after the key
  ring was swapped, where MSAL.NET fails.
- `accessor` is `Snapshot` in both presets: a request works on what it has read itself.
  Requests of one MSAL.NET client share an accessor and clear it under each other's
  hands, so that now and then one misses what is there. `Shared` does that here too.
";

fn page() -> String {
    let mut page = String::from(
        "# What the presets do differently\n\n\
         `recommended` is what we would run; `msal_net` does what MSAL.NET with\n\
         Microsoft.Identity.Web does, count for count but for two things, below the table. The\n\
         choices are explained in `token-cache/src/policy.rs`. This page is made by a test\n\
         (`token-cache/tests/policies_doc.rs`), which fails when it is out of date.\n\n\
         | switch | decides | `recommended` | `msal_net` | same |\n|---|---|---|---|---|\n",
    );
    let presets = rows(Policy::RECOMMENDED)
        .into_iter()
        .zip(rows(Policy::MSAL_NET));
    for ((switch, decides, recommended), (_, _, msal_net)) in presets {
        let same = if recommended == msal_net {
            "yes"
        } else {
            "**no**"
        };
        writeln!(
            page,
            "| `{switch}` | {decides} | `{recommended}` | `{msal_net}` | {same} |"
        )
        .expect("a string takes all");
    }
    page += DEVIATIONS;
    page
}

#[test]
fn the_page_about_presets_says_what_they_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policies.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/policies.md is out of date\nhint: UPDATE_DOCS=1 cargo test -p token-cache --test policies_doc"
    );
}
