//! The CONNECT proxy: a client that believes to speak with Entra through it speaks with this
//! server.
//!
//! It can be no open proxy, because it opens no connection: a tunnel to one of Entra's login hosts
//! ends in this server, and any other is refused.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::config::Limits;
use crate::hosts::is_microsofts;

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// How long a client that was refused may go on talking before it is hung up on.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a client is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Malformed,
    TooLarge,
    TooSlow,
    NotConnect,
    Elsewhere,
}

impl Refusal {
    fn answer(self) -> String {
        let (status, words) = match self {
            Self::Malformed => ("400 Bad Request", "this is no request to a proxy\n"),
            Self::TooLarge => ("431 Request Header Fields Too Large", "too long\n"),
            Self::TooSlow => ("408 Request Timeout", "too slow\n"),
            Self::NotConnect => (
                "405 Method Not Allowed\r\nallow: CONNECT",
                "this proxy knows CONNECT alone\n",
            ),
            Self::Elsewhere => (
                "403 Forbidden",
                "this proxy leads to port 443 of Entra's login hosts, and nowhere else\n",
            ),
        };
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{words}",
            words.len()
        )
    }
}

/// Reads a client's request for a tunnel and answers it: whether to go on as the host at its end.
pub(crate) async fn admit(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    limits: &Limits,
) -> bool {
    let asked = timeout(limits.headers, read(stream, limits.header_bytes)).await;
    let refusal = match asked {
        Ok(None) => return false,
        Ok(Some(Ok(()))) => return stream.write_all(ESTABLISHED).await.is_ok(),
        Ok(Some(Err(refusal))) => refusal,
        Err(_) => Refusal::TooSlow,
    };
    tracing::debug!(?refusal, "the proxy refuses");
    // A client that is gone needs no answer. One that still talks would never see it if the
    // connection ended on unread bytes, so those are read first.
    let farewell = async {
        stream.write_all(refusal.answer().as_bytes()).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(64 * 1024), &mut tokio::io::sink()).await
    };
    let _ = timeout(FAREWELL, farewell).await;
    false
}

/// Nothing when the client left.
async fn read(stream: &mut (impl AsyncRead + Unpin), limit: usize) -> Option<Result<(), Refusal>> {
    let mut head = Vec::new();
    loop {
        let mut chunk = [0; 1024];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => head.extend_from_slice(&chunk[..length]),
        }
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            // Whoever talks on before the tunnel is there does not speak TLS.
            let is_all = end + 4 == head.len();
            return Some(if is_all {
                judge(&head[..end])
            } else {
                Err(Refusal::Malformed)
            });
        }
        if head.len() > limit {
            return Some(Err(Refusal::TooLarge));
        }
    }
}

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn leads_to_entra(head: &[u8]) -> bool {
    judge(head).is_ok()
}

/// Whether a request leads to one of Entra's hosts.
fn judge(head: &[u8]) -> Result<(), Refusal> {
    let head = std::str::from_utf8(head).map_err(|_| Refusal::Malformed)?;
    let line = head.split("\r\n").next().unwrap_or_default();
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::Malformed);
    };
    if !version.starts_with("HTTP/1.") {
        return Err(Refusal::Malformed);
    }
    if method != "CONNECT" {
        return Err(Refusal::NotConnect);
    }
    match target.to_ascii_lowercase().split_once(':') {
        Some((host, "443")) if is_microsofts(host) => Ok(()),
        _ => {
            tracing::info!(target, "the proxy leads to Entra's login hosts alone");
            Err(Refusal::Elsewhere)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_entras_login_hosts_are_behind_the_proxy() {
        for target in [
            "login.microsoftonline.com:443",
            "LOGIN.Microsoftonline.com:443",
            "sts.windows.net:443",
            "westus2.login.microsoft.com:443",
            "contoso.ciamlogin.com:443",
        ] {
            let head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}");
            assert_eq!(judge(head.as_bytes()), Ok(()), "{target}");
        }
        for target in [
            "example.com:443",
            "localhost:443",
            "127.0.0.1:443",
            "169.254.169.254:443",
            "[::1]:443",
            "login.microsoftonline.com:80",
            "login.microsoftonline.com:4430",
            "login.microsoftonline.com",
            "login.microsoftonline.com.:443",
            "login.microsoftonline.com.example.com:443",
            "evil-b2clogin.com:443",
            "a@login.microsoftonline.com:443",
            "",
        ] {
            let head = format!("CONNECT {target} HTTP/1.1\r\nHost: login.microsoftonline.com");
            assert_eq!(judge(head.as_bytes()), Err(Refusal::Elsewhere), "{target}");
        }
    }

    #[test]
    fn what_is_no_request_for_a_tunnel_is_refused() {
        for (head, refusal) in [
            (
                &b"GET http://login.microsoftonline.com/ HTTP/1.1"[..],
                Refusal::NotConnect,
            ),
            (
                b"connect login.microsoftonline.com:443 HTTP/1.1",
                Refusal::NotConnect,
            ),
            (b"CONNECT login.microsoftonline.com:443", Refusal::Malformed),
            (
                b"CONNECT login.microsoftonline.com:443 HTTP/2",
                Refusal::Malformed,
            ),
            (b"\x16\x03\x01", Refusal::Malformed),
            (b"\xff\xfe", Refusal::Malformed),
            (b"", Refusal::Malformed),
        ] {
            assert_eq!(judge(head), Err(refusal), "{head:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_or_never_ends_is_hung_up_on() {
        let limits = Limits {
            header_bytes: 8192,
            ..Limits::default()
        };
        for (said, expected) in [
            (Vec::new(), "HTTP/1.1 408 "),
            (vec![b'x'; 16_384], "HTTP/1.1 431 "),
            (
                b"CONNECT login.microsoftonline.com:443 HTTP/1.1\r\n\r\nX".to_vec(),
                "HTTP/1.1 400 ",
            ),
        ] {
            let (mut client, mut server) = tokio::io::duplex(32_768);
            client.write_all(&said).await.unwrap();
            assert!(!admit(&mut server, &limits).await, "{expected}");
            drop(server);
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with(expected), "{answer}");
        }
    }
}
