//! Rules: which requests, when, and what goes wrong.

use std::num::NonZeroU64;
use std::time::Duration;

use parking_lot::Mutex;
use rand::RngExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::{Fault, FaultKind, Stage};
use super::matcher::Matcher;
use crate::duration::as_optional_text;
use crate::random::Stream;
use crate::request::RequestContext;

/// A fault, the requests it is about, and when it strikes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it is called: lower case letters, digits, `-`, `_` and `.`, at most 64. Two rules
    /// never have one name.
    pub name: String,
    /// The requests it is about.
    #[serde(default, rename = "match")]
    pub matcher: Matcher,
    /// When it strikes.
    #[serde(default)]
    pub trigger: Trigger,
    /// What goes wrong.
    pub fault: Fault,
}

/// When a rule strikes among the requests it is about. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Trigger {
    /// At which of the requests.
    pub when: When,
    /// Not before this long after the server started, on its clock.
    #[serde(with = "as_optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub from: Option<Duration>,
    /// Not at or after this long.
    #[serde(with = "as_optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Duration>,
    /// At most this many times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
}

/// At which requests a rule strikes. Requests outside the trigger's window are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// At each.
    #[default]
    Always,
    /// At each with this probability, 0 to 1, drawn from the seed.
    Probability(f64),
    /// At the first so many; the rest succeed.
    First(u64),
    /// At each so-manieth: 3 strikes the third, the sixth, and so on.
    Every(NonZeroU64),
}

impl Rule {
    /// Says what is wrong with it, if anything is.
    ///
    /// # Errors
    ///
    /// A name that is none; a probability outside 0 to 1; a window that ends before it begins; a
    /// condition on requests for a fault of connections; a fault or a matcher that makes no sense.
    pub fn validate(&self) -> Result<(), RuleError> {
        let wrong = |what: String| {
            Err(RuleError {
                name: self.name.clone(),
                what,
            })
        };
        if !is_name(&self.name) {
            return wrong("the name must be 1 to 64 of a-z, 0-9, -, _ and .".to_owned());
        }
        if let When::Probability(share) = self.trigger.when
            && !(0.0..=1.0).contains(&share)
        {
            return wrong(format!("the probability {share} is not within 0 and 1"));
        }
        if let (Some(from), Some(until)) = (self.trigger.from, self.trigger.until)
            && until <= from
        {
            return wrong(format!(
                "the window ends, {until:?}, before it begins, {from:?}"
            ));
        }
        let is_of_connections = matches!(self.fault.stage(), Stage::Connection | Stage::Handshake);
        if is_of_connections && !self.matcher.is_empty() {
            return wrong("of a new connection nothing is known; leave `match` out".to_owned());
        }
        let is_forged = self.fault.kind() == FaultKind::ForgedToken;
        if is_forged && self.matcher.endpoint.as_deref().unwrap_or("token") != "token" {
            return wrong("only the token endpoint issues tokens".to_owned());
        }
        let parts = self.matcher.validate().and_then(|()| self.fault.validate());
        parts.or_else(wrong)
    }
}

pub(crate) fn is_name(name: &str) -> bool {
    let is_part =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(is_part)
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule `{name}`: {what}")]
pub struct RuleError {
    pub(super) name: String,
    pub(super) what: String,
}

/// A rule and how often it struck.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleStatus {
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
    /// Requests it was about, inside its window.
    pub seen: u64,
    /// Times it struck.
    pub struck: u64,
}

/// The rules in force.
pub(crate) struct Rules {
    seed: u64,
    rules: Mutex<Vec<Active>>,
}

#[derive(Clone)]
struct Active {
    rule: Rule,
    draws: Stream,
    seen: u64,
    struck: u64,
}

/// The rules of some moment.
pub(crate) struct SavedRules(Vec<Active>);

impl Rules {
    /// These rules, the draws of each by `seed` and its name.
    pub(crate) fn new(rules: Vec<Rule>, seed: u64) -> Result<Self, RuleError> {
        let empty = Self {
            seed,
            rules: Mutex::default(),
        };
        empty.replace_all(rules)?;
        Ok(empty)
    }

    /// Puts a rule in force; one of the same name ends, and its place and count with it.
    pub(crate) fn set(&self, rule: Rule) -> Result<(), RuleError> {
        rule.validate()?;
        let active = self.activate(rule);
        let mut rules = self.rules.lock();
        match rules
            .iter_mut()
            .find(|known| known.rule.name == active.rule.name)
        {
            Some(known) => *known = active,
            None => rules.push(active),
        }
        Ok(())
    }

    /// Puts these rules in force and no others; nothing changes when one makes no sense.
    pub(crate) fn replace_all(&self, rules: Vec<Rule>) -> Result<(), RuleError> {
        for (place, rule) in rules.iter().enumerate() {
            rule.validate()?;
            if rules[..place].iter().any(|other| other.name == rule.name) {
                return Err(RuleError {
                    name: rule.name.clone(),
                    what: "there are two of this name".to_owned(),
                });
            }
        }
        *self.rules.lock() = rules.into_iter().map(|rule| self.activate(rule)).collect();
        Ok(())
    }

