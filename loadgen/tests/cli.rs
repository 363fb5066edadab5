//! The program as a shell sees it: exit code, stdout and stderr, and above all
//! what it says when something is wrong.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "support/program.rs"]
mod program;
#[path = "cli/view.rs"]
mod view;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;

use program::Lab;

/// The smallest scenario that runs.
const SMALLEST: &str = "\
version: 1
duration: 200ms
traffic:
  - { flow: client_credentials, rate: 50/s }
";

/// Runs the program in a directory with `files`; it must end with `code`, print
/// nothing, and say on stderr exactly `expected`.
fn refuses(files: &[(&str, &str)], arguments: &[&str], code: i32, expected: &str) {
    let lab = Lab::new();
    for (name, content) in files {
        lab.write(name, content);
    }
    let ended = lab.start(arguments).end();
    assert_eq!(ended.stderr, expected, "{arguments:?}");
    assert_eq!(ended.code, Some(code), "{arguments:?}");
    assert_eq!(ended.stdout, "", "{arguments:?}");
}

/// The same for messages that are partly another's words: `parts` occur in
/// this order.
fn refuses_with(files: &[(&str, &str)], arguments: &[&str], code: i32, parts: &[&str]) {
    let lab = Lab::new();
    for (name, content) in files {
        lab.write(name, content);
    }
    let ended = lab.start(arguments).end();
    let mut rest = ended.stderr.as_str();
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            panic!("{arguments:?}: no `{part}` in its place: {}", ended.stderr)
        };
        rest = after;
    }
    assert_eq!(ended.code, Some(code), "{arguments:?}");
    assert_eq!(ended.stdout, "", "{arguments:?}");
}

/// An address where nobody listens, and nobody will while the test holds it:
/// the socket is bound and never listens.
struct Silence {
    address: SocketAddr,
    _socket: tokio::net::TcpSocket,
}

impl Silence {
    fn new() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self {
            address: socket.local_addr().unwrap(),
            _socket: socket,
        }
    }
}

/// A certificate authority that a provider could have.
fn some_ca(lab: &Lab) -> String {
    let config = mock_idp::Config {
        data_dir: Some(lab.path("provider")),
        https: Some((Ipv4Addr::LOCALHOST, 0).into()),
        ..mock_idp::Config::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let server = mock_idp::Server::start(config).await.unwrap();
        let ca = std::fs::read_to_string(server.ca_certificate().unwrap()).unwrap();
        server.stop().await;
        ca
    })
}

fn external(address: SocketAddr, ca: &str) -> String {
    format!("{SMALLEST}idp: {{ url: \"https://{address}\", ca: {ca} }}\n")
}

#[test]
fn a_command_line_that_makes_no_sense_is_exit_code_2() {
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["fly"],
            &["unrecognized subcommand 'fly'", "Usage: loadgen"],
        ),
        (&["run"], &["required", "<SCENARIO>", "Usage: loadgen run"]),
        (
            &["validate"],
            &["required", "<SCENARIOS>...", "Usage: loadgen validate"],
        ),
        (
            &["run", "x.yaml", "--sead", "7"],
            &[
                "unexpected argument '--sead'",
                "similar argument",
                "'--seed'",
            ],
        ),
        (&["run", "x.yaml", "--seed", "-1"], &["'-1'"]),
        (
            &["run", "x.yaml", "--format", "xml"],
            &["'xml'", "text, json"],
        ),
        (
            &["run", "x.yaml", "--metrics-addr", "everywhere"],
            &["'everywhere'", "--metrics-addr <HOST:PORT>"],
        ),
        (
            &["run", "x.yaml", "--metrics-addr", "127.0.0.1:99999"],
            &["'127.0.0.1:99999'", "--metrics-addr <HOST:PORT>"],
        ),
        (&["schema", "more"], &["unexpected argument 'more'"]),
        (&[], &["Usage: loadgen"]),
    ];
    for (arguments, parts) in cases {
        refuses_with(&[], arguments, 2, parts);
    }
}

#[test]
fn a_scenario_that_cannot_be_read_is_named() {
    for verb in ["run", "validate"] {
        refuses(
            &[],
            &[verb, "no/such.yaml"],
            2,
            "error: cannot read scenario `no/such.yaml`: No such file or directory (os error 2)\n",
        );
        // Unreadable for everybody, root included.
        refuses(
            &[],
            &[verb, "temporary"],
            2,
            "error: cannot read scenario `temporary`: Is a directory (os error 21)\n",
        );
        let lab = Lab::new();
        lab.write("x.yaml", [0xff, 0xfe, 0x00]);
        let ended = lab.start(&[verb, "x.yaml"]).end();
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr.contains("--> x.yaml:1:1"), "{ended:?}");
    }
}

