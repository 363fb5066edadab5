//! What goes wrong, when a rule says so.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forgery::Forgery;
use super::latency::Latency;
use crate::aadsts;
use crate::duration::as_text;

/// What a rule does to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Entra's error of this number, with the status and OAuth error it comes with there.
    Aadsts {
        /// Such as 50196.
        code: u32,
        /// Such as `basic_action`; the code's own when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        suberror: Option<String>,
        /// A claims challenge, as JSON text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claims: Option<String>,
        /// When to come again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<RetryAfter>,
    },
    /// This status, with a JSON error that has no AADSTS code.
    Status {
        /// 400 to 599.
        status: u16,
        /// When to come again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<RetryAfter>,
    },
    /// An HTML page with this status, as a gateway sends it.
    HtmlPage {
        /// 200 to 599.
        status: u16,
        /// When to come again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<RetryAfter>,
    },
    /// The right answer, whose tokens are wrong.
    ForgedToken {
        /// What is wrong with them.
        forgery: Forgery,
    },
    /// The right answer, whose body ends in its middle.
    TruncatedBody,
    /// The right answer, whose body takes this long to arrive.
    SlowBody {
        /// From the headers to the last byte.
        #[serde(with = "as_text")]
        #[schemars(with = "String")]
        over: Duration,
    },
    /// Answers later than the endpoint's latency alone would.
    Latency {
        /// By how much.
        #[serde(with = "as_text")]
        #[schemars(with = "String")]
        add: Latency,
    },
    /// The request is read, and the connection reset. In-process, an empty answer of status 444.
    ResetAfterRequest,
    /// The connection is reset as soon as it is accepted. Matches no condition on requests.
    ResetOnConnect,
    /// The TLS handshake is refused. Matches no condition on requests.
    TlsFailure,
    /// The TLS handshake is left unanswered for this long. Matches no condition on requests.
    TlsStall {
        /// Until the connection is closed.
        #[serde(rename = "for", with = "as_text")]
        #[schemars(with = "String")]
        time: Duration,
    },
}

/// The value of a `Retry-After` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// Whole seconds from now.
    Seconds(u32),
    /// A date this many seconds from now, which MSAL for Python does not understand.
    Date(u32),
}

/// The kinds of faults, as counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// [`Fault::Aadsts`]
    Aadsts,
    /// [`Fault::Status`]
    Status,
    /// [`Fault::HtmlPage`]
    HtmlPage,
    /// [`Fault::ForgedToken`]
    ForgedToken,
    /// [`Fault::TruncatedBody`]
    TruncatedBody,
    /// [`Fault::SlowBody`]
    SlowBody,
    /// [`Fault::Latency`]
    Latency,
    /// [`Fault::ResetAfterRequest`]
    ResetAfterRequest,
    /// [`Fault::ResetOnConnect`]
    ResetOnConnect,
    /// [`Fault::TlsFailure`]
    TlsFailure,
    /// [`Fault::TlsStall`]
    TlsStall,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Aadsts,
        Self::Status,
        Self::HtmlPage,
        Self::ForgedToken,
        Self::TruncatedBody,
        Self::SlowBody,
        Self::Latency,
        Self::ResetAfterRequest,
        Self::ResetOnConnect,
        Self::TlsFailure,
        Self::TlsStall,
    ];

    /// The name in rules and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aadsts => "aadsts",
            Self::Status => "status",
            Self::HtmlPage => "html_page",
            Self::ForgedToken => "forged_token",
            Self::TruncatedBody => "truncated_body",
            Self::SlowBody => "slow_body",
            Self::Latency => "latency",
            Self::ResetAfterRequest => "reset_after_request",
            Self::ResetOnConnect => "reset_on_connect",
            Self::TlsFailure => "tls_failure",
            Self::TlsStall => "tls_stall",
        }
    }
}

/// What of a connection or an exchange a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Any new connection.
    Connection,
    /// A new connection that begins with TLS.
    Handshake,
    /// A request, answered by the fault alone.
    Request,
    /// A request, answered rightly but badly.
    Answer,
    /// A request, answered late.
    Pace,
}

