//! What was asked of the token endpoint and what was issued, counted where the client under test
//! cannot embellish it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_lc_rs::digest;
use http::StatusCode;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::behavior::fault::FaultKind;
use crate::behavior::throttle::ThrottleKind;
use crate::clock::UnixTime;
use crate::directory::Directory;
use crate::herd::Herds;
use crate::recent::{RecentRequests, RecordedRequests, RequestFilter};
use crate::request::{CacheRefreshReason, ClientSku, RequestContext};

/// A token with less time left than this is one that every MSAL replaces.
const EXPIRY_BUFFER: Duration = Duration::from_mins(5);

const SHARDS: usize = 16;

/// Live tokens remembered: about 64 MB. Beyond it those that end soonest are forgotten.
const MOST_PER_SHARD: usize = 65_536;

/// The status counted for a request whose client went away before it was answered; nginx writes
/// the same number into its logs.
pub(crate) const CLIENT_GONE: u16 = 499;

/// What a token request asks for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// `client_credentials`
    ClientCredentials,
    /// `authorization_code`
    AuthorizationCode,
    /// `refresh_token`
    RefreshToken,
    /// `urn:ietf:params:oauth:grant-type:jwt-bearer`
    OnBehalfOf,
    /// `urn:ietf:params:oauth:grant-type:device_code`, or `device_code` alone
    DeviceCode,
    /// `password`
    Password,
    /// `user_fic`, by which agents act for users
    UserFederated,
    /// None: a machine asks for its own identity's token.
    ManagedIdentity,
    /// Any other, and requests that did not get as far as naming one.
    Other,
}

impl GrantType {
    /// Every grant type.
    pub const ALL: [Self; 9] = [
        Self::ClientCredentials,
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::OnBehalfOf,
        Self::DeviceCode,
        Self::Password,
        Self::UserFederated,
        Self::ManagedIdentity,
        Self::Other,
    ];

    /// The name in reports and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::OnBehalfOf => "on_behalf_of",
            Self::DeviceCode => "device_code",
            Self::Password => "password",
            Self::UserFederated => "user_federated",
            Self::ManagedIdentity => "managed_identity",
            Self::Other => "other",
        }
    }
}

/// The ledger at one moment. Its three counts of requests agree: `token_requests` is the sum of
/// `by_grant` and of `by_status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerSnapshot {
    /// Requests that reached the token endpoint, failed ones included.
    pub token_requests: u64,
    /// Successful ones that a working cache would not have made: a token for the same client,
    /// tenant, subject, assertion and scopes with more than five minutes left had already been
    /// issued, and the request neither redeemed a code nor carried a claims challenge.
    pub redundant_token_requests: u64,
    /// What `redundant_token_requests` is made of.
    #[serde(default)]
    pub redundant_by_grant: BTreeMap<GrantType, u64>,
    /// Token requests by what they asked for.
    pub by_grant: BTreeMap<GrantType, u64>,
    /// Token requests by the HTTP status they were answered with; 499 when the client went away
    /// before its answer.
    pub by_status: BTreeMap<u16, u64>,
    /// Answers made worse on purpose.
    pub faults_injected: u64,
    /// Access tokens issued.
    pub tokens_issued: u64,
    /// Of them those that had been issued before, to the same application for the same scopes: the
    /// server has a token pool.
    #[serde(default)]
    pub tokens_repeated: u64,
    /// Live tokens forgotten to bound memory. Above zero, `redundant_token_requests` is a lower
    /// bound.
    pub tokens_forgotten: u64,
    /// Token requests by the client library that made them; their sum is `token_requests`.
    #[serde(default)]
    pub by_sku: BTreeMap<ClientSku, u64>,
    /// Token requests by why the client's cache did not answer, of those that say why.
    #[serde(default)]
    pub by_cache_refresh_reason: BTreeMap<CacheRefreshReason, u64>,
    /// The most identical token requests (tenant, client, grant, subject, scopes) open at a time.
    #[serde(default)]
    pub largest_herd: u64,
    /// Groups of overlapping identical token requests that are over, by the power of two at or
    /// below the most that were open at a time.
    #[serde(default)]
    pub herds: BTreeMap<u64, u64>,
    /// The sum of their sizes.
    #[serde(default)]
    pub herd_sizes: u64,
    /// What `faults_injected` is made of.
    #[serde(default)]
    pub by_fault: BTreeMap<FaultKind, u64>,
    /// Requests refused by a throttle, by the kind of its limit. They are not `faults_injected`.
    #[serde(default)]
    pub throttled: BTreeMap<ThrottleKind, u64>,
}

