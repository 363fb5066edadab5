//! MSAL.NET's own metrics, under its names and with its oddities, so that
//! dashboards made for it can be tried here. The instruments of its meter
//! `MicrosoftIdentityClient_Common_Meter` 1.0.0 (`OtelInstrumentation.cs`).
//!
//! A refresh behind the caller's back counts as a success of its own: who takes
//! the hit ratio from `MsalSuccess` has to leave out what came from the
//! identity provider with the reason `ProactivelyRefreshed`.

use std::borrow::Cow;
use std::sync::Arc;

use token_cache::{CacheLevel, Clock};

use crate::client::AcquireRequest;
use crate::error::AcquireError;
use crate::events::ClientEvents;
use crate::result::{AuthenticationResult, CacheRefreshReason, ResultMetadata, TokenSource};
use crate::telemetry::TokenKind;

/// The meter's name.
pub const METER: &str = "MicrosoftIdentityClient_Common_Meter";

/// What an instrument measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Instrument {
    /// `MsalSuccess`, a counter.
    Success,
    /// `MsalFailure`, a counter.
    Failure,
    /// `MsalTotalDuration.1A`, milliseconds; successes alone.
    TotalDuration,
    /// `MsalTotalDurationV2.1A`, milliseconds; in place of the former.
    TotalDurationV2,
    /// `MsalDurationInL1CacheInUs.1B`, microseconds: the whole time of a hit.
    DurationInL1Cache,
    /// `MsalDurationInL2Cache.1A`, milliseconds.
    DurationInL2Cache,
    /// `MsalDurationInHttp.1A`, milliseconds.
    DurationInHttp,
    /// `MsalDurationInHttpV2.1A`, milliseconds; in place of the former.
    DurationInHttpV2,
    /// `MsalDurationInExtensionInMs.1B`, microseconds in spite of its name.
    DurationInExtension,
    /// `MsalRemainingTokenLifetime.1A`, seconds.
    RemainingTokenLifetime,
}

impl Instrument {
    /// Its name and unit; counters have no unit.
    pub fn name_and_unit(self) -> (&'static str, &'static str) {
        match self {
            Self::Success => ("MsalSuccess", ""),
            Self::Failure => ("MsalFailure", ""),
            Self::TotalDuration => ("MsalTotalDuration.1A", "ms"),
            Self::TotalDurationV2 => ("MsalTotalDurationV2.1A", "ms"),
            Self::DurationInL1Cache => ("MsalDurationInL1CacheInUs.1B", "us"),
            Self::DurationInL2Cache => ("MsalDurationInL2Cache.1A", "ms"),
            Self::DurationInHttp => ("MsalDurationInHttp.1A", "ms"),
            Self::DurationInHttpV2 => ("MsalDurationInHttpV2.1A", "ms"),
            Self::DurationInExtension => ("MsalDurationInExtensionInMs.1B", "us"),
            Self::RemainingTokenLifetime => ("MsalRemainingTokenLifetime.1A", "s"),
        }
    }

    /// The names of its tags, in MSAL's order.
    pub fn tags(self) -> Vec<&'static str> {
        let names = match self {
            Self::Success => {
                "MsalVersion Platform ApiId CallerSdkId TokenSource CacheRefreshReason CacheLevel \
                 TokenType"
            }
            Self::Failure => {
                "MsalVersion Platform ErrorCode ApiId CallerSdkId CacheRefreshReason TokenType"
            }
            Self::TotalDuration => {
                "MsalVersion Platform ApiId TokenSource CacheLevel CacheRefreshReason TokenType"
            }
            Self::TotalDurationV2 => {
                "MsalVersionPlatform ApiId TokenSource CacheLevel CacheRefreshReason TokenType \
                 ErrorCode Succeeded"
            }
            Self::DurationInL1Cache => {
                "MsalVersion Platform ApiId TokenSource CacheLevel CacheRefreshReason"
            }
            Self::DurationInL2Cache => "MsalVersion Platform ApiId CacheRefreshReason",
            Self::DurationInHttp => "MsalVersion Platform ApiId TokenType",
            Self::DurationInHttpV2 => "MsalVersionPlatform ApiId TokenType HttpStatusCode",
            Self::DurationInExtension => {
                "MsalVersion Platform ApiId TokenSource CacheLevel TokenType"
            }
            Self::RemainingTokenLifetime => {
                "MsalVersionPlatform ApiId TokenSource CacheLevel CacheRefreshReason TokenType"
            }
        };
        names.split(' ').collect()
    }
}

/// A tag of a measurement: its name and its value.
pub type Tag = (&'static str, Cow<'static, str>);

/// Where measurements go. An instrument exists from its first one on.
pub trait Meter: Send + Sync {
    /// Takes one.
    fn record(&self, instrument: Instrument, value: u64, tags: &[Tag]);
}

/// Which of two generations of histograms is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Generation {
    /// The first, of successes alone.
    #[default]
    V1,
    /// The second, of failures too; what `MSAL_ENABLE_EXTENDED_TOKEN_METRICS`
    /// turns on.
    V2,
}

/// Hears a client's events as MSAL.NET would count them.
pub struct MsalMetrics {
    meter: Arc<dyn Meter>,
    generation: Generation,
    clock: Clock,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
const PLATFORM: &str = "Rust";

impl MsalMetrics {
    /// Records into `meter`.
    pub fn new(meter: Arc<dyn Meter>, generation: Generation, clock: Clock) -> Self {
        Self {
            meter,
            generation,
            clock,
        }
    }