    /// Ends a rule; whether there was one.
    pub(crate) fn remove(&self, name: &str) -> bool {
        let mut rules = self.rules.lock();
        let before = rules.len();
        rules.retain(|active| active.rule.name != name);
        rules.len() < before
    }

    /// The rules as they are, with their counts and draws.
    pub(crate) fn save(&self) -> SavedRules {
        SavedRules(self.rules.lock().clone())
    }

    /// Comes back to these rules.
    pub(crate) fn restore(&self, saved: &SavedRules) {
        self.rules.lock().clone_from(&saved.0);
    }

    pub(crate) fn list(&self) -> Vec<RuleStatus> {
        let rules = self.rules.lock();
        let status = |active: &Active| RuleStatus {
            rule: active.rule.clone(),
            seen: active.seen,
            struck: active.struck,
        };
        rules.iter().map(status).collect()
    }

    /// The faults that strike a request, `since_start` on the server's clock. Rules are asked in
    /// order: the first that answers in the server's place ends the search, all latencies add up.
    pub(crate) fn strike(&self, request: &RequestContext, since_start: Duration) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        let mut rules = self.rules.lock();
        for active in rules.iter_mut() {
            let stage = active.rule.fault.stage();
            let is_about_requests = !matches!(stage, Stage::Connection | Stage::Handshake);
            let has_answer = faults
                .iter()
                .any(|fault| matches!(fault.stage(), Stage::Request | Stage::Answer));
            if !is_about_requests || (has_answer && stage != Stage::Pace) {
                continue;
            }
            if active.rule.matcher.fits(request) && active.strikes(since_start) {
                faults.push(active.rule.fault.clone());
            }
        }
        faults
    }

    /// The fault that strikes a new connection, at one of these stages.
    pub(crate) fn strike_connection(&self, stage: Stage, since_start: Duration) -> Option<Fault> {
        let mut rules = self.rules.lock();
        let mut of_stage = rules
            .iter_mut()
            .filter(|active| active.rule.fault.stage() == stage);
        let struck = of_stage.find_map(|active| active.strikes(since_start).then_some(active))?;
        Some(struck.rule.fault.clone())
    }

    fn activate(&self, rule: Rule) -> Active {
        Active {
            draws: Stream::new(self.seed, &format!("rule/{}", rule.name)),
            rule,
            seen: 0,
            struck: 0,
        }
    }
}

