//! Programs as they are in production, for which this server is Entra ID.
//!
//! Needs a user who may have namespaces: root, or whoever the kernel lets have them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "support/interop.rs"]
mod interop;
#[path = "support/temp_dir.rs"]
mod temp_dir;

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use interop::{node_modules, python, script};
use serde_json::Value;
use temp_dir::TempDir;

/// A wrapped program, and the only places that it and its wrapper may write to.
struct Wrapped {
    data: TempDir,
    scratch: TempDir,
}

impl Wrapped {
    fn new() -> Self {
        Self {
            data: TempDir::new(),
            scratch: TempDir::new(),
        }
    }

    /// `mock-idp run` with these flags, without the program yet.
    fn command(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mock-idp"));
        command
            .arg("run")
            .args(flags)
            .arg("--data-dir")
            .arg(self.data.path())
            .arg("--ledger")
            .arg(self.data.path().join("ledger.json"))
            .arg("--")
            .env("TMPDIR", self.scratch.path())
            .stdin(Stdio::null());
        // What the surroundings trust or lead through decides nothing here.
        for name in [
            "SSL_CERT_FILE",
            "REQUESTS_CA_BUNDLE",
            "CURL_CA_BUNDLE",
            "NODE_EXTRA_CA_CERTS",
            "HTTPS_PROXY",
            "https_proxy",
            "HTTP_PROXY",
            "http_proxy",
            "ALL_PROXY",
            "all_proxy",
            "NO_PROXY",
            "no_proxy",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// Runs it to its end; nothing of it is left but what it was asked to write.
    fn run(&self, flags: &[&str], program: &[&str]) -> Output {
        let output = self.command(flags).args(program).output().unwrap();
        let left: Vec<_> = fs::read_dir(self.scratch.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        output
    }

    /// What the server was asked.
    fn token_requests(&self) -> u64 {
        let text = fs::read_to_string(self.data.path().join("ledger.json")).unwrap();
        let ledger: Value = serde_json::from_str(&text).unwrap();
        ledger["token_requests"].as_u64().unwrap()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[track_caller]
fn assert_prints(output: &Output, expected: &str) {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert_eq!(stdout.trim(), expected, "{stderr}");
}

/// The program of `tests/clients/azure_identity`.
fn azure_identity_for_rust() -> PathBuf {
    let path = env::var_os("TOKEN_CACHE_LAB_RUST").map_or_else(
        || {
            let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
            target.join("debug/azure-identity-client")
        },
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "no azure-identity-client at `{}`\nhint: run scripts/test once, or cargo build \
         --manifest-path mock-idp/tests/clients/azure_identity/Cargo.toml and name the program in \
         TOKEN_CACHE_LAB_RUST",
        path.display()
    );
    path
}

/// Python or Node with one of the unmodified programs.
fn unmodified(client: &str, what: &str) -> Vec<String> {
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let mut program = match client {
        "python" => vec![path(&python()), path(&script("unmodified.py"))],
        _ => vec![
            "node".to_owned(),
            path(&script("unmodified.mjs")),
            path(&node_modules()),
        ],
    };
    program.push(what.to_owned());
    program
}

#[test]
fn an_unmodified_program_finds_the_server_behind_entras_names() {
    for (client, what, expected) in [
        ("python", "app", "Bearer 3599"),
        ("python", "user", "Bearer 3599"),
        ("node", "app", "Bearer"),
    ] {
        let wrapped = Wrapped::new();
        let program = unmodified(client, what);
        let program: Vec<_> = program.iter().map(String::as_str).collect();
        assert_prints(&wrapped.run(&["--hosts"], &program), expected);
        assert_eq!(wrapped.token_requests(), 1, "{client} {what}");
    }
}

#[test]
fn an_unmodified_program_finds_the_machines_identity_at_its_address() {
    for (client, expected) in [("python", "Bearer 86399"), ("node", "Bearer")] {
        let wrapped = Wrapped::new();
        let program = unmodified(client, "machine");
        let program: Vec<_> = program.iter().map(String::as_str).collect();
        assert_prints(&wrapped.run(&["--imds"], &program), expected);
        assert_eq!(wrapped.token_requests(), 1, "{client}");
    }
}

#[test]
fn names_and_address_go_together() {
    let wrapped = Wrapped::new();
    let (python, script) = (python(), script("unmodified.py"));
    let both = format!(
        "'{0}' '{1}' app && '{0}' '{1}' machine",
        python.display(),
        script.display()
    );
    let output = wrapped.run(
        &["--hosts", "--imds", "--expires-in", "10m"],
        &["sh", "-c", &both],
    );
    assert_prints(&output, "Bearer 600\nBearer 86399");
    assert_eq!(wrapped.token_requests(), 2);
}

#[test]
fn an_unmodified_program_is_led_to_the_server_by_the_proxy() {
    for (what, expected) in [
        ("app", "Bearer 3599"),
        ("user", "Bearer 3599"),
        ("machine", "Bearer 86399"),
    ] {
        let wrapped = Wrapped::new();
        let program = unmodified("python", what);
        let program: Vec<_> = program.iter().map(String::as_str).collect();
        assert_prints(&wrapped.run(&["--proxy"], &program), expected);
        assert_eq!(wrapped.token_requests(), 1, "{what}");
    }
}

#[test]
fn azure_identity_works_unmodified() {
    for client in ["python", "node", "rust"] {
        let wrapped = Wrapped::new();
        let mut command = wrapped.command(&["--hosts", "--imds"]);
        match client {
            "python" => command.arg(python()).arg(script("azure_identity.py")),
            "node" => {
                command.arg("node").arg(script("azure_identity.mjs"));
                command.arg(node_modules())
            }
            _ => command.arg(azure_identity_for_rust()),
        };
        let output = command.output().unwrap();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{stdout}\n{stderr}");
        assert!(stdout.ends_with("all passed\n"), "{stdout}");
    }
}

/// The agent keeps its files where only root may write: the program, and the server with it, see
/// another `/var/opt` than the machine.
#[test]
fn a_machine_with_the_arc_agent_proves_that_it_reads_the_agents_file() {
    for (client, expected) in [("python", "Bearer 86399"), ("node", "Bearer")] {
        let wrapped = Wrapped::new();
        let program = unmodified(client, "machine");
        let script = format!(
            "mount -t tmpfs none /var/opt && mkdir -p /var/opt/azcmagent/tokens && {} && \
             test -z \"$(ls -A /var/opt/azcmagent/tokens)\"",
            program
                .iter()
                .map(|word| format!("'{word}'"))
                .collect::<Vec<_>>()
                .join(" ")
        );
        let base = "http://169.254.169.254";
        let output = wrapped
            .command(&["--hosts", "--imds"])
            .args(["sh", "-c", &script])
            .env(
                "IDENTITY_ENDPOINT",
                format!("{base}/arc/metadata/identity/oauth2/token"),
            )
            .env("IMDS_ENDPOINT", base)
            .output()
            .unwrap();
        assert_prints(&output, expected);
        // The challenge, and the request with the file's content.
        assert_eq!(wrapped.token_requests(), 2, "{client}");
        assert!(!Path::new("/var/opt/azcmagent").exists());
    }
}

#[test]
fn the_proxy_leads_nowhere_else() {
    let wrapped = Wrapped::new();
    let ask = "
import requests, sys
try:
    requests.get('https://graph.microsoft.com/v1.0/me', timeout=10)
except requests.exceptions.ProxyError as error:
    sys.exit('403' not in str(error))
sys.exit('got through')
";
    let python = python();
    let output = wrapped.run(&["--proxy"], &[python.to_str().unwrap(), "-c", ask]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn the_machines_own_hosts_file_and_network_are_left_alone() {
    let wrapped = Wrapped::new();
    let machines = || {
        let hosts = fs::read_to_string("/etc/hosts").unwrap();
        let addresses = Command::new("ip").args(["address"]).output().unwrap();
        (hosts, text(&addresses.stdout).to_owned())
    };
    let before = machines();
    let mut child = wrapped
        .command(&["--hosts", "--imds"])
        .args([
            "sh",
            "-c",
            "cat /etc/hosts; ip address; echo seen; read -r _",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut seen = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    while !seen.ends_with("seen\n") {
        let read = std::io::BufRead::read_line(&mut stdout, &mut seen).unwrap();
        assert_ne!(read, 0, "{seen}");
    }
    assert!(
        seen.contains("127.0.0.1 login.microsoftonline.com"),
        "{seen}"
    );
    assert!(seen.contains("169.254.169.254/32"), "{seen}");
    assert_eq!(machines(), before, "while it runs");
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!(machines(), before, "when it has ended");
}

#[test]
fn exit_codes_are_the_programs() {
    let wrapped = Wrapped::new();
    for (program, code) in [
        (&["true"][..], 0),
        (&["sh", "-c", "exit 7"], 7),
        (&["sh", "-c", "kill -KILL $$"], 128 + 9),
        (&["/no/such/program"], 127),
        (&["/etc/hosts"], 126),
    ] {
        let output = wrapped.run(&["--hosts"], program);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{program:?}: {stderr}");
        assert_eq!(
            stderr.contains("error:"),
            code == 126 || code == 127,
            "{stderr}"
        );
    }
}

#[test]
fn signals_reach_the_program() {
    for (signal, flags) in [
        ("TERM", ["--hosts"]),
        ("USR1", ["--hosts"]),
        ("INT", ["--proxy"]),
    ] {
        let wrapped = Wrapped::new();
        let trap =
            format!("trap 'echo got; exit 3' {signal}; echo ready; while :; do sleep 0.05; done");
        let mut child = wrapped
            .command(&flags)
            .args(["sh", "-c", &trap])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut said).unwrap();
        assert_eq!(said, "ready\n");
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let mut tries = 0;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            tries += 1;
            if tries == 400 {
                child.kill().unwrap();
                panic!("SIG{signal} did not end the program");
            }
            sleep(Duration::from_millis(50));
        };
        assert_eq!(status.code(), Some(3), "SIG{signal}");
    }
}

#[test]
fn a_user_without_privileges_may_too() {
    let wrapped = Wrapped::new();
    for directory in [wrapped.data.path(), wrapped.scratch.path()] {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
    }
    // The target directory may be root's own: a copy of the program is for everybody.
    let program = wrapped.data.path().join("mock-idp");
    fs::copy(env!("CARGO_BIN_EXE_mock-idp"), &program).unwrap();
    let mut command = wrapped.command(&["--hosts"]);
    let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    command = Command::new("setpriv");
    let output = command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(program)
        .args(arguments)
        .args(["sh", "-c", "grep -m1 login.microsoftonline.com /etc/hosts"])
        .env("TMPDIR", wrapped.scratch.path())
        .output()
        .unwrap();
    assert_prints(&output, "127.0.0.1 login.microsoftonline.com");
    assert!(text(&output.stderr).contains("a network of its own"));
}

#[test]
fn where_namespaces_are_not_permitted_the_proxy_is_offered() {
    let wrapped = Wrapped::new();
    let tools = TempDir::new();
    let run = || {
        wrapped
            .command(&["--hosts"])
            .arg("true")
            .env("PATH", tools.path())
            .output()
            .unwrap()
    };
    let output = run();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains("`unshare` cannot be run"), "{stderr}");
    assert!(stderr.contains("hint: install util-linux"), "{stderr}");

    // As it is where an administrator forbade it.
    let unshare = tools.path().join("unshare");
    fs::write(
        &unshare,
        "#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n",
    )
    .unwrap();
    fs::set_permissions(&unshare, fs::Permissions::from_mode(0o755)).unwrap();
    let output = run();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    for words in [
        "error: namespaces are not permitted here: unshare: unshare failed: Operation not permitted",
        "hint: use --proxy",
    ] {
        assert!(stderr.contains(words), "{stderr}");
    }
}

#[test]
fn the_machines_hosts_file_is_never_covered() {
    // The flag by which the program calls itself, given by somebody else.
    for namespace in ["mnt:[1]", "elsewhere"] {
        let before = fs::read_to_string("/etc/hosts").unwrap();
        let here = fs::read_link("/proc/self/ns/mnt").unwrap();
        let left = if namespace == "elsewhere" {
            namespace.to_owned()
        } else {
            here.to_str().unwrap().to_owned()
        };
        let wrapped = Wrapped::new();
        let output = wrapped.run(&["--hosts", "--inside", &left], &["true"]);
        assert_eq!(output.status.code(), Some(4));
        assert!(text(&output.stderr).contains("for this program's own use"));
        assert_eq!(fs::read_to_string("/etc/hosts").unwrap(), before);
    }
}

#[test]
fn a_way_must_be_chosen_and_hosts_must_be_entras() {
    let wrapped = Wrapped::new();
    for (flags, words) in [
        (&[][..], "<--hosts|--imds|--proxy>"),
        (&["--proxy", "--hosts"], "cannot be used with"),
        (
            &["--hosts", "--also-host", "example.com"],
            "none of Entra's login hosts",
        ),
    ] {
        let output = wrapped.run(flags, &["true"]);
        assert_eq!(output.status.code(), Some(2));
        let stderr = text(&output.stderr);
        assert!(stderr.contains(words), "{stderr}");
    }
}
