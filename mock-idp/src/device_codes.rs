//! Sign-ins that wait for a user on another device.
//!
//! What a device code stands for travels sealed inside it; kept here is only what happens after it
//! was handed out: when it was polled, and what the user decided.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::UnixTime;
use crate::directory::user::User;
use crate::random::Stream;

/// Letters and digits that nobody confuses, as in Entra's user codes.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

const CODE_LENGTH: usize = 9;

/// Sign-ins that may wait at a time.
const MOST: usize = 65_536;

/// What a device must wait between two polls.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);

/// How early a poll may come, for clients whose timers run a little fast.
const TOLERANCE: Duration = Duration::from_secs(1);

/// The sign-ins waiting, by user code.
#[derive(Default)]
pub(crate) struct DeviceCodes(Mutex<HashMap<String, Waiting>>);

#[derive(Clone)]
struct Waiting {
    client_id: String,
    expires: UnixTime,
    polled: Option<UnixTime>,
    decision: Option<Decision>,
}

/// What a user decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// This user signed in.
    Approved(User),
    /// The user said no.
    Declined,
}

/// What a device finds when it polls.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Poll {
    /// Nobody decided yet.
    Pending,
    /// Nobody decided yet, and the device asks too often.
    TooSoon,
    /// Someone did.
    Decided(Decision),
    /// The code is not known any more.
    Unknown,
}

impl DeviceCodes {
    /// Forgets what it holds for what `other` holds.
    pub(crate) fn become_like(&self, other: &Self) {
        let like = other.0.lock().clone();
        *self.0.lock() = like;
    }

    /// A new user code for this application; `None` when too many wait already.
    pub(crate) fn start(
        &self,
        client_id: &str,
        ids: &Stream,
        now: UnixTime,
        expires: UnixTime,
    ) -> Option<String> {
        let mut waiting = self.0.lock();
        if waiting.len() >= MOST {
            waiting.retain(|_, waiting| waiting.expires > now);
        }
        if waiting.len() >= MOST {
            return None;
        }
        let code = user_code(ids);
        let entry = Waiting {
            client_id: client_id.to_owned(),
            expires,
            polled: None,
            decision: None,
        };
        waiting.insert(code.clone(), entry);
        Some(code)
    }

    /// The application that waits for this user code, which people may write with blanks, hyphens
    /// and small letters.
    pub(crate) fn client_of(&self, user_code: &str, now: UnixTime) -> Option<String> {
        let waiting = self.0.lock();
        let found = waiting.get(&normal(user_code))?;
        (found.expires > now && found.decision.is_none()).then(|| found.client_id.clone())
    }

    /// Notes what the user decided; `false` when nobody waits for it.
    pub(crate) fn decide(&self, user_code: &str, decision: Decision, now: UnixTime) -> bool {
        let mut waiting = self.0.lock();
        match waiting.get_mut(&normal(user_code)) {
            Some(found) if found.expires > now && found.decision.is_none() => {
                found.decision = Some(decision);
                true
            }
            _ => false,
        }
    }

    /// What a device that polls now is told.
    pub(crate) fn poll(&self, user_code: &str, now: UnixTime) -> Poll {
        let mut waiting = self.0.lock();
        let Some(found) = waiting.get_mut(user_code) else {
            return Poll::Unknown;
        };
        if let Some(decision) = &found.decision {
            return Poll::Decided(decision.clone());
        }
        let earliest = found.polled.replace(now);
        match earliest.map(|polled| polled.plus(INTERVAL.saturating_sub(TOLERANCE))) {
            Some(earliest) if now < earliest => Poll::TooSoon,
            _ => Poll::Pending,
        }
    }

    /// Forgets a code that was used up.
    pub(crate) fn end(&self, user_code: &str) {
        self.0.lock().remove(user_code);
    }
}

fn user_code(ids: &Stream) -> String {
    ids.bytes::<CODE_LENGTH>()
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect()
}

fn normal(user_code: &str) -> String {
    user_code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::directory::tenant::Tenant;

    #[test]
    fn a_device_waits_its_interval_until_the_user_decides() {
        let (codes, ids) = (DeviceCodes::default(), Stream::new(7, "ids"));
        let start = Clock::system().now();
        let at = |seconds| start.plus(Duration::from_secs(seconds));
        let code = codes.start("app", &ids, start, at(900)).unwrap();
        assert_eq!(code.len(), CODE_LENGTH);
        for (seconds, expected) in [
            (0, Poll::Pending),
            (1, Poll::TooSoon),
            (5, Poll::Pending),
            (8, Poll::TooSoon),
            (12, Poll::Pending),
        ] {
            assert_eq!(
                codes.poll(&code, at(seconds)),
                expected,
                "after {seconds} s"
            );
        }
        let typed = format!("{} {}", &code[..3].to_ascii_lowercase(), &code[3..]);
        assert_eq!(codes.client_of(&typed, at(13)).as_deref(), Some("app"));
        let approved = Decision::Approved(User::named("alice", Tenant::Common));
        assert!(codes.decide(&typed, approved.clone(), at(13)));
        assert!(!codes.decide(&code, Decision::Declined, at(14)));
        assert_eq!(codes.poll(&code, at(14)), Poll::Decided(approved));
        codes.end(&code);
        assert_eq!(codes.poll(&code, at(20)), Poll::Unknown);
    }

    #[test]
    fn nobody_decides_after_the_end_and_the_waiting_are_bounded() {
        let (codes, ids) = (DeviceCodes::default(), Stream::new(7, "ids"));
        let start = Clock::system().now();
        let end = start.plus(Duration::from_mins(15));
        for _ in 0..MOST {
            assert!(codes.start("app", &ids, start, end).is_some());
        }
        assert!(codes.start("app", &ids, start, end).is_none());
        let code = codes.start("app", &ids, end, end.plus(INTERVAL)).unwrap();
        assert_eq!(codes.client_of(&code, end.plus(INTERVAL)), None);
        assert!(!codes.decide(&code, Decision::Declined, end.plus(INTERVAL)));
    }
}
