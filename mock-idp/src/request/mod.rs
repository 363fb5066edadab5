//! Who asks for a token, and why: what a token request says about itself, decoded once and used by
//! the ledger, the fault rules and the throttles.

mod sku;
mod telemetry;

use std::net::IpAddr;

use aws_lc_rs::digest;
use http::request::Parts;
use uuid::Uuid;

pub use self::sku::ClientSku;
pub(crate) use self::telemetry::Telemetry;
pub use self::telemetry::{ApiId, CacheRefreshReason};
use crate::directory::Directory;
use crate::directory::application::basic_credentials;
use crate::endpoint::Endpoint;
use crate::form::Form;
use crate::grant::grant_type;
use crate::ledger::GrantType;

/// No more of an id or a version than this is remembered.
const LONGEST_NAME: usize = 128;

/// The address of the client, put into a request's extensions by the listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// What a request says about itself. Holds no secret: assertions, codes and refresh tokens are
/// only in the digest that tells one subject from another.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    pub(crate) endpoint: Endpoint,
    /// What tells which tenant a name is of; its `Debug` shows no secret either.
    pub(crate) directory: Directory,
    /// The tenant's id, or one of the reserved names; what the path said when it is no tenant.
    pub(crate) tenant: String,
    /// Empty when the request names none.
    pub(crate) client_id: String,
    pub(crate) grant: GrantType,
    /// In order, each once.
    pub(crate) scopes: Vec<String>,
    pub(crate) sku: ClientSku,
    pub(crate) client_version: Option<String>,
    pub(crate) telemetry: Option<Telemetry>,
    pub(crate) correlation_id: Uuid,
    /// `None` for a request made in-process.
    pub(crate) peer: Option<IpAddr>,
    /// Equal for requests that ask for the same thing: tenant, client, grant, subject, scopes.
    pub(crate) identity: u128,
}

impl RequestContext {
    /// What a token request says, as far as its `form` could be read.
    pub(crate) fn of_token_request(
        directory: &Directory,
        tenant: &str,
        request: &Parts,
        form: Option<&Form>,
        correlation_id: Uuid,
    ) -> Self {
        let endpoint = Endpoint::Token;
        let mut context = Self::of_path(directory, endpoint, tenant, request, correlation_id);
        let parameter = |name| form.and_then(|form| form.get(name));
        let said = |header: &str, parameters: [&'static str; 2]| {
            let in_headers = request.headers.get(header);
            in_headers
                .and_then(|value| value.to_str().ok())
                .or_else(|| parameters.into_iter().find_map(parameter))
        };
        context.sku = ClientSku::parse(
            said("x-client-sku", ["x-client-SKU", "x-client-sku"]),
            request
                .headers
                .get(http::header::USER_AGENT)
                .and_then(|value| value.to_str().ok()),
        );
        context.client_version = said("x-client-ver", ["x-client-VER", "x-client-ver"]).map(short);
        let name = "x-client-current-telemetry";
        context.telemetry = said(name, [name, name]).and_then(Telemetry::parse);
        context.grant = form.map_or(GrantType::Other, grant_type);
        context.client_id = match parameter("client_id") {
            Some(id) => short(id),
            None => basic_credentials(&request.headers)
                .ok()
                .flatten()
                .map_or_else(String::new, |(id, _)| short(&id)),
        };
        context.scopes = parameter("scope")
            .into_iter()
            .chain(parameter("resource"))
            .flat_map(str::split_whitespace)
            .map(str::to_owned)
            .collect();
        context.scopes.sort_unstable();
        context.scopes.dedup();
        let subject = [
            "assertion",
            "refresh_token",
            "device_code",
            "code",
            "username",
        ]
        .into_iter()
        .find_map(parameter);
        context.identity = context.digest(subject.unwrap_or_default());
        context
    }

    /// What a machine says that asks for the token of its own identity, `client_id`; it names no
    /// grant, and proves itself by other things than clients do.
    pub(crate) fn of_machine_request(
        directory: &Directory,
        client_id: &str,
        request: &Parts,
        form: Option<&Form>,
        correlation_id: Uuid,
    ) -> Self {
        let tenant = directory.tenant_of_machines().to_string();
        let mut context = Self::of_token_request(directory, &tenant, request, form, correlation_id);
        context.endpoint = Endpoint::ManagedIdentity;
        context.grant = GrantType::ManagedIdentity;
        context.client_id = short(client_id);
        context.identity = context.digest("");
        context
    }

    /// What any other request says.
    pub(crate) fn of_path(
        directory: &Directory,
        endpoint: Endpoint,
        tenant: &str,
        request: &Parts,
        correlation_id: Uuid,
    ) -> Self {
        Self {
            endpoint,
            directory: directory.clone(),
            tenant: short(&directory.counted_tenant(tenant)),
            client_id: String::new(),
            grant: GrantType::Other,
            scopes: Vec::new(),
            sku: ClientSku::None,
            client_version: None,
            telemetry: None,
            correlation_id,
            peer: request.extensions.get::<Peer>().map(|peer| peer.0),
            identity: 0,
        }
    }

    /// Whether it was sent to the tenant of this name, an id, a domain or a reserved one.
    pub(crate) fn is_to(&self, tenant: &str) -> bool {
        self.directory.counted_tenant(tenant) == self.tenant
    }

