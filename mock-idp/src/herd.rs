//! How many identical token requests were open at a time: the thundering herd, seen from where no
//! client can hide it.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;

/// Identical requests that are open now, and the sizes of the herds that are over.
#[derive(Default)]
pub(crate) struct Herds(Mutex<State>);

#[derive(Default)]
struct State {
    open: HashMap<u128, Herd>,
    sizes: HerdSizes,
}

#[derive(Default)]
struct Herd {
    now: u64,
    most: u64,
}

/// Sizes of herds. A herd begins when a request finds no identical one open and ends when the last
/// of those that overlap is answered; its size is the most that were open at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HerdSizes {
    pub(crate) largest: u64,
    /// Herds by the power of two at or below their size.
    pub(crate) by_size: BTreeMap<u64, u64>,
    /// Of the sizes of herds that are over.
    pub(crate) sum: u64,
}

impl Herds {
    /// A request for `identity` was read.
    pub(crate) fn enter(&self, identity: u128) {
        let mut state = self.0.lock();
        let herd = state.open.entry(identity).or_default();
        herd.now += 1;
        herd.most = herd.most.max(herd.now);
        let most = herd.most;
        state.sizes.largest = state.sizes.largest.max(most);
    }

    /// A request that entered is over.
    pub(crate) fn leave(&self, identity: u128) {
        let mut state = self.0.lock();
        let Some(herd) = state.open.get_mut(&identity) else {
            return;
        };
        herd.now = herd.now.saturating_sub(1);
        if herd.now == 0 {
            let most = herd.most;
            state.open.remove(&identity);
            let bucket = 1 << most.max(1).ilog2();
            *state.sizes.by_size.entry(bucket).or_default() += 1;
            state.sizes.sum += most;
        }
    }

    pub(crate) fn sizes(&self) -> HerdSizes {
        self.0.lock().sizes.clone()
    }

    /// Forgets the herds that are over, and how large those that are not have been.
    pub(crate) fn reset(&self) {
        let mut state = self.0.lock();
        for herd in state.open.values_mut() {
            herd.most = herd.now;
        }
        let largest = state.open.values().map(|herd| herd.now).max();
        state.sizes = HerdSizes {
            largest: largest.unwrap_or_default(),
            ..HerdSizes::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_herd_is_as_large_as_the_most_that_were_open_at_a_time() {
        let herds = Herds::default();
        for _ in 0..20 {
            herds.enter(1);
        }
        for _ in 0..15 {
            herds.leave(1);
        }
        herds.enter(1);
        for _ in 0..6 {
            herds.leave(1);
        }
        for _ in 0..5 {
            herds.enter(1);
            herds.leave(1);
        }
        herds.enter(1);
        herds.enter(2);
        herds.leave(2);
        assert_eq!(
            herds.sizes(),
            HerdSizes {
                largest: 20,
                by_size: BTreeMap::from([(1, 6), (16, 1)]),
                sum: 26,
            }
        );
        assert_eq!(
            herds.0.lock().open.len(),
            1,
            "nothing is kept of the others"
        );
    }

    #[test]
    fn a_reset_keeps_count_of_those_still_open() {
        let herds = Herds::default();
        for _ in 0..5 {
            herds.enter(1);
        }
        for _ in 0..3 {
            herds.leave(1);
        }
        herds.reset();
        assert_eq!(herds.sizes().largest, 2);
        herds.leave(1);
        herds.leave(1);
        assert_eq!(herds.sizes().by_size, BTreeMap::from([(2, 1)]));
    }
}
