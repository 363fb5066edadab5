//! Instructions and allocations of an acquisition, counted by valgrind.

use serde_json::{Value, json};

use crate::program::Lab;

#[test]
fn what_an_acquisition_costs_is_counted_blessed_and_held() {
    let lab = Lab::new();
    // All misses but the first few are hits: the cost of a hit is what is held.
    lab.write(
        "hits.yaml",
        "version: 1\nname: hits\nmode: virtual\nduration: 20s\npopulation: { tenants: 2 }\n\
         traffic: [{ flow: client_credentials, arrivals: constant, rate: 50/s }]\n",
    );
    let gate = |more: &[&str]| {
        let arguments = [
            "gate",
            "hits.yaml",
            "--baseline",
            "base.json",
            "--costs",
            "--seeds",
            "1",
        ];
        lab.start(&[&arguments[..], more].concat()).end()
    };
    let blessed = gate(&["--bless"]);
    assert_eq!(blessed.code, Some(0), "{blessed:?}");
    let read = || -> Value {
        serde_json::from_str(&std::fs::read_to_string(lab.path("base.json")).unwrap()).unwrap()
    };
    let costs = read()["costs"].clone();
    let instructions = costs["instructions"].as_f64().unwrap();
    let allocations = costs["allocations"].as_f64().unwrap();
    // A hit makes no allocation; the first misses and the preparation do.
    assert!(instructions > 1_000.0 && allocations > 0.0, "{costs}");

    // Counted again they are the same, nearly; held against less they are red.
    let mut stricter = read();
    stricter["costs"]["instructions"] = json!(instructions * 0.9);
    lab.write("base.json", stricter.to_string());
    let dearer = gate(&[]);
    assert_eq!(dearer.code, Some(1), "{dearer:?}");
    assert!(
        dearer.stdout.contains("instructions per acquisition rose"),
        "{dearer:?}"
    );
    assert!(
        !dearer.stdout.contains("allocations per acquisition rose"),
        "{dearer:?}"
    );
}
