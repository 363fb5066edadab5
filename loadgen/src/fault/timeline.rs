//! The faults of a plan in the order of time, and the driver that applies them
//! when they are due, on whatever clock the runtime has.

use std::time::Duration;

use mock_idp::{Rule, ThrottlePolicy};
use tokio::time::Instant;

use super::rules::{self, Measure};
use crate::scenario::plan::{
    ClockFault, Fault, FaultPlan, InstanceFault, KeyFault, L2Fault, L2Trouble, Plan,
};
use crate::scenario::units::Share;

/// What can be made to fail.
pub trait Breakable: Sync {
    /// From now on these rules and throttles are in force at the identity
    /// provider, beside those it was started with.
    fn set_provider(
        &self,
        rules: Vec<Rule>,
        throttles: Vec<ThrottlePolicy>,
    ) -> impl Future<Output = ()> + Send;

    /// From now on the shared store has these faults, the first that concerns
    /// an operation striking it.
    fn set_store(&self, faults: Vec<L2Fault>);

    /// The shared store has lost all it held.
    fn wipe_store(&self);

    /// From now on the service's clocks are stepped so, the first that concerns
    /// an instance deciding.
    fn set_clocks(&self, steps: Vec<ClockFault>);

    /// Something happens to instances.
    fn instances(&self, what: InstanceFault);

    /// The provider signs with a new key.
    fn roll_keys(&self, what: KeyFault) -> impl Future<Output = ()> + Send;

    /// This part of the instances, the first ones, encrypts with a new key ring.
    fn swap_key_ring(&self, share: Share);
}

/// What changes at one instant.
#[derive(Debug, Clone, PartialEq)]
struct Step {
    at: Duration,
    change: Change,
}

#[derive(Debug, Clone, PartialEq)]
enum Change {
    /// The faults in force, by their place in the plan, are others.
    InForce,
    /// Something happens once.
    Once(usize),
}

/// The faults of a plan, ready to be applied.
#[derive(Debug, Clone)]
pub struct Timeline {
    faults: Vec<FaultPlan>,
    steps: Vec<Step>,
    /// Throttles that the provider has anyway.
    throttles: Vec<ThrottlePolicy>,
}

impl Timeline {
    /// The faults of `plan`, beside `throttles` that are always there.
    pub fn new(plan: &Plan, throttles: Vec<ThrottlePolicy>) -> Self {
        let mut steps = Vec::new();
        for (index, fault) in plan.faults.iter().enumerate() {
            if happens_once(&fault.what) {
                steps.push(Step {
                    at: fault.at,
                    change: Change::Once(index),
                });
                continue;
            }
            for at in [Some(fault.at), fault.until].into_iter().flatten() {
                steps.push(Step {
                    at,
                    change: Change::InForce,
                });
            }
        }
        // Stable: what is due at one instant is applied in the plan's order.
        steps.sort_by_key(|step| step.at);
        Self {
            faults: plan.faults.clone(),
            steps,
            throttles,
        }
    }

    /// Whether nothing will ever happen.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Applies every fault when it is due, counted from `begin`. Ends after the
    /// last change; what lasts to the end of the run is still in force then.
    pub async fn drive(&self, begin: Instant, ground: &impl Breakable) {
        let mut now = self.in_force(None);
        for step in &self.steps {
            tokio::time::sleep_until(begin + step.at).await;
            match step.change {
                Change::InForce => {
                    let next = self.in_force(Some(step.at));
                    now.change_to(&next, ground).await;
                    now = next;
                }
                Change::Once(index) => {
                    if let Some(fault) = self.faults.get(index) {
                        once(&fault.what, ground).await;
                    }
                }
            }
        }
    }

    /// What is in force at `time`; before the run where there is none.
    fn in_force(&self, time: Option<Duration>) -> InForce {
        let mut found = InForce {
            throttles: self.throttles.clone(),
            ..InForce::default()
        };
        for (index, fault) in self.faults.iter().enumerate() {
            let is_in_force = time.is_some_and(|time| {
                fault.at <= time && fault.until.is_none_or(|until| time < until)
            });
            if !is_in_force {
                continue;
            }
            let name = format!("fault-{index}");
            match &fault.what {
                Fault::Idp(fault) => match rules::idp(fault, name) {
                    Measure::Rule(rule) => found.rules.push(rule),
                    Measure::Throttle(policy) => found.throttles.push(policy),
                },
                Fault::Network(fault) => found.rules.push(rules::network(*fault, name)),
                Fault::L2(fault) if fault.trouble != L2Trouble::Wipe => {
                    found.store.push(fault.clone());
                }
                Fault::Clock(step) => found.clocks.push(*step),
                Fault::L2(_) | Fault::Instances(_) | Fault::Keys(_) | Fault::KeyRingSwap(_) => {}
            }
        }
        found
    }
}

/// What lasts, at one time.
#[derive(Debug, Clone, Default, PartialEq)]
struct InForce {
    rules: Vec<Rule>,
    throttles: Vec<ThrottlePolicy>,
    store: Vec<L2Fault>,
    clocks: Vec<ClockFault>,
}