/// How a request and its answer went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange {
    /// The HTTP status; [`CLIENT_GONE`] when there was no answer.
    pub(crate) status: u16,
    /// From arrival to answer.
    pub(crate) took: Duration,
    /// Bytes of the request's body, as far as it was read.
    pub(crate) received: u64,
    /// Bytes of the answer's body.
    pub(crate) sent: u64,
}

/// What makes two token requests ask for the same token.
pub(crate) struct TokenIdentity<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) tenant_id: Uuid,
    /// The user; `None` for the application itself.
    pub(crate) subject: Option<Uuid>,
    /// The assertion a token was asked for with.
    pub(crate) assertion: Option<&'a str>,
    pub(crate) scopes: &'a str,
}

impl TokenIdentity<'_> {
    fn digest(&self) -> u128 {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut part = |bytes: &[u8]| {
            context.update(&bytes.len().to_le_bytes());
            context.update(bytes);
        };
        part(self.client_id.to_ascii_lowercase().as_bytes());
        part(self.tenant_id.as_bytes());
        part(
            self.subject
                .as_ref()
                .map_or(&[], |subject| subject.as_bytes().as_slice()),
        );
        part(self.assertion.unwrap_or_default().as_bytes());
        part(self.scopes.as_bytes());
        let mut head = [0; 16];
        head.copy_from_slice(&context.finish().as_ref()[..16]);
        u128::from_le_bytes(head)
    }
}

/// The running ledger.
pub(crate) struct Ledger {
    counts: Mutex<LedgerSnapshot>,
    issued: [Mutex<Shard>; SHARDS],
    herds: Herds,
    recent: RecentRequests,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::keeping(0)
    }
}

/// When tokens end, by what they are for.
struct Shard {
    /// Tokens remembered.
    most: usize,
    ends: HashMap<u128, UnixTime>,
    /// Entries left after the last sweep; the next is due at twice as many.
    swept_to: usize,
}

impl Ledger {
    /// A ledger that keeps the records of this many requests.
    pub(crate) fn keeping(requests: usize) -> Self {
        Self {
            counts: Mutex::default(),
            issued: Default::default(),
            herds: Herds::default(),
            recent: RecentRequests::keeping(requests),
        }
    }

    /// A ledger of a run apart, which remembers a sixteenth of the tokens.
    pub(crate) fn of_run(requests: usize) -> Self {
        Self {
            issued: std::array::from_fn(|_| Mutex::new(Shard::of(MOST_PER_SHARD / SHARDS))),
            ..Self::keeping(requests)
        }
    }

    /// A token request was read; [`Self::request`] must follow with the same context.
    pub(crate) fn enter(&self, context: &RequestContext) {
        self.herds.enter(context.identity);
    }

    /// Counts one request to the token endpoint, at its end. There is no context when the client
    /// went away before its request was read.
    pub(crate) fn request(
        &self,
        context: Option<&RequestContext>,
        exchange: Exchange,
        now: UnixTime,
    ) {
        let mut counts = self.counts.lock();
        let grant = context.map_or(GrantType::Other, |context| context.grant);
        let sku = context.map_or(ClientSku::None, |context| context.sku);
        counts.token_requests += 1;
        *counts.by_grant.entry(grant).or_default() += 1;
        *counts.by_status.entry(exchange.status).or_default() += 1;
        *counts.by_sku.entry(sku).or_default() += 1;
        let Some(context) = context else { return };
        if let Some(telemetry) = context.telemetry {
            let reasons = &mut counts.by_cache_refresh_reason;
            *reasons.entry(telemetry.reason).or_default() += 1;
        }
        drop(counts);
        self.herds.leave(context.identity);
        self.recent.record(context, exchange, now);
    }

