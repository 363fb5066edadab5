//! How a server was at some moment, to come back to. The ledger is not part of it: what was asked
//! stays asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::behavior::rule::SavedRules;
use crate::behavior::throttle::ThrottlePolicy;
use crate::clock::Setting;
use crate::config::Config;
use crate::consents::Consents;
use crate::device_codes::DeviceCodes;
use crate::idp::Idp;
use crate::redeemed::RedeemedCodes;
use crate::refresh_families::RefreshFamilies;
use crate::revoked::RevokedSessions;
use crate::settings::Settings;
use crate::signing::SavedKeys;

/// Snapshots at a time.
const MOST: usize = 8;

/// The snapshots of a server, by name.
#[derive(Default)]
pub(crate) struct Snapshots(Mutex<BTreeMap<String, Arc<Saved>>>);

/// How a server was. It stays in the process, with the keys.
struct Saved {
    config: Arc<Config>,
    rules: SavedRules,
    throttles: Vec<ThrottlePolicy>,
    clock: Setting,
    keys: SavedKeys,
    revoked: RevokedSessions,
    redeemed: RedeemedCodes,
    refresh_families: RefreshFamilies,
    device_codes: DeviceCodes,
    consents: Consents,
}

impl Snapshots {
    /// Keeps how `idp` is, in place of the snapshot of that name; whether there was room.
    pub(crate) fn keep(&self, name: &str, idp: &Idp) -> bool {
        let mut snapshots = self.0.lock();
        if snapshots.len() >= MOST && !snapshots.contains_key(name) {
            return false;
        }
        snapshots.insert(name.to_owned(), Arc::new(Saved::of(idp)));
        true
    }

    /// Makes `idp` as it was; whether there is such a snapshot.
    pub(crate) fn restore(&self, name: &str, idp: &Idp) -> bool {
        let saved = self.0.lock().get(name).cloned();
        if let Some(saved) = &saved {
            saved.restore(idp);
        }
        saved.is_some()
    }

    pub(crate) fn forget(&self, name: &str) -> bool {
        self.0.lock().remove(name).is_some()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().keys().cloned().collect()
    }
}

impl Saved {
    fn of(idp: &Idp) -> Self {
        let saved = Self {
            config: idp.config(),
            rules: idp.rules.save(),
            throttles: idp.throttles.list(),
            clock: idp.clock.setting(),
            keys: idp.keys.save(),
            revoked: RevokedSessions::default(),
            redeemed: RedeemedCodes::default(),
            refresh_families: RefreshFamilies::default(),
            device_codes: DeviceCodes::default(),
            consents: Consents::default(),
        };
        saved.revoked.become_like(&idp.revoked);
        saved.redeemed.become_like(&idp.redeemed);
        saved.refresh_families.become_like(&idp.refresh_families);
        saved.device_codes.become_like(&idp.device_codes);
        saved.consents.become_like(&idp.consents);
        saved
    }

    fn restore(&self, idp: &Idp) {
        idp.put_in_force(&self.config);
        idp.rules.restore(&self.rules);
        // They were in force before, so they make sense; what was used of them is forgotten.
        let _ = idp.throttles.replace_all(self.throttles.clone());
        idp.clock.set(self.clock);
        idp.keys.restore(&self.keys);
        idp.revoked.become_like(&self.revoked);
        idp.redeemed.become_like(&self.redeemed);
        idp.refresh_families.become_like(&self.refresh_families);
        idp.device_codes.become_like(&self.device_codes);
        idp.consents.become_like(&self.consents);
    }
}

impl Idp {
    /// The configuration in force.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.in_force.lock())
    }

    /// Answers by this configuration from now on, apart from its rules, throttles and keys.
    fn put_in_force(&self, config: &Arc<Config>) {
        self.pace.change(config.latency.clone());
        *self.settings.write() = Arc::new(Settings::of(config));
        *self.in_force.lock() = Arc::clone(config);
    }

    /// Answers by another configuration from now on. Rules, throttles and keys that are the same
    /// in both stay as they are, and so does what the admin API made of them. Addresses, seed,
    /// limits and the admin token are those of the start.
    ///
    /// # Errors
    ///
    /// A configuration that makes no sense. Nothing changes then.
    pub fn reconfigure(&self, config: &Config) -> Result<(), crate::ConfigError> {
        config.check()?;
        let before = self.config();
        if config.rules != before.rules {
            // Cannot fail: all were checked. The same for the throttles.
            let _ = self.rules.replace_all(config.rules.clone());
        }
        if config.throttles != before.throttles {
            let _ = self.throttles.replace_all(config.throttles.clone());
        }
        if config.keys != before.keys {
            self.keys.reschedule(config.keys);
        }
        self.put_in_force(&Arc::new(config.clone()));
        for name in &config.runs {
            if let Err(error) = self.runs.begin(self, name) {
                tracing::warn!(%error, name, "run not begun");
            }
        }
        Ok(())
    }

    /// Makes everything as it was at the start: the ledger is empty, the clock right, nothing
    /// revoked or redeemed, and what the admin API changed is as configured. Runs begin anew. The
    /// keys stay.
    pub fn reset(&self) {
        let config = self.config();
        let _ = self.rules.replace_all(config.rules.clone());
        let _ = self.throttles.replace_all(config.throttles.clone());
        self.keys.reschedule(config.keys);
        self.clock.set(Setting::default());
        self.revoked.become_like(&RevokedSessions::default());
        self.redeemed.become_like(&RedeemedCodes::default());
        self.refresh_families
            .become_like(&RefreshFamilies::default());
        self.device_codes.become_like(&DeviceCodes::default());
        self.consents.become_like(&Consents::default());
        self.ledger.reset();
        self.runs.clear();
        for name in &config.runs {
            if let Err(error) = self.runs.begin(self, name) {
                tracing::warn!(%error, name, "run not begun");
            }
        }
    }
}