impl Fault {
    /// Its kind.
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Aadsts { .. } => FaultKind::Aadsts,
            Self::Status { .. } => FaultKind::Status,
            Self::HtmlPage { .. } => FaultKind::HtmlPage,
            Self::ForgedToken { .. } => FaultKind::ForgedToken,
            Self::TruncatedBody => FaultKind::TruncatedBody,
            Self::SlowBody { .. } => FaultKind::SlowBody,
            Self::Latency { .. } => FaultKind::Latency,
            Self::ResetAfterRequest => FaultKind::ResetAfterRequest,
            Self::ResetOnConnect => FaultKind::ResetOnConnect,
            Self::TlsFailure => FaultKind::TlsFailure,
            Self::TlsStall { .. } => FaultKind::TlsStall,
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        match self {
            Self::ResetOnConnect => Stage::Connection,
            Self::TlsFailure | Self::TlsStall { .. } => Stage::Handshake,
            Self::Aadsts { .. }
            | Self::Status { .. }
            | Self::HtmlPage { .. }
            | Self::ResetAfterRequest => Stage::Request,
            Self::ForgedToken { .. } | Self::TruncatedBody | Self::SlowBody { .. } => Stage::Answer,
            Self::Latency { .. } => Stage::Pace,
        }
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn validate(&self) -> Result<(), String> {
        match self {
            Self::Aadsts { code, .. } if aadsts::find(*code).is_none() => {
                Err(format!("AADSTS{code} is not in the catalogue"))
            }
            Self::Aadsts {
                claims: Some(claims),
                ..
            } if !serde_json::from_str(claims)
                .is_ok_and(|claims: serde_json::Value| claims.is_object()) =>
            {
                Err("`claims` must be the text of a JSON object".to_owned())
            }
            Self::Status { status, .. } if !(400..600).contains(status) => {
                Err(format!("{status} is no status of an error; 400 to 599 are"))
            }
            Self::HtmlPage { status, .. } if !(200..600).contains(status) => Err(format!(
                "{status} is no status of an answer; 200 to 599 are"
            )),
            Self::Latency { add } => add.validate().map_err(|error| error.to_string()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_written_in_one_form() {
        for text in [
            r#"{"kind":"aadsts","code":50196}"#,
            r#"{"kind":"aadsts","code":50076,"suberror":"basic_action","claims":"{}"}"#,
            r#"{"kind":"status","status":503}"#,
            r#"{"kind":"status","status":429,"retry_after":{"seconds":3}}"#,
            r#"{"kind":"html_page","status":503,"retry_after":{"date":3}}"#,
            r#"{"kind":"forged_token","forgery":"missing_tenant"}"#,
            r#"{"kind":"truncated_body"}"#,
            r#"{"kind":"slow_body","over":"5s"}"#,
            r#"{"kind":"latency","add":"fixed:20ms"}"#,
            r#"{"kind":"reset_after_request"}"#,
            r#"{"kind":"reset_on_connect"}"#,
            r#"{"kind":"tls_failure"}"#,
            r#"{"kind":"tls_stall","for":"1m"}"#,
        ] {
            let fault: Fault =
                serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(serde_json::to_string(&fault).unwrap(), text);
            assert_eq!(fault.validate(), Ok(()), "{text}");
            let kind = serde_json::to_value(&fault).unwrap()["kind"].clone();
            assert_eq!(kind, fault.kind().as_str());
            assert_eq!(serde_json::to_value(fault.kind()).unwrap(), kind);
        }
    }

    #[test]
    fn impossible_faults_are_refused() {
        for text in [
            r#"{"kind":"aadsts","code":1}"#,
            r#"{"kind":"aadsts","code":50076,"claims":"no"}"#,
            r#"{"kind":"status","status":200}"#,
            r#"{"kind":"status","status":99}"#,
            r#"{"kind":"html_page","status":600}"#,
        ] {
            let fault: Fault = serde_json::from_str(text).unwrap();
            assert!(fault.validate().is_err(), "{text}");
        }
        for text in [
            r#"{"kind":"magic"}"#,
            r#"{"kind":"status"}"#,
            r#"{"kind":"status","status":503,"retry":1}"#,
            r#"{"kind":"slow_body","over":5}"#,
            r#"{"kind":"latency","add":"fixed"}"#,
        ] {
            assert!(serde_json::from_str::<Fault>(text).is_err(), "{text}");
        }
    }
}
