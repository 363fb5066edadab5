//! How a cache is set up, and when its entries end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::lane::LANES;
use crate::clock::{Clock, Timestamp};
use crate::error::StoreError;
use crate::events::{CacheEvents, NoEvents};
use crate::policy::Policy;
use crate::schema::ReadOptions;
use crate::seal::Sealing;
use crate::store::{Expiration, Store};

/// Hears of a failed L2 operation and says whether to try it once more;
/// Microsoft.Identity.Web's `OnL2CacheFailure`. It is asked again when the
/// second try fails, and its answer to that changes nothing.
pub type OnL2Failure = Arc<dyn Fn(&StoreError) -> bool + Send + Sync>;

/// How a cache is set up. Names and defaults follow Microsoft.Identity.Web's
/// `MsalDistributedTokenCacheAdapterOptions`.
#[derive(Clone)]
pub struct TokenCacheOptions {
    /// Bytes L1 may hold; `None` disables L1. Default: 500 MB (`500 * 1024 *
    /// 1024`).
    pub l1_size_limit_bytes: Option<u64>,
    /// L1 entries live this part of `l2_absolute_expiration_relative_to_now`,
    /// in `(0, 1]`; without that, it means nothing.
    pub l1_expiration_ratio: f64,
    /// The shared store; `None` for a cache in memory only.
    pub l2: Option<Arc<dyn Store>>,
    /// L2 entries end at this time at the latest.
    pub l2_absolute_expiration: Option<Timestamp>,
    /// L2 entries end this long after they were written, whatever the tokens in
    /// them and `l2_absolute_expiration` say.
    pub l2_absolute_expiration_relative_to_now: Option<Duration>,
    /// L2 entries not used for this long go.
    pub l2_sliding_expiration: Option<Duration>,
    /// Decides about a second try, in place of the policy.
    pub on_l2_failure: Option<OnL2Failure>,
    /// Encrypts what goes to L2.
    pub sealing: Option<Arc<dyn Sealing>>,
    /// What blobs are accepted.
    pub schema: ReadOptions,
    /// What to do where implementations differ.
    pub policy: Policy,
    /// What time it is.
    pub clock: Clock,
    /// Who listens.
    pub events: Arc<dyn CacheEvents>,
    /// Partitions that can be written at a time without waiting for each other,
    /// about; at least one. Default: 1 024, which take 64 KB. A cache of one
    /// session, of which there are many, does with a few.
    pub lanes: usize,
}

impl Default for TokenCacheOptions {
    /// 500 MB of L1, no L2, the recommended policy, the system's time.
    fn default() -> Self {
        Self {
            l1_size_limit_bytes: Some(500 * 1024 * 1024),
            l1_expiration_ratio: 1.0,
            l2: None,
            l2_absolute_expiration: None,
            l2_absolute_expiration_relative_to_now: None,
            l2_sliding_expiration: None,
            on_l2_failure: None,
            sealing: None,
            schema: ReadOptions::default(),
            policy: Policy::RECOMMENDED,
            clock: Clock::system(),
            events: Arc::new(NoEvents),
            lanes: LANES,
        }
    }
}

/// Options that make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum OptionsError {
    /// The L1 expiration ratio is out of range.
    #[error("an L1 expiration ratio of {0} is not above 0 and up to 1")]
    L1ExpirationRatio(f64),
}

impl TokenCacheOptions {
    /// Whether they make sense. The ratio is looked at only where it has an
    /// effect, as in Microsoft.Identity.Web.
    ///
    /// # Errors
    ///
    /// The first thing that does not.
    pub fn check(&self) -> Result<(), OptionsError> {
        let ratio = self.l1_expiration_ratio;
        let matters = self.l2_absolute_expiration_relative_to_now.is_some();
        if matters && !is_ratio(ratio) {
            return Err(OptionsError::L1ExpirationRatio(ratio));
        }
        Ok(())
    }
}

fn is_ratio(ratio: f64) -> bool {
    ratio > 0.0 && ratio <= 1.0
}

impl fmt::Debug for TokenCacheOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCacheOptions")
            .field("l1_size_limit_bytes", &self.l1_size_limit_bytes)
            .field("l2", &self.l2)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// When entries end, by the options.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expirations {
    absolute: Option<Timestamp>,
    relative: Option<Duration>,
    /// `relative` times the ratio.
    in_l1: Option<Duration>,
    pub(super) sliding: Option<Duration>,
}

impl Expirations {
    pub(super) fn of(options: &TokenCacheOptions) -> Self {
        let ratio = Some(options.l1_expiration_ratio)
            .filter(|&ratio| is_ratio(ratio))
            .unwrap_or(1.0);
        let relative = options.l2_absolute_expiration_relative_to_now;
        Self {
            absolute: options.l2_absolute_expiration,
            relative,
            in_l1: relative.map(|relative| relative.mul_f64(ratio)),
            sliding: options.l2_sliding_expiration,
        }
    }

    /// When L1 forgets what it got from L2.
    pub(super) fn of_back_propagated(&self, now: Timestamp) -> Option<Timestamp> {
        self.in_l1.map(|lives| now.plus(lives))
    }

    /// When L1 forgets what was written, given when the last token ends.
    pub(super) fn of_written_l1(
        &self,
        suggested: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let absolute = suggested.or(self.absolute);
        let relative = self.in_l1.map(|lives| now.plus(lives));
        [absolute, relative].into_iter().flatten().min()
    }

    /// When L2 may forget what was written. A relative time stands above all
    /// else, as the stores of ASP.NET Core have it.
    pub(super) fn of_written_l2(&self, suggested: Option<Timestamp>, now: Timestamp) -> Expiration {
        let absolute = match self.relative {
            Some(lives) => Some(now.plus(lives)),
            None => [suggested, self.absolute].into_iter().flatten().min(),
        };
        if defect!(L2EndsEarly) {
            return Expiration {
                absolute: Some(now.plus(Duration::from_secs(60))),
                sliding: None,
            };
        }
        Expiration {
            absolute,
            sliding: self.sliding.filter(|_| !defect!(NeverSlides)),
        }
    }
}