    fn record(&self, instrument: Instrument, value: u128, about: &About) {
        let names = instrument.tags().into_iter();
        let tags: Vec<Tag> = names.map(|name| (name, about.tag(name))).collect();
        let value = u64::try_from(value).unwrap_or(u64::MAX);
        self.meter.record(instrument, value, &tags);
    }

    fn success(&self, about: &About) {
        let metadata = &about.metadata;
        self.record(Instrument::Success, 1, about);
        let left = metadata
            .expires_on
            .map_or(0, |end| end.since(self.clock.now()).as_secs());
        self.record(Instrument::RemainingTokenLifetime, left.into(), about);
        if metadata.token_source == TokenSource::IdentityProvider {
            self.http(about);
        }
    }

    fn http(&self, about: &About) {
        let took = about.metadata.duration_in_http.unwrap_or_default();
        let instrument = match self.generation {
            Generation::V1 => Instrument::DurationInHttp,
            Generation::V2 => Instrument::DurationInHttpV2,
        };
        self.record(instrument, took.as_millis(), about);
    }

    fn total(&self, about: &About) {
        let instrument = match self.generation {
            Generation::V1 => Instrument::TotalDuration,
            Generation::V2 => Instrument::TotalDurationV2,
        };
        self.record(instrument, about.metadata.duration_total.as_millis(), about);
    }

    fn durations(&self, about: &About) {
        self.total(about);
        let metadata = &about.metadata;
        let from_cache = metadata.token_source == TokenSource::Cache;
        if from_cache && metadata.cache_level == CacheLevel::L1 {
            let total = metadata.duration_total.as_micros();
            self.record(Instrument::DurationInL1Cache, total, about);
        }
        if metadata.cache_level == CacheLevel::L2 {
            let in_cache = metadata.duration_in_cache.as_millis();
            self.record(Instrument::DurationInL2Cache, in_cache, about);
        }
        // Bearer tokens need no formatting.
        self.record(Instrument::DurationInExtension, 0, about);
    }
}

/// What tags are made of.
struct About {
    metadata: ResultMetadata,
    token_type: &'static str,
    error: Option<String>,
}

impl About {
    fn of(request: &AcquireRequest, outcome: Result<&ResultMetadata, &AcquireError>) -> Self {
        Self {
            metadata: *outcome.unwrap_or_else(AcquireError::metadata),
            token_type: TokenKind::of(request).as_str(),
            error: outcome.err().map(|error| error.code().to_owned()),
        }
    }

    /// Enums have their .NET names.
    fn tag(&self, name: &str) -> Cow<'static, str> {
        let metadata = &self.metadata;
        let succeeded = self.error.is_none();
        let word = match name {
            "MsalVersion" => VERSION,
            "Platform" => PLATFORM,
            "ApiId" => metadata.api_id.map_or("", |api| api.as_str()),
            "TokenSource" if !succeeded => "",
            "TokenSource" => match metadata.token_source {
                TokenSource::IdentityProvider => "IdentityProvider",
                TokenSource::Cache => "Cache",
            },
            "CacheLevel" => match metadata.cache_level {
                CacheLevel::None => "None",
                CacheLevel::Unknown => "Unknown",
                CacheLevel::L1 => "L1Cache",
                CacheLevel::L2 => "L2Cache",
            },
            "CacheRefreshReason" => match metadata.cache_refresh_reason {
                CacheRefreshReason::NotApplicable => "NotApplicable",
                CacheRefreshReason::ForceRefreshOrClaims => "ForceRefreshOrClaims",
                CacheRefreshReason::NoCachedAccessToken => "NoCachedAccessToken",
                CacheRefreshReason::Expired => "Expired",
                CacheRefreshReason::ProactivelyRefreshed => "ProactivelyRefreshed",
                CacheRefreshReason::CacheDisabled => "CacheDisabled",
            },
            "Succeeded" if succeeded => "True",
            "Succeeded" => "False",
            "MsalVersionPlatform" => return format!("{VERSION},{PLATFORM}").into(),
            "TokenType" => self.token_type,
            "ErrorCode" => return self.error.clone().unwrap_or_default().into(),
            // No answer is 0.
            "HttpStatusCode" => {
                return metadata.http_status.unwrap_or_default().to_string().into();
            }
            // `CallerSdkId`: nobody calls through another SDK here.
            _ => "",
        };
        word.into()
    }
}

impl ClientEvents for MsalMetrics {
    fn acquired(
        &self,
        request: &AcquireRequest,
        outcome: Result<&AuthenticationResult, &AcquireError>,
    ) {
        let about = About::of(request, outcome.map(|result| &result.metadata));
        if outcome.is_ok() {
            self.success(&about);
            self.durations(&about);
            return;
        }
        self.record(Instrument::Failure, 1, &about);
        if self.generation == Generation::V2 {
            self.total(&about);
            if about.metadata.duration_in_http.is_some() {
                self.http(&about);
            }
        }
    }

    /// MSAL's refresh asks the provider in any case. One that found another
    /// instance's token in the store instead did nothing that MSAL counts: as a
    /// success from the cache it would pass for a caller's hit.
    fn refreshed(&self, request: &AcquireRequest, outcome: Result<&ResultMetadata, &AcquireError>) {
        if outcome.is_ok_and(|metadata| metadata.token_source == TokenSource::Cache) {
            return;
        }
        let about = About::of(request, outcome);
        if outcome.is_ok() {
            self.success(&about);
        } else {
            self.record(Instrument::Failure, 1, &about);
        }
    }
}
