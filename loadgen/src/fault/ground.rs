//! What a run drives, as the fault timeline breaks it.

use std::sync::Arc;

use mock_idp::{Rule, ThrottlePolicy};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::rules;
use super::timeline::{Breakable, Timeline};
use crate::flow::Callers;
use crate::scenario::plan::{ClockFault, IdpPlan, InstanceFault, KeyFault, L2Fault, Plan};
use crate::scenario::units::Share;

impl Breakable for Callers {
    async fn set_provider(&self, rules: Vec<Rule>, throttles: Vec<ThrottlePolicy>) {
        // Validation lets faults through only where the provider is ours.
        let Some(idp) = self.provider.idp() else {
            return;
        };
        if let Err(error) = idp.set_rules(rules) {
            tracing::error!(%error, "a fault could not be put in force");
        }
        if let Err(error) = idp.set_throttles(throttles) {
            tracing::error!(%error, "a throttle could not be put in force");
        }
    }

    fn set_store(&self, faults: Vec<L2Fault>) {
        self.fleet.store_faults().set(faults);
    }

    fn wipe_store(&self) {
        self.fleet.wipe_store();
    }

    fn set_clocks(&self, steps: Vec<ClockFault>) {
        self.fleet.step_clocks(steps);
    }

    async fn roll_keys(&self, what: KeyFault) {
        let Some(idp) = self.provider.idp() else {
            return;
        };
        let _change = self.oracle.change().await;
        if let Err(error) = idp.roll_keys(what == KeyFault::Withdrawal).await {
            tracing::error!(%error, "the provider has no new key");
            return;
        }
        // Whoever verifies tokens reads the keys again, as the oracle does here.
        let learned = match self.provider.keys().await {
            Ok(keys) => self.oracle.learn(&keys),
            Err(failure) => Err(failure.message),
        };
        if let Err(reason) = learned {
            tracing::error!(reason, "the provider's new keys cannot be used");
        }
    }

    fn swap_key_ring(&self, share: Share) {
        self.fleet.swap_key_ring(share);
    }

    fn instances(&self, what: InstanceFault) {
        match what {
            InstanceFault::Restart { instance } => self.fleet.restart(instance),
            InstanceFault::Scale { to } => self.fleet.scale(to),
        }
    }
}

/// The faults of a run, being applied; they end with it.
#[derive(Debug)]
pub struct Driven(Option<JoinHandle<()>>);

impl Driven {
    /// Applies the faults of `plan`, counted from `begin`, to what `callers`
    /// drive.
    pub fn begin(plan: &Plan, begin: Instant, callers: &Arc<Callers>) -> Self {
        let throttles = match &plan.idp {
            IdpPlan::Embedded(idp) => rules::throttles(&idp.throttles),
            IdpPlan::External { .. } => Vec::new(),
        };
        let timeline = Timeline::new(plan, throttles);
        if timeline.is_empty() {
            return Self(None);
        }
        let callers = Arc::clone(callers);
        Self(Some(tokio::spawn(async move {
            timeline.drive(begin, &*callers).await;
        })))
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        if let Some(driving) = &self.0 {
            driving.abort();
        }
    }
}