#[test]
fn all_problems_of_a_scenario_come_at_once_with_their_places_and_hints() {
    let text = "\
version: 1
duraton: 10s
duration: 10
traffic:
  - flow: client_credentials
    rate: 200ms
thresholds:
  - hit_ration >= 0.95
  - p99(acquire) < 5/s
";
    for verb in ["run", "validate"] {
        refuses(
            &[("x.yaml", text)],
            &[verb, "x.yaml"],
            2,
            include_str!("cli/all_at_once.txt"),
        );
    }
}

#[test]
fn a_wrong_override_is_placed_on_the_command_line() {
    refuses(
        &[("x.yaml", SMALLEST)],
        &[
            "run",
            "x.yaml",
            "--set",
            "duration=fast",
            "--set",
            "fleet.instnces=2",
        ],
        2,
        include_str!("cli/overrides.txt"),
    );
}

#[test]
fn metrics_at_a_taken_address_are_an_environment_error() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refuses(
        &[("x.yaml", SMALLEST)],
        &["run", "x.yaml", "--metrics-addr", &address],
        4,
        &format!(
            "error: metrics cannot be served at {address}: Address already in use (os error 98)\n  \
             hint: choose another --metrics-addr; port 0 lets the system choose\n"
        ),
    );
}

#[test]
fn an_output_directory_that_cannot_be_made_stops_the_run_before_it_begins() {
    refuses(
        &[("x.yaml", SMALLEST), ("file", "")],
        &[
            "run",
            "x.yaml",
            "--set",
            "duration=1h",
            "--out",
            "file/below",
        ],
        4,
        "error: `file/below` cannot be written: Not a directory (os error 20)\n  \
         hint: choose another --out\n",
    );
}

#[test]
fn a_provider_that_nobody_runs_is_an_environment_error() {
    let nobody = Silence::new();
    let scenario = external(nobody.address, "ca.pem");
    refuses(
        &[("x.yaml", &scenario), ("ca.pem", &some_ca(&Lab::new()))],
        &["run", "x.yaml"],
        4,
        &format!(
            "error: the identity provider at https://{} is unreachable: client error (Connect): \
             tcp connect error: Connection refused (os error 111)\n  \
             hint: is `mock-idp serve` running there, and is `ca` its certificate (`mock-idp ca`)?\n",
            nobody.address
        ),
    );
}

#[test]
fn a_ca_that_cannot_be_used_is_an_environment_error() {
    let nobody = Silence::new();
    let scenario = external(nobody.address, "ca.pem");
    let hint = "\n  hint: `mock-idp ca` prints where it keeps its certificate\n";
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases = [
        (None, "No such file or directory (os error 2)"),
        (Some("these are words"), "it holds no PEM certificate"),
        (Some(broken), "certificate"),
    ];
    for (content, reason) in cases {
        let mut files = vec![("x.yaml", scenario.as_str())];
        files.extend(content.map(|content| ("ca.pem", content)));
        refuses_with(
            &files,
            &["run", "x.yaml"],
            4,
            &[
                "error: the CA certificate `ca.pem` cannot be used: ",
                reason,
                hint,
            ],
        );
    }
}

