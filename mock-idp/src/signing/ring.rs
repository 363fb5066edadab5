//! The keys there are at a moment: announced, signing, leaving.

use std::sync::Arc;

use rand::RngExt as _;
use serde::Serialize;

use super::{KeySchedule, Rollover, SigningKey};
use crate::clock::UnixTime;
use crate::random::Stream;

/// Keys remembered, those that left included: the clock can go back.
const KEPT: usize = 16;

/// The keys of one identity provider, in the order in which they sign.
#[derive(Clone)]
pub(super) struct KeyRing {
    schedule: KeySchedule,
    places: Vec<Place>,
}

/// A key and its time.
#[derive(Clone)]
struct Place {
    key: Arc<SigningKey>,
    published: UnixTime,
    signs: UnixTime,
    /// `None` while no other key is to follow.
    leaves: Option<UnixTime>,
}

/// What a key does at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    NotPublished,
    Announced,
    Signing,
    Leaving,
    Gone,
}

/// What a key does at a moment, and when it does what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct KeyStatus {
    kid: String,
    alg: &'static str,
    standing: Standing,
    published: String,
    signs: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    leaves: Option<String>,
}

impl KeyRing {
    pub(super) fn new(schedule: KeySchedule, first: SigningKey, now: UnixTime) -> Self {
        let place = Place {
            key: Arc::new(first),
            published: now,
            signs: now,
            leaves: None,
        };
        Self {
            schedule,
            places: vec![place],
        }
    }

    pub(super) fn schedule(&self) -> KeySchedule {
        self.schedule
    }

    /// The next keys follow by another schedule, counted from the key that signs last.
    pub(super) fn reschedule(&mut self, schedule: KeySchedule) {
        self.schedule = schedule;
    }

    /// When the next key is to be published and when it signs, if it is time.
    fn due(&self, now: UnixTime) -> Option<(UnixTime, UnixTime)> {
        let every = self.schedule.rollover_every?;
        let (ahead, after) = (self.schedule.ahead(every), self.schedule.after(every));
        let last = self.places.last()?.signs;
        let signs = last.plus(every);
        if now < signs.minus(ahead) {
            return None;
        }
        // Keys that came and went while nobody looked need not be made.
        let gone = now.since(last.plus(every.saturating_add(every).saturating_add(after)));
        let skipped = gone.as_nanos() / every.as_nanos().max(1);
        let signs = signs.plus(every.saturating_mul(u32::try_from(skipped).unwrap_or(u32::MAX)));
        Some((signs.minus(ahead), signs))
    }

    pub(super) fn is_due(&self, now: UnixTime) -> bool {
        self.due(now).is_some()
    }

    /// Adds a key if it is time for one; gives it back if it is not.
    pub(super) fn follow(&mut self, key: SigningKey, now: UnixTime) -> Option<SigningKey> {
        let Some((published, signs)) = self.due(now) else {
            return Some(key);
        };
        let every = self.schedule.rollover_every.unwrap_or_default();
        let after = self.schedule.after(every);
        if let Some(last) = self.places.last_mut() {
            last.leaves
                .get_or_insert(last.signs.plus(every.saturating_add(after)));
        }
        self.places.push(Place {
            key: Arc::new(key),
            published,
            signs,
            leaves: None,
        });
        self.forget();
        None
    }

    /// Has a key follow out of turn.
    pub(super) fn roll(&mut self, key: SigningKey, rollover: Rollover, now: UnixTime) {
        let (signs, leave) = if rollover.emergency {
            (now, now)
        } else {
            let signs = now.plus(rollover.publish_ahead);
            (signs, signs.plus(rollover.retire_after))
        };
        for place in &mut self.places {
            place.leaves = Some(place.leaves.map_or(leave, |leaves| leaves.min(leave)));
        }
        let place = Place {
            key: Arc::new(key),
            published: now,
            signs,
            leaves: None,
        };
        let at = self.places.partition_point(|other| other.signs <= signs);
        self.places.truncate(at);
        self.places.push(place);
        self.forget();
    }

    fn forget(&mut self) {
        let excess = self.places.len().saturating_sub(KEPT);
        self.places.drain(..excess);
    }

