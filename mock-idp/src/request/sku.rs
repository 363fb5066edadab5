//! Which client library asks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A client library, as far as it says so: most in `x-client-SKU`, as a header or in the body, the
/// Azure SDK for Rust only in its user agent.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ClientSku {
    /// MSAL for Python.
    MsalPython,
    /// msal-node.
    MsalNode,
    /// msal-browser.
    MsalBrowser,
    /// MSAL Go.
    MsalGo,
    /// MSAL.NET on any platform.
    MsalNet,
    /// MSAL4J.
    MsalJava,
    /// `azure_identity` for Rust.
    AzureIdentityRust,
    /// This project's own client.
    TokenClient,
    /// One that is not in this list.
    Other,
    /// The request does not say.
    None,
}

impl ClientSku {
    /// Every client known.
    pub const ALL: [Self; 10] = [
        Self::MsalPython,
        Self::MsalNode,
        Self::MsalBrowser,
        Self::MsalGo,
        Self::MsalNet,
        Self::MsalJava,
        Self::AzureIdentityRust,
        Self::TokenClient,
        Self::Other,
        Self::None,
    ];

    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MsalPython => "msal_python",
            Self::MsalNode => "msal_node",
            Self::MsalBrowser => "msal_browser",
            Self::MsalGo => "msal_go",
            Self::MsalNet => "msal_net",
            Self::MsalJava => "msal_java",
            Self::AzureIdentityRust => "azure_identity_rust",
            Self::TokenClient => "token_client",
            Self::Other => "other",
            Self::None => "none",
        }
    }

    pub(super) fn parse(sku: Option<&str>, user_agent: Option<&str>) -> Self {
        let Some(sku) = sku else {
            let is_rust = user_agent.is_some_and(|agent| agent.contains("azsdk-rust-identity"));
            return if is_rust {
                Self::AzureIdentityRust
            } else {
                Self::None
            };
        };
        match sku.to_ascii_lowercase().as_str() {
            "msal.python" => Self::MsalPython,
            "msal.js.node" => Self::MsalNode,
            "msal.js.browser" => Self::MsalBrowser,
            "msal.go" => Self::MsalGo,
            "msal.java" => Self::MsalJava,
            "token-client" => Self::TokenClient,
            // MSAL.NET names the platform it was built for.
            "msal.netcore" | "msal.coreclr" | "msal.desktop" | "msal.netstandard" => Self::MsalNet,
            sku if sku.starts_with("msal.net") || sku.starts_with("msal.xamarin") => Self::MsalNet,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_known_by_their_sku_or_user_agent() {
        for (sku, agent, expected) in [
            (Some("MSAL.Python"), None, ClientSku::MsalPython),
            (Some("msal.js.node"), None, ClientSku::MsalNode),
            (Some("msal.js.browser"), None, ClientSku::MsalBrowser),
            (Some("MSAL.Go"), None, ClientSku::MsalGo),
            (Some("MSAL.NetCore"), None, ClientSku::MsalNet),
            (Some("MSAL.Desktop"), None, ClientSku::MsalNet),
            (Some("MSAL.Java"), None, ClientSku::MsalJava),
            (Some("token-client"), None, ClientSku::TokenClient),
            (Some("MSAL.Python2"), None, ClientSku::Other),
            (Some(""), None, ClientSku::Other),
            (
                None,
                Some("azsdk-rust-identity/1.0.0 (1.95; linux)"),
                ClientSku::AzureIdentityRust,
            ),
            (None, Some("curl/8"), ClientSku::None),
            (None, None, ClientSku::None),
        ] {
            assert_eq!(ClientSku::parse(sku, agent), expected, "{sku:?} {agent:?}");
        }
    }

    #[test]
    fn names_are_those_of_reports() {
        for sku in ClientSku::ALL {
            assert_eq!(serde_json::to_value(sku).unwrap(), sku.as_str());
        }
    }
}
