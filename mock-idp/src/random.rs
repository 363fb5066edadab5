//! Random numbers in named streams split from one seed, so that drawing one number more in one
//! place shifts nothing in another.

use std::time::Duration;

use parking_lot::Mutex;
use rand::{Rng, RngExt as _, SeedableRng};
use rand_pcg::Pcg64Mcg;
use uuid::Uuid;

/// One stream of random numbers, shared by the requests that draw from it.
pub(crate) struct Stream(Mutex<Pcg64Mcg>);

impl Clone for Stream {
    /// Another one that goes on with the same numbers.
    fn clone(&self) -> Self {
        Self(Mutex::new(self.0.lock().clone()))
    }
}

impl Stream {
    /// The stream called `name` of the run with this `seed`: the same name and seed give the same
    /// numbers in every version.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        digest.update(&seed.to_le_bytes());
        digest.update(name.as_bytes());
        let mut state = [0; 16];
        state.copy_from_slice(&digest.finish().as_ref()[..16]);
        Self(Mutex::new(Pcg64Mcg::from_seed(state)))
    }

    /// Lends the generator for one or several draws that belong together.
    pub(crate) fn draw<T>(&self, draw: impl FnOnce(&mut Pcg64Mcg) -> T) -> T {
        draw(&mut self.0.lock())
    }

    /// A whole number of seconds, none to `most`, each equally likely. Draws nothing for zero.
    pub(crate) fn up_to(&self, most: Duration) -> Duration {
        match most.as_secs() {
            0 => Duration::ZERO,
            most => Duration::from_secs(self.draw(|generator| generator.random_range(0..=most))),
        }
    }

    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.draw(|generator| generator.fill_bytes(&mut bytes));
        bytes
    }

    /// A version 4 UUID made of this stream's numbers.
    pub(crate) fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_a_function_of_seed_and_name() {
        let draw = |seed, name| Stream::new(seed, name).bytes::<8>();
        assert_eq!(draw(7, "ids"), draw(7, "ids"));
        assert_ne!(draw(7, "ids"), draw(8, "ids"));
        assert_ne!(draw(7, "ids"), draw(7, "latency"));
    }
}