    fn standing(&self, index: usize, now: UnixTime) -> Standing {
        let place = &self.places[index];
        let is_signing = self.signing(now) == Some(index);
        match place.leaves.or_else(|| self.end_of_last(index)) {
            _ if is_signing => Standing::Signing,
            Some(leaves) if now >= leaves => Standing::Gone,
            _ if now < place.published => Standing::NotPublished,
            _ if now < place.signs => Standing::Announced,
            _ => Standing::Leaving,
        }
    }

    /// When the last key leaves, if another is to follow that was not made yet.
    fn end_of_last(&self, index: usize) -> Option<UnixTime> {
        let every = self.schedule.rollover_every?;
        let is_last = index + 1 == self.places.len();
        is_last.then(|| {
            let signs = self.places[index].signs;
            signs.plus(every.saturating_add(self.schedule.after(every)))
        })
    }

    /// The latest key whose time to sign has come; the first when the clock is before all.
    fn signing(&self, now: UnixTime) -> Option<usize> {
        let come = self.places.iter().rposition(|place| place.signs <= now);
        come.or((!self.places.is_empty()).then_some(0))
    }

    /// The key that signs.
    pub(super) fn current(&self, now: UnixTime) -> Option<Arc<SigningKey>> {
        let index = self.signing(now)?;
        self.places.get(index).map(|place| Arc::clone(&place.key))
    }

    /// The keys that validators may know, oldest first.
    pub(super) fn published(&self, now: UnixTime) -> Vec<Arc<SigningKey>> {
        let is_there = |index: &usize| {
            !matches!(
                self.standing(*index, now),
                Standing::NotPublished | Standing::Gone
            )
        };
        let indices = (0..self.places.len()).filter(is_there);
        indices
            .map(|index| Arc::clone(&self.places[index].key))
            .collect()
    }

    /// What one answer holds of the published keys.
    pub(super) fn shown(&self, now: UnixTime, draws: &Stream) -> Vec<Arc<SigningKey>> {
        let published = self.published(now);
        if published.len() < 2 || self.schedule.flapping <= 0.0 {
            return published;
        }
        let (missing, spared) = draws.draw(|draws| {
            let mut draw = || draws.random_bool(self.schedule.flapping);
            let missing: Vec<bool> = published.iter().map(|_| draw()).collect();
            (missing, draws.random_range(0..published.len()))
        });
        let all_missing = missing.iter().all(|missing| *missing);
        let stays = |index: usize| !missing[index] || (all_missing && index == spared);
        let keys = published.into_iter().enumerate();
        keys.filter_map(|(index, key)| stays(index).then_some(key))
            .collect()
    }

