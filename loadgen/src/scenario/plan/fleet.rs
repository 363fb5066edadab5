//! The fleet of a plan.

/// The service's instances when the run begins; restarts and scaling are among
/// the plan's faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FleetPlan {
    /// How many, at least one; each has its own client and L1.
    pub instances: usize,
    /// Which instance an arrival goes to.
    pub affinity: Affinity,
}

/// Which instance serves an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// Any instance, evenly at random.
    None,
    /// The same instance for all of a tenant.
    Tenant,
    /// The same instance for all of a user (or of a tenant, in app-only flows).
    User,
}

impl Affinity {
    /// The word in scenario files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tenant => "tenant",
            Self::User => "user",
        }
    }
}
