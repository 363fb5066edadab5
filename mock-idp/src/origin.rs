//! Where the server was addressed: everything it says about itself is built on that.

use std::fmt;

use http::header::HOST;
use http::request::Parts;

use crate::runs::RunPath;

/// How the connection a request came on is secured. The listener puts it into the request's
/// extensions; a request made in-process without one counts as `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// Plain.
    Http,
    /// TLS.
    #[default]
    Https,
}

impl Scheme {
    /// As URLs spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Scheme, host and port of a request, such as `https://localhost:8443`, and the path of its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: Scheme,
    authority: String,
    /// Where on the server, such as `/run/one`; empty at its root.
    path: String,
}

impl Origin {
    /// The origin a request names. `None` when it names none or one that cannot be a host.
    pub(crate) fn of(request: &Parts) -> Option<Self> {
        let scheme = request
            .extensions
            .get::<Scheme>()
            .copied()
            .unwrap_or_default();
        let run = request.extensions.get::<RunPath>();
        let authority = match request.uri.authority() {
            Some(authority) => authority.as_str(),
            None => request.headers.get(HOST)?.to_str().ok()?,
        };
        let default_port = match scheme {
            Scheme::Http => ":80",
            Scheme::Https => ":443",
        };
        let authority = authority.strip_suffix(default_port).unwrap_or(authority);
        is_authority(authority).then(|| Self {
            scheme,
            authority: authority.to_ascii_lowercase(),
            path: run.map_or_else(String::new, |RunPath(path)| path.to_string()),
        })
    }

    /// This machine, under the name that its certificate and people know it by.
    pub(crate) fn local(scheme: Scheme, port: u16) -> Self {
        let authority = match (scheme, port) {
            (Scheme::Http, 80) | (Scheme::Https, 443) => "localhost".to_owned(),
            _ => format!("localhost:{port}"),
        };
        Self {
            scheme,
            authority,
            path: String::new(),
        }
    }

    /// The same server, in a run.
    pub(crate) fn in_run(&self, name: &str) -> Self {
        Self {
            path: format!("/run/{name}"),
            ..self.clone()
        }
    }

    /// Host and port; the port only when it is not the scheme's own.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Where on the server, such as `/run/one`; empty at its root.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The host alone; an IPv6 address in its brackets.
    pub(crate) fn host(&self) -> &str {
        host_of(&self.authority)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scheme,
            authority,
            path,
        } = self;
        write!(f, "{}://{authority}{path}", scheme.as_str())
    }
}

/// An authority without its port.
pub(crate) fn host_of(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    }
}

fn is_authority(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (1..=255).contains(&text.len()) && text.bytes().all(allowed) && !host_of(text).is_empty()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn origin(host: Option<&str>, scheme: Scheme) -> Option<String> {
        let mut request = Request::builder().uri("/").extension(scheme);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Origin::of(&parts).map(|origin| origin.to_string())
    }

    #[test]
    fn an_origin_is_what_the_client_typed() {
        for (host, scheme, expected) in [
            (
                Some("localhost:8443"),
                Scheme::Https,
                Some("https://localhost:8443"),
            ),
            (
                Some("LOGIN.microsoftonline.com"),
                Scheme::Https,
                Some("https://login.microsoftonline.com"),
            ),
            (
                Some("localhost:443"),
                Scheme::Https,
                Some("https://localhost"),
            ),
            (
                Some("localhost:443"),
                Scheme::Http,
                Some("http://localhost:443"),
            ),
            (Some("[::1]:80"), Scheme::Http, Some("http://[::1]")),
            (Some("evil\"><script>"), Scheme::Https, None),
            (Some(":443"), Scheme::Https, None),
            (Some("user@host"), Scheme::Https, None),
            (None, Scheme::Https, None),
        ] {
            assert_eq!(origin(host, scheme).as_deref(), expected, "{host:?}");
        }
    }

    #[test]
    fn the_host_is_the_authority_without_its_port() {
        assert_eq!(host_of("localhost:1"), "localhost");
        assert_eq!(host_of("[::1]:1"), "[::1]");
        assert_eq!(host_of("[::1]"), "[::1]");
        assert_eq!(host_of("localhost"), "localhost");
    }
}
