//! What breaks, and when: the fault timeline of a plan, applied to whatever is
//! driven.

pub mod rules;
