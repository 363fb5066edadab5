//! The examples, run as a newcomer would, against a mock-idp of this test's own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mock_idp::{Config, Server};

/// A directory that is removed when dropped.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in the temporary directory harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running example; killed when dropped.
struct Example(Child);

impl Drop for Example {
    fn drop(&mut self) {
        // It has mostly ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Example {
    /// Cargo builds examples beside the tests.
    fn start(name: &str, server: &Server) -> Self {
        let tests = std::env::current_exe().unwrap();
        let built = tests.parent().and_then(Path::parent).unwrap();
        let program = built.join("examples").join(name);
        assert!(
            program.exists(),
            "`{}` is not built\nhint: cargo build -p token-client --examples",
            program.display()
        );
        let child = Command::new(program)
            .arg(format!(
                "https://localhost:{}",
                server.https_addr().unwrap().port()
            ))
            .arg(server.ca_certificate().unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn first_line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        line.trim().to_owned()
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Whether it succeeded, and what it printed from here on: output and errors.
    fn end(mut self) -> (bool, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        drop(self.0.stdin.take());
        let (stdout, stderr) = (self.0.stdout.take(), self.0.stderr.take());
        stdout.unwrap().read_to_string(&mut out).unwrap();
        stderr.unwrap().read_to_string(&mut err).unwrap();
        (self.0.wait().unwrap().success(), out, err)
    }

    /// What it printed from here on, up to where times are.
    fn finish(self) -> Vec<String> {
        let (succeeded, out, err) = self.end();
        assert!(succeeded, "{out}\n{err}");
        let lines = out.lines();
        lines
            .map(|line| line.split(" in ").next().unwrap_or(line).to_owned())
            .collect()
    }
}

async fn with_server(test: impl FnOnce(&Server) + Send + 'static) {
    let scratch = Scratch(std::env::temp_dir().join(format!("examples-{}", uuid::Uuid::new_v4())));
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config {
        data_dir: Some(scratch.0.clone()),
        https: Some(free),
        http: Some(free),
        ..Config::default()
    };
    let server = Server::start(config).await.unwrap();
    let (server, ended) = tokio::task::spawn_blocking(move || {
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&server)));
        (server, ended)
    })
    .await
    .unwrap();
    server.stop().await;
    drop(scratch);
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

/// One request in plain HTTP, and the whole answer.
fn exchange(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.http_addr().unwrap()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Signs the user in, as their browser would, and gives where it is sent.
fn visit(server: &Server, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = exchange(server, &request);
    answer
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .starts_with("location: ")
                .then(|| line[10..].trim().to_owned())
        })
        .unwrap_or_else(|| panic!("no redirect: {answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_asks_once_and_again_when_forced() {
    with_server(|server| {
        assert_eq!(
            Example::start("daemon", server).finish(),
            [
                "first: from identity_provider (no_cached_access_token)",
                "second: from cache (not_applicable)",
                "forced: from identity_provider (force_refresh_or_claims)"
            ]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_web_app_signs_a_user_in_acts_for_them_and_signs_them_out() {
    with_server(|server| {
        let mut app = Example::start("web_app", server);
        let line = app.first_line();
        let url = line.strip_prefix("open ").unwrap();
        let path = url.splitn(4, '/').nth(3).unwrap();
        app.tell(&visit(server, &format!("/{path}")));
        assert_eq!(
            app.finish(),
            [
                "signed in: from identity_provider (not_applicable)",
                "silently: from cache (not_applicable)",
                "signed out: no_tokens_found"
            ]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_web_api_acts_for_its_caller_and_goes_on_in_a_session() {
    with_server(|server| {
        let api = "0b5c2b6e-0003-4000-8000-000000000a91";
        let query = format!(
            "client_id=front-end&response_type=code&redirect_uri=https%3A%2F%2Flocalhost%2Fx\
             &scope=api%3A%2F%2F{api}%2Faccess_as_user&login_hint=ann%40contoso.com"
        );
        let landed = visit(
            server,
            &format!("/contoso.com/oauth2/v2.0/authorize?{query}"),
        );
        let code = landed
            .split("code=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap();
        let body = format!(
            "client_id=front-end&client_secret=x&grant_type=authorization_code&code={code}\
             &redirect_uri=https%3A%2F%2Flocalhost%2Fx&scope=api%3A%2F%2F{api}%2Faccess_as_user"
        );
        let answer = exchange(
            server,
            &format!(
                "POST /contoso.com/oauth2/v2.0/token HTTP/1.1\r\nHost: localhost\r\n\
                 Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        );
        let token = answer
            .split("\"access_token\":\"")
            .nth(1)
            .unwrap_or_else(|| panic!("{answer}"))
            .split('"')
            .next()
            .unwrap();
        let mut web_api = Example::start("web_api", server);
        web_api.tell(token);
        assert_eq!(
            web_api.finish(),
            [
                "first call: from identity_provider (no_cached_access_token)",
                "second call: from cache (not_applicable)",
                "session begun: from identity_provider (not_applicable)",
                "in the session: from cache (not_applicable)"
            ]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_that_fails_says_why_in_words() {
    with_server(|server| {
        let mut web_api = Example::start("web_api", server);
        web_api.tell("no token");
        let (succeeded, _, err) = web_api.end();
        assert!(!succeeded);
        assert!(
            err.contains("Error: the identity provider gave no token"),
            "{err}"
        );
        assert!(err.contains("AADSTS50013"), "{err}");
        assert!(!err.contains("AcquireError {"), "{err}");
    })
    .await;
}
