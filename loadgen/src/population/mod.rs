//! Who asks for a token: tenants, applications, users and resources, drawn by
//! popularity from seeded streams.
//!
//! Every draw is a pure function of plan, seed, flow and the arrival's number,
//! so any worker can make it, in any order, and gets the same answer.

pub mod sampler;
pub mod stream;
pub mod subject;

pub use sampler::Sampler;
pub use stream::Stream;
pub use subject::{FlowPopulation, FlowStreams, PassOver, Population, Subject};
