//! The closed forms F1 to F13, one function each: what a cache in its steady
//! state does, from rates and times alone.
//!
//! Rates are calls a second for one key, times are seconds, calls come as a
//! Poisson process unless said otherwise. Results are per call, from 0 to 1.
//! Each says where it is from; `tests/clocks/formulas.rs` holds each
//! against virtual runs of the real cache.

/// F1: a token is served for `served` seconds and fetched again by the first call
/// after that (Jung, Berger, Balakrishnan: *Modeling TTL-based Internet Caches*,
/// INFOCOM 2003). The hit ratio.
pub fn ttl(rate: f64, served: f64) -> f64 {
    rate * served / (1.0 + rate * served)
}

/// F2: the same with any independent gaps between calls, of which `renewals` is
/// the renewal function at `served`: calls on average within that time of one.
pub fn ttl_of_renewals(renewals: f64) -> f64 {
    renewals / (1.0 + renewals)
}

/// The renewal function, at `time`, of gaps that are exponential with mean
/// `short` in `share` of the cases and with mean `long` in the others: calls of
/// sessions, where a session's next call comes soon and the next session late.
pub fn renewals_of_sessions(share: f64, short: f64, long: f64, time: f64) -> f64 {
    let (fast, slow) = (1.0 / short, 1.0 / long);
    let settling = (1.0 - share) * fast + share * slow;
    let mean_rate = fast * slow / settling;
    let mixed = share * fast + (1.0 - share) * slow;
    let bunching = (mixed * settling - fast * slow) / settling.powi(2);
    mean_rate * time - bunching * (-settling * time).exp_m1()
}

/// F3: each call begins the time anew (sliding expiration). The hit ratio.
pub fn sliding(rate: f64, served: f64) -> f64 {
    -(-rate * served).exp_m1()
}

/// F4: a fetch takes `latency`, and who comes meanwhile waits for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SingleFlight {
    /// Calls served from the cache without waiting.
    pub hits: f64,
    /// Calls that waited for another's fetch; also served by the cache.
    pub waiters: f64,
    /// Fetches.
    pub fetches: f64,
}

/// F4 (cf. Atre et al.: *Caching with Delayed Hits*, SIGCOMM 2020).
pub fn single_flight(rate: f64, served: f64, latency: f64) -> SingleFlight {
    let calls_of_a_cycle = 1.0 + rate * (latency + served);
    SingleFlight {
        hits: rate * served / calls_of_a_cycle,
        waiters: rate * latency / calls_of_a_cycle,
        fetches: 1.0 / calls_of_a_cycle,
    }
}

/// F5: a fetch takes `latency`, and who comes meanwhile fetches as well; within
/// about 3 %. Fetches.
pub fn no_single_flight(rate: f64, served: f64, latency: f64) -> f64 {
    // The token of the last of them is the one that is kept.
    let later = if rate > 0.0 {
        latency + (-rate * latency).exp_m1() / rate
    } else {
        0.0
    };
    (1.0 + rate * latency) / (1.0 + rate * (latency + served + later))
}

/// F6 and F7: a token is replaced behind a served call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refreshed {
    /// Calls that had to wait for a token.
    pub misses: f64,
    /// Fetches, those behind served calls included.
    pub fetches: f64,
}

/// F6: the first call that finds a token older than `advice` begins a refresh;
/// tokens are served until `served`.
pub fn refreshed(rate: f64, served: f64, advice: f64) -> Refreshed {
    let fetches = 1.0 / (1.0 + rate * advice);
    Refreshed {
        misses: (-rate * (served - advice)).exp() * fetches,
        fetches,
    }
}

/// F7: the same where each call draws anew up to how much earlier or later than
/// `advice` it begins a refresh, evenly within `jitter` (as MSAL.NET does).
pub fn refreshed_with_jitter(rate: f64, served: f64, advice: f64, jitter: f64) -> Refreshed {
    /// Enough for six digits: the hazard is a ramp.
    const STEPS: u32 = 20_000;
    let step = served / f64::from(STEPS);
    let due = |age: f64| ((age - advice + jitter) / (2.0 * jitter)).clamp(0.0, 1.0);
    let (mut survival, mut lasting, mut hazard) = (1.0, 0.0, 0.0);
    for number in 0..STEPS {
        let age = (f64::from(number) + 0.5) * step;
        let middle: f64 = -rate * (hazard + due(age) * step / 2.0);
        lasting += middle.exp() * step;
        hazard += due(age) * step;
        survival = (-rate * hazard).exp();
    }
    let cycle = lasting + survival / rate;
    Refreshed {
        misses: survival / (rate * cycle),
        fetches: 1.0 / (rate * cycle),
    }
}

/// F8: who serves a call where instances with an L1 each share an L2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    /// The instance's own memory.
    pub l1: f64,
    /// The shared store.
    pub l2: f64,
    /// The identity provider.
    pub provider: f64,
}