impl InForce {
    /// Only what differs is touched: a throttle set anew forgets its counts.
    async fn change_to(&self, next: &Self, ground: &impl Breakable) {
        if (&self.rules, &self.throttles) != (&next.rules, &next.throttles) {
            let (rules, throttles) = (next.rules.clone(), next.throttles.clone());
            ground.set_provider(rules, throttles).await;
        }
        if self.store != next.store {
            ground.set_store(next.store.clone());
        }
        if self.clocks != next.clocks {
            ground.set_clocks(next.clocks.clone());
        }
    }
}

fn happens_once(fault: &Fault) -> bool {
    match fault {
        Fault::L2(fault) => fault.trouble == L2Trouble::Wipe,
        Fault::Instances(_) | Fault::Keys(_) | Fault::KeyRingSwap(_) => true,
        Fault::Idp(_) | Fault::Network(_) | Fault::Clock(_) => false,
    }
}

async fn once(fault: &Fault, ground: &impl Breakable) {
    match fault {
        Fault::L2(_) => ground.wipe_store(),
        Fault::Instances(what) => ground.instances(*what),
        Fault::Keys(what) => ground.roll_keys(*what).await,
        Fault::KeyRingSwap(share) => ground.swap_key_ring(*share),
        // These last for a while and are not done once.
        Fault::Idp(_) | Fault::Network(_) | Fault::Clock(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use parking_lot::Mutex;

    use super::*;
    use crate::scenario::plan::{EndpointPlan, IdpFault, IdpTrouble, LatencyPlan};
    use crate::scenario::units::Share;
    use crate::scenario::{Overrides, load::parse};

    /// Writes down what happens to it, and when.
    struct Ground {
        begin: Instant,
        log: Mutex<Vec<String>>,
    }

    impl Ground {
        fn note(&self, what: &str) {
            let at = self.begin.elapsed().as_secs();
            self.log.lock().push(format!("{at}: {what}"));
        }
    }

    impl Breakable for Ground {
        async fn set_provider(&self, rules: Vec<Rule>, throttles: Vec<ThrottlePolicy>) {
            let names: Vec<String> = rules
                .into_iter()
                .map(|rule| rule.name)
                .chain(throttles.into_iter().map(|policy| policy.name))
                .collect();
            self.note(&format!("provider [{}]", names.join(" ")));
        }
        fn set_store(&self, faults: Vec<L2Fault>) {
            self.note(&format!("store {}", faults.len()));
        }
        fn wipe_store(&self) {
            self.note("wipe");
        }
        fn set_clocks(&self, steps: Vec<ClockFault>) {
            let seconds: Vec<i64> = steps.into_iter().map(|step| step.seconds).collect();
            self.note(&format!("clocks {seconds:?}"));
        }
        fn instances(&self, what: InstanceFault) {
            self.note(&format!("{what:?}"));
        }
        async fn roll_keys(&self, what: KeyFault) {
            self.note(&format!("keys {what:?}"));
        }
        fn swap_key_ring(&self, share: Share) {
            self.note(&format!("key ring {}", share.get()));
        }
    }

    fn fault(at: u64, until: Option<u64>, what: Fault) -> FaultPlan {
        FaultPlan {
            at: Duration::from_secs(at),
            until: until.map(Duration::from_secs),
            what,
        }
    }

    fn idp(trouble: IdpTrouble) -> Fault {
        Fault::Idp(IdpFault {
            trouble,
            share: Share::try_new(0.5).unwrap(),
            endpoint: EndpointPlan::Token,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn faults_begin_and_end_when_they_are_due_and_overlap() {
        let text = "version: 1\nduration: 1h\ntraffic: [{ flow: client_credentials, rate: 1/s }]\n";
        let plan = parse(Path::new("x.yaml"), text.as_bytes(), &Overrides::default()).unwrap();
        let store = |trouble| {
            Fault::L2(L2Fault {
                trouble,
                share: Share::try_new(1.0).unwrap(),
                instances: None,
            })
        };
        let plan = Plan {
            faults: vec![
                fault(
                    10,
                    Some(30),
                    idp(IdpTrouble::Status {
                        status: 503,
                        retry_after: None,
                    }),
                ),
                fault(
                    20,
                    None,
                    idp(IdpTrouble::Latency(LatencyPlan::Fixed(
                        Duration::from_secs(1),
                    ))),
                ),
                fault(25, Some(40), store(L2Trouble::Hang)),
                fault(35, None, store(L2Trouble::Wipe)),
                fault(
                    55,
                    None,
                    Fault::Instances(InstanceFault::Restart { instance: 2 }),
                ),
                fault(
                    60,
                    Some(70),
                    Fault::Clock(ClockFault {
                        seconds: -360,
                        instances: Some(1),
                    }),
                ),
                fault(65, None, Fault::Keys(KeyFault::Withdrawal)),
                fault(66, None, Fault::KeyRingSwap(Share::try_new(0.5).unwrap())),
            ],
            ..plan
        };
        let ground = Ground {
            begin: Instant::now(),
            log: Mutex::default(),
        };
        Timeline::new(&plan, vec![])
            .drive(ground.begin, &ground)
            .await;
        assert_eq!(
            *ground.log.lock(),
            [
                "10: provider [fault-0]",
                "20: provider [fault-0 fault-1]",
                "25: store 1",
                "30: provider [fault-1]",
                "35: wipe",
                "40: store 0",
                "55: Restart { instance: 2 }",
                "60: clocks [-360]",
                "65: keys Withdrawal",
                "66: key ring 0.5",
                "70: clocks []",
            ]
        );
    }
}
