//! The joint table: acquisitions by everything that is told of them at once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::flow::FlowCounts;

/// Acquisitions that went one way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Way {
    /// `success`, or the OAuth error code or class of failure.
    pub outcome: String,
    /// `cache`, `identity_provider`, or `none` without a token.
    pub token_source: String,
    /// `none`, `unknown`, `l1` or `l2`.
    pub cache_level: String,
    /// Why the identity provider was asked, or `not_applicable`.
    pub cache_refresh_reason: String,
    /// How many did.
    pub count: u64,
}

/// Every way that acquisitions went, in the order of the alphabet.
pub(super) fn ways(ended: &FlowCounts) -> Vec<Way> {
    let way = |outcome: &str, (source, level, reason): (&str, &str, &str), count| Way {
        outcome: outcome.to_owned(),
        token_source: source.to_owned(),
        cache_level: level.to_owned(),
        cache_refresh_reason: reason.to_owned(),
        count,
    };
    let nowhere = ("none", "none", "not_applicable");
    let tokens = ended.tokens.iter();
    let mut ways: Vec<Way> = tokens
        .map(|(how, count)| way("success", how, count))
        .collect();
    let errors = ended.errors.iter();
    ways.extend(errors.map(|(code, count)| way(code, nowhere, *count)));
    if ended.timeouts > 0 {
        ways.push(way("timeout", nowhere, ended.timeouts));
    }
    ways.sort();
    ways
}

/// Adds `part` to `whole`, way by way.
pub(super) fn add(whole: &mut Vec<Way>, part: &[Way]) {
    for way in part {
        let same = |mine: &&mut Way| {
            Way {
                count: 0,
                ..(**mine).clone()
            } == Way {
                count: 0,
                ..way.clone()
            }
        };
        match whole.iter_mut().find(same) {
            Some(mine) => mine.count = mine.count.saturating_add(way.count),
            None => whole.push(way.clone()),
        }
    }
    whole.sort();
}