    /// A short name of the set of scopes, the same in every run: 16 hexadecimal digits.
    pub(crate) fn scopes_hash(&self) -> String {
        let digest = digest::digest(&digest::SHA256, self.scopes.join(" ").as_bytes());
        digest.as_ref()[..8]
            .iter()
            .fold(String::with_capacity(16), |mut text, byte| {
                use std::fmt::Write as _;
                let _ = write!(text, "{byte:02x}");
                text
            })
    }

    fn digest(&self, subject: &str) -> u128 {
        let mut context = digest::Context::new(&digest::SHA256);
        let client_id = self.client_id.to_ascii_lowercase();
        let scopes = self.scopes.join(" ");
        for part in [
            self.tenant.as_str(),
            client_id.as_str(),
            self.grant.as_str(),
            subject,
            scopes.as_str(),
        ] {
            context.update(&part.len().to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut head = [0; 16];
        head.copy_from_slice(&context.finish().as_ref()[..16]);
        u128::from_le_bytes(head)
    }
}

/// As much of a name as is remembered.
fn short(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_NAME)
        .collect()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use http::Request;

    use super::*;

    fn context(headers: &[(&str, &str)], body: &str) -> RequestContext {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let form = Form::parse(body.as_bytes()).unwrap();
        let directory = &Directory::Open;
        RequestContext::of_token_request(directory, "contoso.com", &parts, Some(&form), Uuid::nil())
    }

    const CC: &str = "grant_type=client_credentials&client_id=App&scope=b%2F.default+a&scope2=x";

    #[test]
    fn headers_and_body_tell_the_same() {
        let python = context(
            &[
                ("x-client-sku", "MSAL.Python"),
                ("x-client-ver", "1.39.0"),
                ("x-client-current-telemetry", "4|730,2|"),
            ],
            CC,
        );
        let node = context(
            &[],
            &format!(
                "{CC}&x-client-SKU=msal.js.node&x-client-VER=7.2.1\
                 &x-client-current-telemetry=5%7C771%2C2%2C%2C%2C%7C%2C"
            ),
        );
        for (context, sku, version) in [
            (&python, ClientSku::MsalPython, "1.39.0"),
            (&node, ClientSku::MsalNode, "7.2.1"),
        ] {
            assert_eq!(context.sku, sku);
            assert_eq!(context.client_version.as_deref(), Some(version));
            let telemetry = context.telemetry.unwrap();
            assert_eq!(telemetry.api, ApiId::ClientCredentials);
            assert_eq!(telemetry.reason, CacheRefreshReason::NoCachedAccessToken);
            assert_eq!(context.scopes, ["a", "b/.default"]);
            assert_eq!(context.grant, GrantType::ClientCredentials);
        }
        assert_eq!(python.identity, node.identity);
        assert_eq!(python.scopes_hash(), node.scopes_hash());
        assert_eq!(python.scopes_hash().len(), 16);
    }

    #[test]
    fn a_client_id_may_come_in_a_basic_header() {
        let basic = base64::engine::general_purpose::STANDARD.encode("app:secret");
        let context = context(&[("authorization", &format!("Basic {basic}"))], "a=b");
        assert_eq!(context.client_id, "app");
    }

    #[test]
    fn requests_for_the_same_thing_have_one_identity() {
        let base = context(&[], CC).identity;
        for (body, same) in [
            (CC.replace("App", "app"), true),
            (CC.replace("b%2F.default+a", "a+b%2F.default"), true),
            (CC.replace("App", "other"), false),
            (CC.replace("b%2F.default+a", "a"), false),
            (CC.replace("client_credentials", "password"), false),
            (format!("{CC}&assertion=x"), false),
            (format!("{CC}&device_code=x"), false),
            (format!("{CC}&client_secret=x"), true),
        ] {
            assert_eq!(context(&[], &body).identity == base, same, "{body}");
        }
    }

    #[test]
    fn a_machine_is_known_by_its_identity_and_never_by_its_proof() {
        let machine = |client_id, proof: &str| {
            let proof = base64::engine::general_purpose::STANDARD.encode(proof);
            let request = Request::builder().header("authorization", format!("Basic {proof}"));
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let form = Form::parse(b"resource=api://x&username=x").unwrap();
            let form = Some(&form);
            let directory = &Directory::Open;
            RequestContext::of_machine_request(directory, client_id, &parts, form, Uuid::nil())
        };
        let one = machine("app", "one:1");
        assert_eq!(one.grant, GrantType::ManagedIdentity);
        assert_eq!(one.endpoint, Endpoint::ManagedIdentity);
        assert_eq!(one.client_id, "app");
        assert_eq!(one.scopes, ["api://x"]);
        assert_eq!(one.identity, machine("app", "two:2").identity);
        assert_ne!(one.identity, machine("other", "one:1").identity);
        assert_eq!(machine("", "one:1").client_id, "");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let long = "x".repeat(10_000);
        let context = context(&[("x-client-ver", &long)], &format!("client_id={long}"));
        assert_eq!(context.client_id.len(), LONGEST_NAME);
        assert_eq!(context.client_version.unwrap().len(), LONGEST_NAME);
    }
}