/// F8: `rates` are the calls that reach each instance.
pub fn levels(rates: &[f64], served: f64) -> Levels {
    let all: f64 = rates.iter().sum();
    let cycle = 1.0 + all * served;
    // In a token's life an instance that did not fetch it asks L2 once, if it is
    // asked at all.
    let l2: f64 = rates
        .iter()
        .map(|rate| (1.0 - rate / all) * sliding(*rate, served))
        .sum::<f64>()
        / cycle;
    let provider = 1.0 / cycle;
    Levels {
        l1: 1.0 - l2 - provider,
        l2,
        provider,
    }
}

/// F9: the same without an L2. The hit ratio.
pub fn instances_alone(rates: &[f64], served: f64) -> f64 {
    let all: f64 = rates.iter().sum();
    population(rates.iter().map(|rate| (rate / all, ttl(*rate, served))))
}

/// F10 and F11: on-behalf-of, where a user's assertion, and with it the key, is
/// replaced every `assertion` seconds; at most two lives of a token. The hit
/// ratio.
pub fn rotating_assertion(rate: f64, served: f64, assertion: f64) -> f64 {
    let first = sliding(rate, assertion);
    let after = rate * (assertion - served).max(0.0);
    // A second call in what is left after a whole token's life fetches again.
    let second = 1.0 - (-after).exp() * (1.0 + after);
    1.0 - (first + second) / (rate * assertion)
}

/// F12: a population of keys, each with its part of the calls and its hit ratio.
pub fn population(keys: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    keys.into_iter().map(|(part, ratio)| part * ratio).sum()
}

/// F13: `entries` of the keys fit, and the one not used for longest goes (Che,
/// Tung, Wang 2002). `parts` are the calls each key gets; the hit ratio. One
/// where all of them fit.
pub fn least_recently_used(parts: &[f64], entries: f64) -> f64 {
    if entries >= parts.len() as f64 {
        return 1.0;
    }
    let held = |time: f64| parts.iter().map(|part| sliding(*part, time)).sum::<f64>();
    let (mut low, mut high) = (0.0, 1.0);
    while held(high) < entries {
        high *= 2.0;
    }
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if held(middle) < entries {
            low = middle;
        } else {
            high = middle;
        }
    }
    population(parts.iter().map(|part| (*part, sliding(*part, high))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f64, other: f64, tolerance: f64) {
        assert!((one - other).abs() <= tolerance, "{one} and {other}");
    }

    #[test]
    fn sessions_of_one_kind_are_a_poisson_process() {
        close(renewals_of_sessions(0.3, 5.0, 5.0, 20.0), 4.0, 1e-12);
        // Calls in bunches come again sooner than the same number spread out.
        let bunched = renewals_of_sessions(0.9, 1.0, 100.0, 20.0);
        assert!(bunched > 20.0 / (0.9 + 10.0), "{bunched}");
    }

    #[test]
    fn each_form_is_the_simpler_one_where_it_should_be() {
        close(ttl_of_renewals(0.5 * 7.0), ttl(0.5, 7.0), 1e-12);
        let instant = single_flight(0.5, 7.0, 0.0);
        close(instant.hits, ttl(0.5, 7.0), 1e-12);
        close(instant.fetches, no_single_flight(0.5, 7.0, 0.0), 1e-12);
        let all = single_flight(0.5, 7.0, 2.0);
        close(all.hits + all.waiters + all.fetches, 1.0, 1e-12);
        // Advice at the very end is no advice.
        let late = refreshed(0.5, 7.0, 7.0);
        close(1.0 - late.misses, ttl(0.5, 7.0), 1e-12);
        close(
            refreshed_with_jitter(0.5, 7.0, 5.0, 1e-6).misses,
            refreshed(0.5, 7.0, 5.0).misses,
            1e-4,
        );
        let one = levels(&[0.5], 7.0);
        close(one.l1, ttl(0.5, 7.0), 1e-12);
        close(one.l2, 0.0, 1e-12);
        close(instances_alone(&[0.5], 7.0), ttl(0.5, 7.0), 1e-12);
        close(least_recently_used(&[0.25; 4], 4.0), 1.0, 1e-12);
        // Alike, it does not matter which ones are held.
        close(least_recently_used(&[0.01; 100], 30.0), 0.3, 1e-6);
    }

    /// Numbers that simulations of the same cases gave, from the table of
    /// load-generation research this project began with.
    #[test]
    fn each_form_gives_the_number_that_was_simulated() {
        close(ttl(1.0 / 1_000.0, 3_300.0), 0.767_4, 1e-4);
        let ten = levels(&[0.001; 10], 3_300.0);
        close(ten.provider, 0.029_41, 1e-4);
        let refresh = refreshed_with_jitter(1.0, 86_100.0, 43_200.0, 300.0);
        close(1.0 / refresh.fetches, 42_931.0, 2.0);
    }
}
