//! The program as a shell sees it: what it prints, where, and how it exits.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "support/program.rs"]
mod program;
#[path = "support/temp_dir.rs"]
mod temp_dir;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use program::Program;
use temp_dir::TempDir;

/// Runs the program to its end.
fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mock-idp"))
        .args(arguments)
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn assert_fails(arguments: &[&str], exit_code: i32, words: &[&str]) {
    let output = run(arguments);
    let stderr = text(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(exit_code),
        "{arguments:?}: {stderr}"
    );
    for word in words {
        assert!(
            stderr.contains(word),
            "{arguments:?}: no `{word}` in: {stderr}"
        );
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert_eq!(text(&output.stdout), "");
}

/// Sends a request over plain HTTP and reads the answer.
fn get(origin: &str, path: &str) -> String {
    exchange(
        origin,
        &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
    )
}

fn post(origin: &str, path: &str, form: &str) -> String {
    let length = form.len();
    exchange(
        origin,
        &format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\n\
             content-length: {length}\r\n\r\n{form}"
        ),
    )
}

fn exchange(origin: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(origin.strip_prefix("http://").unwrap()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_terminated_server_finishes_what_it_does_and_exits_well() {
    let program = Program::serve(&["--latency", "discovery=fixed:700ms"]);
    assert!(
        program.https.starts_with("https://127.0.0.1:"),
        "{}",
        program.https
    );
    assert!(get(&program.http, "/healthz").ends_with("ok\n"));
    let http = program.http.clone();
    let in_flight =
        std::thread::spawn(move || get(&http, "/common/v2.0/.well-known/openid-configuration"));
    let mut tries = 0;
    while !get(&program.http, "/metrics").contains("mockidp_in_flight_requests 2\n") {
        tries += 1;
        assert!(tries < 1000, "the request never arrived");
    }
    let (status, log) = program.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(in_flight.join().unwrap().starts_with("HTTP/1.1 200"));
    assert!(log.contains("serving") && log.contains("stopping"), "{log}");
}

#[test]
fn a_port_in_use_is_the_environments_fault() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let words = [
        "error: cannot serve http at",
        "in use",
        "hint: another program serves there",
    ];
    assert_fails(&["serve", "--http", &address], 4, &words);
}

#[test]
fn who_serves_other_machines_says_so_and_is_warned() {
    let words = ["error:", "0.0.0.0:0", "--expose"];
    assert_fails(&["serve", "--http", "0.0.0.0:0"], 2, &words);
    let program = Program::serve(&["--imds", "0.0.0.0:0", "--expose"]);
    let (status, log) = program.terminate();
    assert!(status.success(), "{log}");
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    for words in ["other machines may reach this server", "0.0.0.0:0"] {
        assert!(warnings[0].contains(words), "{log}");
    }
    let (_, log) = Program::serve(&[]).terminate();
    assert!(!log.contains("WARN"), "{log}");
}

#[test]
fn a_data_directory_that_cannot_be_used_is_the_environments_fault() {
    let data = TempDir::new();
    let file = data.path().join("file");
    std::fs::write(&file, "").unwrap();
    let path = file.to_str().unwrap();
    assert_fails(
        &["ca", "--data-dir", path],
        4,
        &["error: `", "cannot be used", "hint:"],
    );
    let serve = ["serve", "--https", "127.0.0.1:0", "--data-dir", path];
    assert_fails(
        &serve,
        4,
        &["certificate authority cannot be used", "hint:"],
    );
}

#[test]
fn corrupt_files_are_named_and_left_alone() {
    let data = TempDir::new();
    let path = data.path().to_str().unwrap();
    assert!(run(&["ca", "--data-dir", path]).status.success());
    let directory = data.path().join("ca");
    let (certificate, key) = (directory.join("ca.pem"), directory.join("ca.key"));
    let (good_certificate, good_key) = (
        std::fs::read(&certificate).unwrap(),
        std::fs::read(&key).unwrap(),
    );

    let other = TempDir::new();
    assert!(
        run(&["ca", "--data-dir", other.path().to_str().unwrap()])
            .status
            .success()
    );
    let foreign_key = std::fs::read(other.path().join("ca/ca.key")).unwrap();
    for (file, content, words) in [
        (
            &certificate,
            Some(&b"nonsense"[..]),
            "ca.pem` is not a certificate",
        ),
        (&key, Some(b"nonsense"), "ca.key` is not a private key"),
        (
            &key,
            Some(&foreign_key),
            "ca.pem` does not belong to the key",
        ),
        (&certificate, Some(b"\xff\xfe"), "ca.pem` cannot be used"),
        (&certificate, None, "ca.pem` cannot be used"),
    ] {
        match content {
            Some(content) => std::fs::write(file, content).unwrap(),
            None => std::fs::remove_file(file).unwrap(),
        }
        assert_fails(&["ca", "--data-dir", path], 4, &[words, "hint:"]);
        assert_eq!(
            std::fs::read(file).ok().as_deref(),
            content,
            "left as it was"
        );
        std::fs::write(&certificate, &good_certificate).unwrap();
        std::fs::write(&key, &good_key).unwrap();
    }
}

#[test]
fn usage_errors_name_what_would_be_right() {
    for (arguments, words) in [
        (&["serve", "--https", "8443"][..], &["8443"][..]),
        (
            &["serve", "--expires-in", "3600"],
            &["3600", "needs a unit"],
        ),
        (&["serve", "--expires-in", "0s"], &["0s", "above zero"]),
        (&["serve", "--latency", "token"], &["ENDPOINT=LATENCY"]),
        (
            &["serve", "--latency", "tokens=none"],
            &["tokens", "token, authorize"],
        ),
        (
            &["serve", "--latency", "token=lognormal:40ms,20ms"],
            &["below the median"],
        ),
        (&["serve", "--lattency", "x"], &["--latency"]),
        (&["server"], &["serve"]),
        (&[], &["Usage"]),
    ] {
        assert_fails(arguments, 2, words);
    }
}

#[test]
fn help_has_examples() {
    for (arguments, words) in [
        (&["--help"][..], "Exit codes"),
        (&["serve", "--help"], "mock-idp serve --https 127.0.0.1:0"),
        (&["ca", "--help"], "eval"),
    ] {
        let output = run(arguments);
        assert!(output.status.success());
        assert!(
            text(&output.stdout).contains(words),
            "{}",
            text(&output.stdout)
        );
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_authority_is_made_once_and_its_key_is_private() {
    let data = TempDir::new();
    // With what needs quoting in a shell.
    let home = data.path().join("it's a home");
    let path = home.to_str().unwrap();
    let first = run(&["ca", "--data-dir", path]);
    let again = run(&["ca", "--data-dir", path]);
    assert_eq!(first.stdout, again.stdout);
    let directory = home.join("ca");
    assert_eq!((mode(&home), mode(&directory)), (0o700, 0o700));
    assert_eq!(mode(&directory.join("ca.key")), 0o600);
    assert_eq!(mode(&directory.join("ca.pem")), 0o644);
    assert_eq!(
        std::fs::read_dir(&home).unwrap().count(),
        1,
        "nothing is left over"
    );

    let script = format!(
        "{}\nprintf %s \"$NODE_EXTRA_CA_CERTS\"",
        text(&first.stdout)
    );
    let shell = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(
        text(&shell.stdout),
        directory.join("ca.pem").to_str().unwrap()
    );
    for variable in ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
        assert!(
            text(&first.stdout).contains(&format!("export {variable}=")),
            "{variable}"
        );
    }
}

#[test]
fn programs_that_start_at_once_share_one_authority() {
    let data = TempDir::new();
    let path = data.path().to_str().unwrap();
    let children: Vec<_> = (0..8)
        .map(|_| {
            Command::new(env!("CARGO_BIN_EXE_mock-idp"))
                .args(["ca", "--data-dir", path])
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert!(
        run(&["ca", "--data-dir", path]).status.success(),
        "certificate and key match"
    );
    assert_eq!(
        std::fs::read_dir(data.path()).unwrap().count(),
        1,
        "nothing is left over"
    );
}

#[test]
fn openssl_accepts_the_authority_and_the_servers_certificate() {
    let program = Program::serve(&[]);
    assert!(program.ca_certificate().starts_with(program.data_dir()));
    let ca = program.ca_certificate();
    let address = program.https.strip_prefix("https://").unwrap();
    for (check, name, is_right) in [
        ("-verify_hostname", "localhost", true),
        ("-verify_hostname", "login.microsoftonline.com", true),
        ("-verify_hostname", "login.windows.net", true),
        ("-verify_hostname", "sts.windows.net", true),
        ("-verify_hostname", "login.microsoftonline.us", true),
        ("-verify_hostname", "login.usgovcloudapi.net", true),
        ("-verify_hostname", "login-us.microsoftonline.com", true),
        ("-verify_hostname", "login.partner.microsoftonline.cn", true),
        ("-verify_hostname", "login.chinacloudapi.cn", true),
        ("-verify_hostname", "login.microsoftonline.de", true),
        ("-verify_hostname", "login.sovcloud-identity.fr", true),
        ("-verify_hostname", "login.sovcloud-identity.de", true),
        ("-verify_hostname", "login.sovcloud-identity.sg", true),
        ("-verify_hostname", "westus.login.microsoft.com", true),
        ("-verify_hostname", "contoso.ciamlogin.com", true),
        ("-verify_hostname", "contoso.b2clogin.com", true),
        ("-verify_hostname", "a.b.b2clogin.com", false),
        ("-verify_hostname", "graph.microsoft.com", false),
        ("-verify_ip", "127.0.0.1", true),
        ("-verify_ip", "::1", true),
        ("-verify_ip", "169.254.169.254", true),
        ("-verify_ip", "192.0.2.1", false),
    ] {
        let output = Command::new("openssl")
            .args(["s_client", "-connect", address, check, name])
            .args(["-x509_strict", "-verify_return_error", "-CAfile"])
            .arg(&ca)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let verified = stdout.contains("Verify return code: 0 (ok)");
        assert_eq!(verified, is_right, "{name}: {stdout}");
    }
}

#[test]
fn a_directory_file_is_checked_and_served() {
    let data = TempDir::new();
    let file = data.path().join("directory.json");
    let path = file.to_str().unwrap();
    std::fs::write(
        &file,
        r#"{ "tenants": [{ "id": "11111111-1111-1111-1111-111111111111" }] }"#,
    )
    .unwrap();
    let output = run(&["check", path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with(": 1 tenant, 0 applications, 0 users\n"));

    let program = Program::serve(&["--config", path]);
    let document = "v2.0/.well-known/openid-configuration";
    let known = get(
        &program.http,
        &format!("/11111111-1111-1111-1111-111111111111/{document}"),
    );
    assert!(known.starts_with("HTTP/1.1 200"), "{known}");
    let unknown = get(&program.http, &format!("/contoso.com/{document}"));
    assert!(unknown.contains("AADSTS90002"), "{unknown}");
    program.terminate();

    std::fs::write(
        &file,
        r#"{ "tenants": [], "users": [{ "name": "alice" }] }"#,
    )
    .unwrap();
    let words = [
        "error: the configuration makes no sense:",
        "at least one",
        "`alice`",
        "hint:",
    ];
    assert_fails(&["check", path], 2, &words);
    assert_fails(
        &["serve", "--http", "127.0.0.1:0", "--config", path],
        2,
        &words,
    );
    assert_fails(&["check", "/no/such/file"], 4, &["cannot be read"]);
}

#[test]
fn a_changed_configuration_is_read_again_and_a_bad_one_is_not() {
    let data = TempDir::new();
    let file = data.path().join("mock.yaml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write("lifetimes: { expires_in: 10m }\n");
    let program = Program::serve(&["--config", file.to_str().unwrap()]);
    let expires_in = || {
        let form = "grant_type=client_credentials&client_id=app&client_secret=secret\
                    &scope=api%3A%2F%2Fx%2F.default";
        let answer = post(&program.http, "/contoso.com/oauth2/v2.0/token", form);
        let (_, number) = answer.split_once("\"expires_in\":").unwrap();
        number.split(',').next().unwrap().to_owned()
    };
    let wait_for = |wanted: &str| {
        for _ in 0..200 {
            if expires_in() == wanted {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("still {}, not {wanted}", expires_in());
    };
    assert_eq!(expires_in(), "600");
    write("lifetimes: { expires_in: 20m }\n");
    wait_for("1200");
    write("lifetimes: { expires_in: 0s }\nmore: 1\n");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(expires_in(), "1200", "a bad file changes nothing");
    write("lifetimes: { expires_in: 30m }\nserver: { seed: 7 }\n");
    wait_for("1800");
    let (status, log) = program.terminate();
    assert!(status.success(), "{log}");
    for words in [
        "stays as it was",
        "unknown field `more`",
        "changes only with a start",
    ] {
        assert!(log.contains(words), "`{words}` is not in {log}");
    }
}

#[test]
fn the_published_schema_is_one() {
    let output = run(&["schema"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(schema["properties"]["rules"].is_object());
}

#[test]
fn every_token_request_is_a_line_of_json_in_the_log_of_those_who_want_it() {
    let program = Program::serve(&["--verbose", "--log-format", "json"]);
    let form =
        "grant_type=client_credentials&client_id=app&client_secret=hush&scope=api://x/.default";
    let address = program.http.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "POST /contoso.com/oauth2/v2.0/token HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         x-client-sku: MSAL.Python\r\nx-client-current-telemetry: 4|730,3|\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, log) = program.terminate();
    assert!(!log.contains("hush"), "{log}");
    let lines = log.lines().map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["fields"].clone()
    });
    let requests: Vec<_> = lines
        .filter(|fields| fields["message"] == "token request")
        .collect();
    assert_eq!(requests.len(), 1, "{log}");
    for (name, value) in [
        ("grant", "client_credentials"),
        ("client", "app"),
        ("sku", "msal_python"),
        ("cache_refresh_reason", "expired"),
    ] {
        assert_eq!(requests[0][name], value, "{name}");
    }
    assert_eq!(requests[0]["status"], 200);
}
