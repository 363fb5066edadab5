//! What the pages for people have in common: their looks, and what a browser may do with them.

use axum::response::Response;
use http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, StatusCode};

use super::reply;

/// Nothing is loaded, nothing runs, and forms come back here.
const STAYS: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// The same for a page whose form is answered with a way to the application: browsers would apply
/// `form-action` to that too, and to wherever the application leads on.
const LEADS_ON: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
);

/// The one script there is, and a policy that allows it by its hash.
const SUBMIT: &str = "document.forms[0].submit()";
const SUBMITS: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'sha256-ePniVEkSivX/c7XWBGafqh8tSpiRrKiqYeqbG7N1TOE='; frame-ancestors 'none'; base-uri 'none'",
);

const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#eef1f5;--card:#fff;--ink:#1b1f24;--quiet:#57606a;--line:#8c959f;--accent:#0b5cad;--bad:#b3261e}\
@media(prefers-color-scheme:dark){:root{--ground:#0f1318;--card:#1b2027;--ink:#e8ecf1;--quiet:#a3adb8;--line:#6b7683;--accent:#6cb2ff;--bad:#ff8a80}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}\
main{width:100%;max-width:27.5rem;background:var(--card);border-radius:.5rem;padding:2.5rem;box-shadow:0 2px 12px #0003}\
.brand{margin:0 0 1.25rem;color:var(--quiet);font-size:.9rem}.brand b{color:var(--ink)}\
h1{margin:0 0 1rem;font-size:1.5rem;line-height:1.25;font-weight:600}\
p{margin:0 0 1rem;overflow-wrap:anywhere}ul{margin:0 0 1rem;padding-left:1.2rem}li{margin:.25rem 0;overflow-wrap:anywhere}\
label{display:block;margin:0 0 1rem;font-size:.9rem;color:var(--quiet)}\
input{display:block;width:100%;margin-top:.25rem;padding:.55rem .65rem;font:inherit;font-size:1rem;color:var(--ink);background:var(--card);border:1px solid var(--line);border-radius:.25rem}\
.buttons{display:flex;flex-direction:row-reverse;gap:.75rem;margin-top:1.5rem}\
button{min-width:6.5rem;padding:.55rem 1rem;font:inherit;color:var(--ink);background:none;border:1px solid var(--line);border-radius:.25rem;cursor:pointer}\
button.first{color:var(--card);background:var(--accent);border-color:var(--accent);font-weight:600}\
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}\
[role=alert]{color:var(--bad)}.quiet{color:var(--quiet);font-size:.9rem}code{font-size:.95em}";

/// A page with this title and body; what of the body came from outside must be escaped already.
pub(super) fn page(status: StatusCode, title: &str, body: &str) -> Response {
    with_policy(status, title, body, STAYS)
}

/// A page whose form leads back to the application.
pub(super) fn page_on_the_way(status: StatusCode, title: &str, body: &str) -> Response {
    with_policy(status, title, body, LEADS_ON)
}

fn with_policy(status: StatusCode, title: &str, body: &str, policy: HeaderValue) -> Response {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head>\n\
         <body><main><p class=\"brand\"><b>mock-idp</b>, in place of Microsoft Entra ID</p>\n\
         <h1>{title}</h1>\n{body}\n</main></body></html>\n"
    );
    guarded(reply::html(status, page), policy)
}

/// A page that posts these parameters to an application, by itself where scripts run.
pub(super) fn posting_page(action: &str, parameters: &[(&'static str, String)]) -> Response {
    let mut fields = String::new();
    for (name, value) in parameters {
        fields.push_str("<input type=\"hidden\" name=\"");
        fields.push_str(name);
        fields.push_str("\" value=\"");
        fields.push_str(&escape(value));
        fields.push_str("\">");
    }
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Working...</title>\
         </head><body><form method=\"POST\" action=\"{}\">{fields}\
         <noscript><button>Continue</button></noscript></form>\
         <script>{SUBMIT}</script></body></html>\n",
        escape(action)
    );
    guarded(reply::html(StatusCode::OK, page), SUBMITS)
}

fn guarded(mut response: Response, policy: HeaderValue) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// What went wrong, for a person to read; nothing when nothing did.
pub(super) fn problem(words: &str) -> String {
    if words.is_empty() {
        String::new()
    } else {
        format!("<p role=\"alert\">{}</p>\n", escape(words))
    }
}

/// Text as HTML shows it, in elements and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn text_cannot_leave_its_place() {
        assert_eq!(
            escape("\"><script>&'"),
            "&quot;&gt;&lt;script&gt;&amp;&#39;"
        );
    }

    #[test]
    fn the_policy_allows_the_one_script() {
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, SUBMIT.as_bytes()));
        let policy = SUBMITS.to_str().unwrap().to_owned();
        assert!(policy.contains(&format!("'sha256-{hash}'")), "{hash}");
    }

    #[test]
    fn pages_load_nothing_from_elsewhere() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("http"));
    }
}
