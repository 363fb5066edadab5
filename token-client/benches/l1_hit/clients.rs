//! The same hit in the real `msal` and `@azure/msal-node`, in memory, with one
//! token and with a thousand in the cache.

use std::process::Command;

/// A client library and the program that measures it, which prints the median
/// nanoseconds of a hit with one token and with a thousand.
fn clients() -> [(&'static str, Option<Command>); 2] {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/l1_hit");
    let python = std::env::var_os("TOKEN_CACHE_LAB_PYTHON").map(|python| {
        let mut command = Command::new(python);
        command.arg(format!("{directory}/msal_python.py"));
        command
    });
    let node = std::env::var_os("TOKEN_CACHE_LAB_NODE").map(|modules| {
        let mut command = Command::new("node");
        command.arg(format!("{directory}/msal_node.mjs"));
        command.arg(modules);
        command
    });
    [("msal (Python)", python), ("@azure/msal-node", node)]
}

/// Measures those that are there, and sets ours beside them.
pub(crate) fn print(one: f64, of_thousand: f64) {
    println!("\nA hit beside the real client libraries, in memory, in this run");
    println!(
        "  {:<28}{one:>12.0} ns {of_thousand:>14.0} ns",
        "token-client: 1, 1 000 tokens"
    );
    for (name, command) in clients() {
        match command.map(run) {
            None => println!("  {name:<28}not here: see scripts/test for how it is installed"),
            Some(Err(reason)) => println!("  {name:<28}could not be measured: {reason}"),
            Some(Ok([one_ns, thousand_ns])) => println!(
                "  {name:<28}{one_ns:>12.0} ns {thousand_ns:>14.0} ns   {:.0} and {:.0} times ours",
                one_ns / one,
                thousand_ns / of_thousand
            ),
        }
    }
}

fn run(mut command: Command) -> Result<[f64; 2], String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().flat_map(str::parse).collect();
    match numbers[..] {
        [one, thousand] if output.status.success() => Ok([one, thousand]),
        _ => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
