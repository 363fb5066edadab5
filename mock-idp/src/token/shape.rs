//! How large tokens are, by what Entra's are like: presets with the claims and the length of
//! tokens that were measured.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Issue;
use crate::directory::id_of;
use crate::directory::user::User;
use crate::endpoint::Version;
use crate::random::Stream;

/// The claim that brings a token to its length.
const FILLER: &str = "xms_filler";

/// A signature and the dots.
const RSA_SIGNATURE: usize = 342 + 2;

/// An application's access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AppShape {
    /// As Entra's v2 tokens are: 1.3 kB.
    V2App,
    /// As a v1 token for Microsoft Graph is: 2.1 kB.
    V1App,
}

/// A user's access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UserShape {
    /// A v2 token with the optional claims: 2.9 kB.
    V2User,
    /// As a v1 token for Microsoft Graph is: 2.9 kB.
    V1User,
    /// The same with 50 groups: 5.4 kB.
    #[serde(rename = "groups-50")]
    Groups50,
    /// The same with 200 groups, as many as fit: 13.2 kB.
    #[serde(rename = "groups-200")]
    Groups200,
    /// The same with too many groups, so that the token says where to ask for them: 3.2 kB.
    Overage,
}

impl AppShape {
    /// The version of such tokens, whichever endpoint is asked.
    pub(crate) fn version(self) -> Version {
        match self {
            Self::V2App => Version::V2,
            Self::V1App => Version::V1,
        }
    }

    /// The length of the compact token, signed with RSA-2048.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::V2App => 1_324,
            Self::V1App => 2_051,
        }
    }

    /// What such tokens have besides what every token has.
    pub(crate) fn claims(self) -> Map<String, Value> {
        match self {
            Self::V2App => Map::new(),
            Self::V1App => object(json!({
                "app_displayname": "mock application",
                "tenant_region_scope": "NA",
                "wids": ["0997a1d0-0d1d-4acb-b408-d5ca73121e90"],
                "xms_idrel": "7 10",
                "xms_tcdt": 1_410_000_000,
            })),
        }
    }
}

impl UserShape {
    /// The version of such tokens; the endpoint's when it can be either.
    pub(crate) fn version(self) -> Option<Version> {
        match self {
            Self::V2User => Some(Version::V2),
            Self::V1User => Some(Version::V1),
            Self::Groups50 | Self::Groups200 | Self::Overage => None,
        }
    }

    /// The length of the compact token, signed with RSA-2048.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::V2User | Self::V1User => 2_891,
            Self::Groups50 => 5_434,
            Self::Groups200 => 13_234,
            Self::Overage => 3_200,
        }
    }

    /// What such tokens have besides what every token has.
    pub(crate) fn claims(self, issue: &Issue<'_>, user: &User) -> Map<String, Value> {
        let name = user.display_name();
        let mut claims = object(json!({
            "acct": 0,
            "email": user.name,
            "family_name": name,
            "given_name": name,
            "login_hint": format!("O.{}", URL_SAFE_NO_PAD.encode(&user.name)),
            "sid": id_of("session", &user.name),
            "tenant_region_scope": "NA",
            "wids": ["b79fbf4d-3ef9-4689-8143-76b194e85509"],
            "xms_idrel": "1 14",
            "xms_st": { "sub": user.subject_for(&issue.application.client_id) },
            "xms_tcdt": 1_410_000_000,
        }));
        let groups = match self {
            Self::V2User | Self::V1User => return claims,
            Self::Groups50 => 50,
            Self::Groups200 => 200,
            Self::Overage => {
                let overage = super::Groups::too_many(issue, user);
                if let Ok(Value::Object(overage)) = serde_json::to_value(overage) {
                    claims.extend(overage);
                }
                return claims;
            }
        };
        let groups: Vec<_> = (0..groups)
            .map(|number| id_of("group", &format!("{}/{number}", user.name)))
            .collect();
        claims.insert("groups".to_owned(), json!(groups));
        claims
    }
}

/// Random text that brings a token to a length. Random, because what a cache stores must not
/// compress to nothing.
pub(crate) struct Filler {
    /// Bytes of the payload.
    payload: usize,
    text: String,
}

impl Filler {
    /// For a compact token of this length; its random text comes from `ids`.
    pub(crate) fn to(length: usize, version: Version, ids: &Stream) -> Self {
        // `{"typ":"JWT","alg":"RS256","kid":"<27>"}`, and `"x5t":"<27>",` in v1.
        let header = match version {
            Version::V1 => 136,
            Version::V2 => 88,
        };
        let payload = length.saturating_sub(header + RSA_SIGNATURE) * 3 / 4;
        let mut bytes = vec![0; payload * 3 / 4];
        ids.draw(|generator| generator.fill_bytes(&mut bytes));
        Self {
            payload,
            text: URL_SAFE_NO_PAD.encode(bytes),
        }
    }

    /// The claim to add to a payload of this length; none when it is long enough.
    pub(crate) fn claim(&self, length: usize) -> Option<(String, Value)> {
        // `,"":""` and the name itself.
        let room = self.payload.checked_sub(length + FILLER.len() + 6)?;
        let text = self.text.get(..room)?;
        Some((FILLER.to_owned(), json!(text)))
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