    /// Counts an access token issued, and whether a cache would have had one. `excused` requests
    /// are never redundant.
    pub(crate) fn issued(
        &self,
        grant: GrantType,
        identity: &TokenIdentity<'_>,
        now: UnixTime,
        ends: UnixTime,
        excused: bool,
    ) {
        let key = identity.digest();
        let shard = &self.issued[usize::try_from(key % SHARDS as u128).unwrap_or(0)];
        let (had_one, forgotten) = shard.lock().insert(key, now, ends);
        let mut counts = self.counts.lock();
        counts.tokens_issued += 1;
        if had_one && !excused {
            counts.redundant_token_requests += 1;
            *counts.redundant_by_grant.entry(grant).or_default() += 1;
        }
        counts.tokens_forgotten += forgotten;
    }

    /// Counts that the token about to be issued was issued before.
    pub(crate) fn repeated(&self) {
        self.counts.lock().tokens_repeated += 1;
    }

    /// Counts a fault injected into a request or a connection.
    pub(crate) fn fault(&self, kind: FaultKind) {
        let mut counts = self.counts.lock();
        counts.faults_injected += 1;
        *counts.by_fault.entry(kind).or_default() += 1;
    }

    /// Counts a request refused by a throttle.
    pub(crate) fn throttled(&self, kind: ThrottleKind) {
        *self.counts.lock().throttled.entry(kind).or_default() += 1;
    }

    pub(crate) fn snapshot(&self) -> LedgerSnapshot {
        let herds = self.herds.sizes();
        LedgerSnapshot {
            largest_herd: herds.largest,
            herds: herds.by_size,
            herd_sizes: herds.sum,
            ..self.counts.lock().clone()
        }
    }

    /// The requests recorded that fit, where tenants are named as in this directory.
    pub(crate) fn requests(
        &self,
        filter: &RequestFilter,
        directory: &Directory,
    ) -> RecordedRequests {
        self.recent.find(filter, directory)
    }

    /// Starts counting anew. Tokens issued before are forgotten as well: the first request for
    /// each afterwards is not redundant.
    pub(crate) fn reset(&self) {
        *self.counts.lock() = LedgerSnapshot::default();
        for shard in &self.issued {
            let mut shard = shard.lock();
            *shard = Shard::of(shard.most);
        }
        self.herds.reset();
        self.recent.reset();
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self::of(MOST_PER_SHARD)
    }
}

impl Shard {
    fn of(most: usize) -> Self {
        Self {
            most,
            ends: HashMap::new(),
            swept_to: 0,
        }
    }

    /// Remembers a token. Says whether a live one was there, and how many were forgotten.
    fn insert(&mut self, key: u128, now: UnixTime, ends: UnixTime) -> (bool, u64) {
        let still_good = |ends: UnixTime| ends > now.plus(EXPIRY_BUFFER);
        let known = self.ends.get(&key).copied();
        let latest = known.map_or(ends, |known| known.max(ends));
        if still_good(latest) {
            self.ends.insert(key, latest);
        }
        let mut forgotten = 0;
        if self.ends.len() >= 1024.max(self.swept_to * 2) || self.ends.len() > self.most {
            self.ends.retain(|_, ends| still_good(*ends));
            forgotten = self.forget_half_if_full();
            self.swept_to = self.ends.len();
        }
        (known.is_some_and(still_good), forgotten)
    }

    fn forget_half_if_full(&mut self) -> u64 {
        if self.ends.len() <= self.most {
            return 0;
        }
        let before = self.ends.len();
        let mut ends: Vec<_> = self.ends.iter().map(|(&key, &ends)| (ends, key)).collect();
        let (_, &mut median, _) = ends.select_nth_unstable(before / 2);
        self.ends.retain(|&key, &mut ends| (ends, key) >= median);
        u64::try_from(before - self.ends.len()).unwrap_or(u64::MAX)
    }
}

/// The status a finished request is counted under.
pub(crate) fn status_of(status: Option<StatusCode>) -> u16 {
    status.map_or(CLIENT_GONE, |status| status.as_u16())
}

#[cfg(test)]
mod tests;
