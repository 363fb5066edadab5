//! A run over Cosmos DB, as far as its SDK's emulator goes.

use loadgen::report::model::Report;
use loadgen::scenario::plan::Mode;

use super::cosmos_emulator::Emulator;
use super::faults::{scenario, serves, undisturbed, writes};
use super::lab::{plan, report};

fn run(l2: &str, faults: &str, mode: Mode) -> Report {
    let text = scenario(l2, faults).replace("duration: 9s", "duration: 20s");
    report(&plan(&text, 7, &[]), mode)
}

/// Opening a container takes many round trips, and calls do not wait for it: until it
/// is open, the run is as without an L2. It takes from a tenth of a second to a few,
/// which twenty seconds even out.
#[test]
fn cosmos_db_s_emulator_serves_a_run_once_the_container_is_open() {
    let _alone = crate::alone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let measured = undisturbed(|| {
        let emulator = runtime.block_on(Emulator::start());
        let l2 = format!("{{ store: cosmos, url: '{}' }}", emulator.url());
        let measured = run(&l2, "", Mode::Real);
        let asked = emulator.count("GET") + emulator.count("POST");
        let counted = measured.cache.l2.operations;
        assert!(u64::from(asked) > counted.set, "{asked} and {counted:?}");
        measured
    });
    let opening = "faults: [{ at: 0s, for: 1s, l2: { is: hang } }]\n";
    let l2 = "{ store: memory, latency: 1ms }";
    serves(&measured, &run(l2, opening, Mode::Virtual));
    writes(&measured);
}
