//! The key rings that instances encrypt shared entries with, and how they are
//! swapped: as when two deployment slots do not share one.

use std::sync::Arc;

use token_cache::Sealing;
use token_cache::protect::{KeyRing, RotatingKeyRing};

use crate::exit::Failure;
use crate::scenario::units::Share;

/// A ring for each instance. A restarted instance has the ring of the one before.
#[derive(Debug)]
pub struct KeyRings {
    rings: Vec<Arc<RotatingKeyRing>>,
    /// Rings so far: each swap brings one that knows no other's keys.
    swaps: parking_lot::Mutex<u32>,
}

impl KeyRings {
    /// One ring that so many instances share.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when there is no randomness to make a key of.
    pub fn new(instances: usize) -> Result<Self, Failure> {
        let first = KeyRing::generate("ring-0").map_err(|error| none(&error))?;
        let rings =
            (0..instances.max(1)).map(|_| Ok(Arc::new(RotatingKeyRing::new(copy(&first)?))));
        Ok(Self {
            rings: rings.collect::<Result<_, Failure>>()?,
            swaps: parking_lot::Mutex::new(0),
        })
    }

    /// What the instance with this number seals with.
    pub fn of(&self, instance: usize) -> Arc<dyn Sealing> {
        let last = self.rings.len() - 1;
        Arc::clone(&self.rings[instance.min(last)]) as _
    }

    /// This part of `running` instances, the first ones, goes on with a new ring.
    ///
    /// # Errors
    ///
    /// Those of [`KeyRings::new`]; nothing changes then.
    pub fn swap(&self, share: Share, running: usize) -> Result<(), Failure> {
        let mut swaps = self.swaps.lock();
        let ring =
            KeyRing::generate(&format!("ring-{}", *swaps + 1)).map_err(|error| none(&error))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part of a number of instances"
        )]
        let count = (share.get() * running as f64).round() as usize;
        let copies: Vec<KeyRing> = (0..count).map(|_| copy(&ring)).collect::<Result<_, _>>()?;
        *swaps += 1;
        for (instance, ring) in self.rings.iter().zip(copies) {
            instance.replace(ring);
        }
        Ok(())
    }

    /// What a sealed entry holds, if any instance can open it.
    pub fn open(&self, key: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        self.rings
            .iter()
            .find_map(|ring| ring.open(key, sealed).ok())
    }
}

fn copy(ring: &KeyRing) -> Result<KeyRing, Failure> {
    KeyRing::from_json(ring.to_json().expose().as_bytes()).map_err(|error| none(&error))
}

fn none(error: &token_cache::protect::KeyRingError) -> Failure {
    Failure::internal(format!("there is no key ring: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_share_a_ring_until_some_of_them_swap() {
        let rings = KeyRings::new(4).unwrap();
        let by_first = rings.of(0).seal("key", b"blob").unwrap();
        assert_eq!(rings.of(3).open("key", &by_first).unwrap(), b"blob");
        rings.swap(Share::try_new(0.5).unwrap(), 4).unwrap();
        assert!(rings.of(1).open("key", &by_first).is_err());
        assert!(rings.of(2).open("key", &by_first).is_ok());
        let by_new = rings.of(1).seal("key", b"blob").unwrap();
        assert!(rings.of(0).open("key", &by_new).is_ok());
        assert!(rings.of(2).open("key", &by_new).is_err());
        assert_eq!(rings.open("key", &by_new).unwrap(), b"blob");
    }
}