    pub(super) fn status(&self, now: UnixTime) -> Vec<KeyStatus> {
        let status = |(index, place): (usize, &Place)| KeyStatus {
            kid: place.key.id().to_owned(),
            alg: place.key.kind().as_jose(),
            standing: self.standing(index, now),
            published: place.published.to_text(),
            signs: place.signs.to_text(),
            leaves: place.leaves.map(UnixTime::to_text),
        };
        self.places.iter().enumerate().map(status).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::signing::algorithm::KeyKind;

    const HOUR: Duration = Duration::from_hours(1);

    fn key(number: u64) -> SigningKey {
        SigningKey::generate(KeyKind::Simulated, 7, number).unwrap()
    }

    fn ring(schedule: &str) -> (KeyRing, UnixTime) {
        let schedule: KeySchedule = serde_json::from_str(schedule).unwrap();
        schedule.validate().unwrap();
        let now = Clock::system().now();
        (KeyRing::new(schedule, key(0), now), now)
    }

    /// The standings at a time, after making the keys that are due.
    fn at(ring: &mut KeyRing, now: UnixTime) -> Vec<Standing> {
        let mut made = 0;
        while ring.is_due(now) {
            made += 1;
            assert!(made < 20, "keys are due without end");
            assert!(ring.follow(key(made), now).is_none());
        }
        (0..ring.places.len())
            .map(|index| ring.standing(index, now))
            .collect()
    }

    #[test]
    fn a_key_is_announced_signs_and_leaves() {
        use Standing::{Announced, Gone, Leaving, Signing};
        let (mut ring, start) =
            ring(r#"{"rollover_every":"4h","publish_ahead":"1h","retire_after":"2h"}"#);
        for (hours, expected) in [
            (0, vec![Signing]),
            (2, vec![Signing]),
            (3, vec![Signing, Announced]),
            (4, vec![Leaving, Signing]),
            (5, vec![Leaving, Signing]),
            (6, vec![Gone, Signing]),
            (7, vec![Gone, Signing, Announced]),
            (8, vec![Gone, Leaving, Signing]),
        ] {
            assert_eq!(
                at(&mut ring, start.plus(HOUR * hours)),
                expected,
                "{hours} h"
            );
        }
        assert!(ring.follow(key(9), start).is_some(), "none is due");
        let before = start.minus(HOUR);
        assert_eq!(ring.signing(before), Some(0), "the clock may go back");
    }

    #[test]
    fn after_a_year_only_the_keys_of_then_are_made() {
        let (mut ring, start) = ring(r#"{"rollover_every":"1h","retire_after":"3h"}"#);
        let year = start.plus(HOUR * 24 * 365);
        let standings = at(&mut ring, year);
        assert!(standings.len() <= 6, "{standings:?}");
        let count = |wanted| standings.iter().filter(|found| **found == wanted).count();
        assert_eq!(count(Standing::Signing), 1);
        assert_eq!(count(Standing::Leaving), 3, "{standings:?}");
        let signing = &ring.places[ring.signing(year).unwrap()];
        assert!(year.since(signing.signs) < HOUR);
    }

    #[test]
    fn a_rollover_as_good_as_never_is_waited_for() {
        use Standing::{Announced, Signing};
        // Twice that is more than there is.
        let never = Some(Duration::MAX / 3 * 2);
        let schedule = KeySchedule {
            rollover_every: never,
            publish_ahead: never,
            retire_after: never,
            ..KeySchedule::default()
        };
        assert_eq!(schedule.validate(), Ok(()));
        let start = Clock::system().now();
        let mut ring = KeyRing::new(schedule, key(0), start);
        // Published one rollover ahead, the next key is there at once.
        for hours in [0, 24 * 365] {
            assert_eq!(
                at(&mut ring, start.plus(HOUR * hours)),
                [Signing, Announced],
                "{hours} h"
            );
        }
    }

    #[test]
    fn many_rollovers_leave_few_keys() {
        let (mut ring, start) = ring(r#"{"rollover_every":"1h"}"#);
        for hour in 0..200 {
            at(&mut ring, start.plus(HOUR * hour));
        }
        assert!(ring.places.len() <= KEPT);
    }

    #[test]
    fn an_emergency_leaves_no_other_key() {
        let (mut ring, start) = ring(r#"{"rollover_every":"4h","publish_ahead":"3h"}"#);
        let now = start.plus(HOUR * 2);
        assert_eq!(at(&mut ring, now).len(), 2);
        let emergency = Rollover {
            emergency: true,
            ..Rollover::default()
        };
        ring.roll(key(50), emergency, now);
        let published = ring.published(now);
        assert_eq!(published.len(), 1);
        assert_eq!(published[0].id(), key(50).id());
        assert_eq!(ring.current(now).unwrap().id(), key(50).id());
    }

    #[test]
    fn a_planned_rollover_keeps_the_old_key_for_a_while() {
        let (mut ring, start) = ring("{}");
        let planned = Rollover {
            publish_ahead: HOUR,
            retire_after: HOUR,
            ..Rollover::default()
        };
        ring.roll(key(1), planned, start);
        for (minutes, signs, published) in [(0, 0, 2), (59, 0, 2), (60, 1, 2), (120, 1, 1)] {
            let now = start.plus(Duration::from_mins(minutes));
            assert_eq!(
                ring.current(now).unwrap().id(),
                key(signs).id(),
                "{minutes}"
            );
            assert_eq!(ring.published(now).len(), published, "{minutes}");
        }
    }

    #[test]
    fn replicas_that_disagree_show_some_of_the_keys_but_never_none() {
        let (mut ring, start) = ring(r#"{"flapping":0.5}"#);
        let show = |ring: &KeyRing, seed| {
            let draws = Stream::new(seed, "flapping");
            let counts: Vec<usize> = (0..200).map(|_| ring.shown(start, &draws).len()).collect();
            counts
        };
        assert!(
            show(&ring, 7).iter().all(|count| *count == 1),
            "one is there"
        );
        for number in 1..4 {
            ring.roll(key(number), Rollover::default(), start);
        }
        let shown = show(&ring, 7);
        for count in 1..=4 {
            assert!(shown.contains(&count), "never {count} keys");
        }
        assert!(!shown.contains(&0));
        assert_eq!(show(&ring, 7), shown);
    }
}
