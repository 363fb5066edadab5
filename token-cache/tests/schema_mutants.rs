//! Blobs of real SDKs, spoilt in every way that a few edits can: what the fuzz
//! target `schema` asks of any bytes, on every run. The edits are drawn from a
//! seed, which a failure prints; `SEED=n` runs that one alone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "support/reads_back.rs"]
mod reads_back;

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use reads_back::reads_back_or_is_refused;
use serde_json::{Value, json};

/// The seven vectors, which are the fuzz target's seeds too, and a blob with
/// the members that none of them has.
const BLOBS: [&[u8]; 8] = [
    include_bytes!("vectors/py-app.json"),
    include_bytes!("vectors/py-user.json"),
    include_bytes!("vectors/py-obo.json"),
    include_bytes!("vectors/node-app.json"),
    include_bytes!("vectors/node-user.json"),
    include_bytes!("vectors/node-obo.json"),
    include_bytes!("vectors/dual-app.json"),
    br#"{"AccessToken":{"k":{"zz":[1],"environment":"e","client_id":"c","secret":"s+\u00e9","credential_type":"ATExt","realm":"t","target":"A B","cached_at":"1","expires_on":2,"kid":"k","token_type":"pop","refresh_on":"3","ext_expires_on":"4","ext":{"a":"b"},"persisted_cache_parameters":{"x":"y"}}},"Account":{"k":{"home_account_id":"h","environment":"e","realm":"t","wam_account_ids":{"w":"1"}}},"Future":{"a":null},}"#,
];

/// What is put where it does not belong.
const PIECES: [&str; 16] = [
    "null",
    "17",
    "-1",
    "1e999",
    "true",
    "\"\"",
    "\"9223372036854775808\"",
    "\"\\ud800\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\\",
    "\u{feff}",
];

struct Draws(Pcg64Mcg);

impl Draws {
    fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end.max(1))
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// Spoils the text: what comes of it is seldom JSON.
fn edit_bytes(blob: &mut Vec<u8>, draws: &mut Draws) {
    let start = draws.below(blob.len());
    let end = (start + draws.below(40)).min(blob.len());
    match draws.below(6) {
        0 => blob.truncate(start),
        1 => drop(blob.drain(start..end)),
        2 => {
            let twice = blob[start..end].to_vec();
            blob.splice(end..end, twice);
        }
        3 => {
            let piece = draws.of(&PIECES);
            blob.splice(start..end, piece.bytes());
        }
        4 => {
            let other = draws.of(&BLOBS);
            let from = draws.below(other.len());
            blob.splice(start..end, other[from..].iter().copied().take(40));
        }
        _ if blob.is_empty() => {}
        _ => blob[start] ^= 1 << draws.below(8),
    }
}

/// Spoils what it says: what comes of it is JSON.
fn edit_value(value: &mut Value, draws: &mut Draws) {
    // One of its members, as deep as chance has it.
    if let Value::Object(members) = value
        && !members.is_empty()
        && draws.below(5) > 0
    {
        let name = members
            .keys()
            .nth(draws.below(members.len()))
            .cloned()
            .unwrap();
        match draws.below(8) {
            0 => drop(members.remove(&name)),
            1 => {
                let moved = members.remove(&name).unwrap();
                members.insert(name.to_uppercase(), moved);
            }
            _ => edit_value(&mut members[&name], draws),
        }
        return;
    }
    let other = [
        json!(null),
        json!(17),
        json!(-1.5),
        json!("1795343587"),
        json!("99999999999999999999"),
        json!(""),
        json!("é\u{0}\u{2028}<>&'+`😀"),
        json!([[{}]]),
        json!({ "a": "b" }),
    ];
    *value = other[draws.below(other.len())].clone();
}

/// A blob with a few edits.
fn mutant(seed: u64) -> Vec<u8> {
    let mut draws = Draws(Pcg64Mcg::seed_from_u64(seed));
    let mut blob = draws.of(&BLOBS).to_vec();
    let edits = 1 + draws.below(4);
    if let Ok(mut value) = serde_json::from_slice(&blob)
        && draws.below(2) == 0
    {
        (0..edits).for_each(|_| edit_value(&mut value, &mut draws));
        return value.to_string().into_bytes();
    }
    (0..edits).for_each(|_| edit_bytes(&mut blob, &mut draws));
    blob
}

#[test]
fn j1_j5_a_spoilt_blob_is_refused_or_reads_back_as_it_was_written() {
    let only = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(0..4_000, |seed: u64| seed..seed + 1);
    let mut read = 0;
    for seed in seeds.clone() {
        let blob = mutant(seed);
        let run = catch_unwind(AssertUnwindSafe(|| reads_back_or_is_refused(&blob)));
        let shown = || String::from_utf8_lossy(&blob).into_owned();
        read += u64::from(run.unwrap_or_else(|_| panic!("fails with SEED={seed}: {}", shown())));
    }
    // Neither all nor none: the edits reach behind the parser.
    let count = seeds.end - seeds.start;
    assert!(
        only.is_some() || (count / 10..count * 4 / 5).contains(&read),
        "{read} of {count} were read"
    );
}

#[test]
fn j5_a_blob_that_is_cut_off_anywhere_is_refused_unless_nothing_is_left() {
    for blob in BLOBS {
        let whole = blob.trim_ascii_end();
        assert!(reads_back_or_is_refused(whole));
        assert!(reads_back_or_is_refused(&[]));
        for length in 1..whole.len() {
            assert!(
                !reads_back_or_is_refused(&whole[..length]),
                "{length} bytes"
            );
        }
    }
}