impl Active {
    fn strikes(&mut self, since_start: Duration) -> bool {
        let Trigger {
            when,
            from,
            until,
            at_most,
        } = self.rule.trigger;
        let too_early = from.is_some_and(|from| since_start < from);
        let too_late = until.is_some_and(|until| since_start >= until);
        if too_early || too_late {
            return false;
        }
        self.seen += 1;
        let is_due = match when {
            When::Always => true,
            When::Probability(share) => self.draws.draw(|draws| draws.random_bool(share)),
            When::First(count) => self.seen <= count,
            When::Every(count) => self.seen.is_multiple_of(count.get()),
        };
        let strikes = is_due && at_most.is_none_or(|at_most| self.struck < at_most);
        self.struck += u64::from(strikes);
        strikes
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn rule(text: &str) -> Rule {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn request() -> RequestContext {
        let (parts, ()) = http::Request::new(()).into_parts();
        RequestContext::of_token_request(
            &crate::Directory::Open,
            "common",
            &parts,
            None,
            Uuid::nil(),
        )
    }

    /// At which of twenty requests, one a second, a rule strikes.
    fn strikes(trigger: &str, seed: u64) -> Vec<u64> {
        let rule = rule(&format!(
            r#"{{"name":"a","trigger":{trigger},"fault":{{"kind":"truncated_body"}}}}"#
        ));
        let rules = Rules::new(vec![rule], seed).unwrap();
        let strikes = |&second: &u64| {
            let faults = rules.strike(&request(), Duration::from_secs(second));
            !faults.is_empty()
        };
        let struck: Vec<_> = (1..=20).filter(strikes).collect();
        assert_eq!(rules.list()[0].struck, struck.len() as u64);
        struck
    }

    #[test]
    fn a_trigger_says_at_which_requests_a_rule_strikes() {
        for (trigger, expected) in [
            ("{}", (1..=20).collect::<Vec<_>>()),
            (r#"{"when":"always","at_most":2}"#, vec![1, 2]),
            (r#"{"when":{"first":3}}"#, vec![1, 2, 3]),
            (r#"{"when":{"every":6}}"#, vec![6, 12, 18]),
            (r#"{"when":{"every":6},"at_most":1}"#, vec![6]),
            (r#"{"from":"5s","until":"8s"}"#, vec![5, 6, 7]),
            (r#"{"from":"19s"}"#, vec![19, 20]),
            (
                r#"{"when":{"every":2},"from":"5s","until":"9s"}"#,
                vec![6, 8],
            ),
            (r#"{"when":{"probability":0.0}}"#, vec![]),
            (r#"{"when":{"probability":1.0}}"#, (1..=20).collect()),
        ] {
            assert_eq!(strikes(trigger, 7), expected, "{trigger}");
        }
    }

    #[test]
    fn a_brown_out_is_chance_within_a_window() {
        let window = r#""from":"5s","until":"15s""#;
        let certain = format!(r#"{{"when":{{"probability":1.0}},{window}}}"#);
        assert_eq!(strikes(&certain, 7), (5..15).collect::<Vec<_>>());
        let half = format!(r#"{{"when":{{"probability":0.5}},{window}}}"#);
        let struck: Vec<_> = (0..100).flat_map(|seed| strikes(&half, seed)).collect();
        assert!(struck.iter().all(|second| (5..15).contains(second)));
        assert!(
            (400..600).contains(&struck.len()),
            "{} of 1000",
            struck.len()
        );
    }

    #[test]
    fn chance_comes_from_the_seed() {
        let half = r#"{"when":{"probability":0.5}}"#;
        assert_eq!(strikes(half, 7), strikes(half, 7));
        assert_ne!(strikes(half, 7), strikes(half, 8));
        let hits: usize = (0..100).map(|seed| strikes(half, seed).len()).sum();
        assert!((850..1150).contains(&hits), "{hits} of 2000");
    }

    #[test]
    fn the_first_answer_wins_and_latencies_add_up() {
        let rules = [
            r#"{"name":"other","match":{"client":"x"},"fault":{"kind":"truncated_body"}}"#,
            r#"{"name":"slow","fault":{"kind":"latency","add":"fixed:1ms"}}"#,
            r#"{"name":"first","fault":{"kind":"status","status":500}}"#,
            r#"{"name":"second","fault":{"kind":"status","status":503}}"#,
            r#"{"name":"slower","fault":{"kind":"latency","add":"fixed:2ms"}}"#,
            r#"{"name":"reset","fault":{"kind":"reset_on_connect"}}"#,
        ];
        let rules = Rules::new(rules.map(rule).to_vec(), 7).unwrap();
        let struck: Vec<_> = rules
            .strike(&request(), Duration::ZERO)
            .iter()
            .map(|fault| serde_json::to_value(fault).unwrap())
            .map(|fault| fault["status"].as_u64().unwrap_or_default())
            .collect();
        assert_eq!(struck, [0, 500, 0]);
        assert_eq!(
            rules.list()[3].seen,
            0,
            "a rule that is not asked counts nothing"
        );
        let connection = rules.strike_connection(Stage::Connection, Duration::ZERO);
        assert_eq!(connection, Some(Fault::ResetOnConnect));
        assert_eq!(
            rules.strike_connection(Stage::Handshake, Duration::ZERO),
            None
        );
    }

    #[test]
    fn rules_are_set_replaced_and_removed_by_name() {
        let status = |name: &str, status: u16| {
            rule(&format!(
                r#"{{"name":"{name}","fault":{{"kind":"status","status":{status}}}}}"#
            ))
        };
        let rules = Rules::new(vec![status("a", 500), status("b", 501)], 7).unwrap();
        rules.strike(&request(), Duration::ZERO);
        rules.set(status("a", 502)).unwrap();
        rules.set(status("c", 503)).unwrap();
        let names = |rules: &Rules| -> Vec<_> {
            let list = rules.list();
            list.iter()
                .map(|known| (known.rule.name.clone(), known.seen))
                .collect()
        };
        let expected = [
            ("a".to_owned(), 0),
            ("b".to_owned(), 0),
            ("c".to_owned(), 0),
        ];
        assert_eq!(names(&rules), expected);
        assert!(rules.remove("b") && !rules.remove("b"));
        assert!(
            rules
                .replace_all(vec![status("x", 500), status("x", 500)])
                .is_err()
        );
        assert_eq!(rules.list().len(), 2, "a bad list changes nothing");
    }

    #[test]
    fn impossible_rules_are_refused() {
        for text in [
            r#"{"name":"","fault":{"kind":"truncated_body"}}"#,
            r#"{"name":"A","fault":{"kind":"truncated_body"}}"#,
            r#"{"name":"a/b","fault":{"kind":"truncated_body"}}"#,
            r#"{"name":"a","trigger":{"when":{"probability":1.5}},"fault":{"kind":"truncated_body"}}"#,
            r#"{"name":"a","trigger":{"from":"2s","until":"2s"},"fault":{"kind":"truncated_body"}}"#,
            r#"{"name":"a","match":{"client":"x"},"fault":{"kind":"reset_on_connect"}}"#,
            r#"{"name":"a","match":{"client":"x"},"fault":{"kind":"tls_failure"}}"#,
            r#"{"name":"a","match":{"endpoint":"x"},"fault":{"kind":"truncated_body"}}"#,
            r#"{"name":"a","fault":{"kind":"aadsts","code":1}}"#,
        ] {
            assert!(rule(text).validate().is_err(), "{text}");
        }
        for text in [
            r#"{"name":"a"}"#,
            r#"{"name":"a","trigger":{"when":{"every":0}},"fault":{"kind":"truncated_body"}}"#,
            r#"{"name":"a","tigger":{},"fault":{"kind":"truncated_body"}}"#,
        ] {
            assert!(serde_json::from_str::<Rule>(text).is_err(), "{text}");
        }
    }
}
