//! Just enough HTTP to talk to servers on this machine.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Status line and body of an answer; `None` when nobody listens.
pub(crate) fn ask(address: &str, head: &str, body: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let length = body.len();
    write!(
        stream,
        "{head} HTTP/1.0\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.lines().next().unwrap_or_default();
    Some((status.to_owned(), body.to_owned()))
}

pub(crate) fn get(address: &str, path: &str) -> Option<String> {
    let (status, body) = ask(address, &format!("GET {path}"), "")?;
    status.contains(" 200 ").then_some(body)
}

/// For query strings.
pub(crate) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