#[test]
fn the_schema_is_json_and_describes_the_shipped_scenario() {
    let ended = Lab::new().start(&["schema"]).end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let schema: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    for section in [
        "version",
        "idp",
        "cache",
        "fleet",
        "population",
        "traffic",
        "thresholds",
    ] {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
}

#[test]
fn validate_sums_up_the_good_and_reports_the_bad() {
    let lab = Lab::new();
    lab.write("good.yaml", SMALLEST);
    lab.write("bad.yaml", SMALLEST.replace("50/s", "50"));
    let good = lab.start(&["validate", "good.yaml"]).end();
    let summary = "\
ok: good.yaml
    good: about 10 arrivals in 200ms, seed 42, 0 thresholds
    client_credentials: 50/s, poisson
";
    assert_eq!((good.code, good.stderr.as_str()), (Some(0), ""));
    assert_eq!(good.stdout, summary);

    let both = lab.start(&["validate", "bad.yaml", "good.yaml"]).end();
    assert_eq!(both.code, Some(2));
    assert_eq!(both.stdout, summary, "a bad scenario hides no good one");
    assert!(both.stderr.contains("--> bad.yaml:4:39"), "{both:?}");

    let overridden = lab
        .start(&[
            "validate",
            "good.yaml",
            "--seed",
            "7",
            "--set",
            "duration=1s",
        ])
        .end();
    assert!(
        overridden
            .stdout
            .contains("about 50 arrivals in 1s, seed 7")
    );
}

#[test]
fn help_has_examples_that_the_program_takes_and_the_exit_codes() {
    let lab = Lab::new();
    for verb in ["run", "validate", "schema"] {
        let help = lab.start(&[verb, "--help"]).end();
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{verb}");
        let examples = help.stdout.lines().filter_map(|line| {
            let line = line.strip_prefix("  loadgen ")?;
            line.split(['|', '>']).next()
        });
        let examples: Vec<&str> = examples.filter(|line| line.starts_with(verb)).collect();
        assert!(!examples.is_empty(), "{verb}: {}", help.stdout);
        for example in examples {
            let line = std::iter::once("loadgen").chain(example.split_whitespace());
            if let Err(error) = <loadgen::cli::Cli as clap::Parser>::try_parse_from(line) {
                panic!("`loadgen {example}`: {error}");
            }
        }
        assert!(
            help.stdout.contains("Exit codes:\n"),
            "{verb}: {}",
            help.stdout
        );
    }
    let help = lab.start(&["--help"]).end().stdout;
    for line in [
        "Exit codes:",
        "  0    pass",
        "  1    gate",
        "  2    usage",
        "  3    run invalid",
        "  4    environment",
        "  5    internal",
        "  130  interrupted",
        "run",
        "validate",
        "schema",
    ] {
        assert!(help.contains(line), "no `{line}`: {help}");
    }
    let version = lab.start(&["--version"]).end();
    assert_eq!(
        version.stdout,
        concat!("loadgen ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn stdout_is_the_report_and_nothing_else() {
    let lab = Lab::new();
    lab.write("x.yaml", SMALLEST);
    let text = lab
        .start(&[
            "run",
            "x.yaml",
            "--log",
            "debug",
            "--progress",
            "line",
            "--out",
            "out",
        ])
        .end();
    let written = std::fs::read_to_string(lab.path("out/report.txt")).unwrap();
    assert_eq!(text.stdout, written);
    assert!(!text.stderr.contains("WHERE TOKENS CAME FROM"), "{text:?}");

    let json = lab
        .start(&["run", "x.yaml", "--format", "json", "--out", "again"])
        .end();
    let written = std::fs::read_to_string(lab.path("again/report.json")).unwrap();
    assert_eq!(json.stdout, written + "\n");
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["exit_code"], json.code.unwrap());
}

#[test]
fn logs_go_to_stderr_at_the_level_and_in_the_form_asked_for() {
    let lab = Lab::new();
    lab.write("x.yaml", SMALLEST);
    let serve = [
        "run",
        "x.yaml",
        "--metrics-addr",
        "127.0.0.1:0",
        "--progress",
        "none",
    ];
    let quiet = lab.start(&serve).end();
    assert!(!quiet.stderr.contains("serving metrics"), "{quiet:?}");
    let json = lab
        .start(&[&serve[..], &["--log", "info", "--log-format", "json"]].concat())
        .end();
    let events: Vec<serde_json::Value> = json
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let serving = |event: &&serde_json::Value| event["fields"]["message"] == "serving metrics";
    assert!(events.iter().any(|event| serving(&event)), "{json:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let lab = Lab::new();
    lab.write("x.yaml", SMALLEST);
    let cases: [(&[&str], &[i32]); 3] = [
        (&["schema"], &[0]),
        (&["validate", "x.yaml"], &[0]),
        // On a busy machine the generator may be late, which is not the point.
        (&["run", "x.yaml"], &[0, 3]),
    ];
    for (arguments, codes) in cases {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = lab
            .command(arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            codes.contains(&output.status.code().unwrap()),
            "{arguments:?}: {stderr}"
        );
        assert!(
            !stderr.contains("error") && !stderr.contains("panicked"),
            "{arguments:?}: {stderr}"
        );
    }
}

#[test]
fn a_full_disk_behind_stdout_is_an_environment_error() {
    let lab = Lab::new();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = lab.command(&["schema"]).stdout(full).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert_eq!(
        stderr,
        "error: stdout cannot be written: No space left on device (os error 28)\n"
    );
}

#[test]
fn the_shipped_scenario_validates() {
    let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/quickstart.yaml");
    let ended = Lab::new().start(&["validate", quickstart]).end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

/// What every scenario about so many tenants and users begins with.
const BASE: &str = "\
version: 1
idp: { expires_in: 30m, latency: { token: 80ms } }
fleet: { instances: 2 }
population: { tenants: 20, users: 400 }
";

/// Values from everywhere: a base file, the environment, the command line, defaults.
const EXPLAINED: &str = "\
extends: base.yaml
version: 1
name: explained
duration: ${LENGTH:-2h}
cache: { preset: msal_net, l2: { store: memory, latency: 2ms } }
traffic:
  - { flow: client_credentials, rate: 6/min }
  - { flow: authorization_code, rate: 1/s }
faults: [{ at: 30m, for: 1m, idp: { status: 503 } }]
thresholds: [\"hit_ratio > 50%\"]
twin: { why: nothing in memory, breaks: \"hit_ratio > 50%\", change: { cache: { l1: { size_limit: 1KB } } } }
";

#[test]
fn a_scenario_is_explained_before_it_runs_with_where_each_value_comes_from() {
    let lab = Lab::new();
    lab.write("base.yaml", BASE);
    lab.write("day.yaml", EXPLAINED);
    let arguments = ["explain", "day.yaml", "--set", "fleet.instances=3"];
    let ended = lab.start(&arguments).end();
    assert_eq!(ended.stderr, "");
    assert_eq!(ended.stdout, include_str!("cli/explained.txt"));
    assert_eq!(ended.code, Some(0));
}
