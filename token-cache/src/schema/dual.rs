//! Export for every SDK. No single entry for an application's token is found
//! by MSAL Python and by MSAL Node: two entries in one blob are, and MSAL.NET
//! takes them for one, since it prefers the cloud's own cache host.

use serde_json::{Map, Value, json};

use super::{Escaping, write_with};
use crate::partition::Partition;

/// Writes a partition so that MSAL.NET, Python and Node all find the
/// application's tokens in it. `authority_host` is the host that Python is
/// configured with, such as `login.microsoftonline.com`. Other entries are
/// written as always, on-behalf-of ones with Node's name for the assertion's
/// hash beside MSAL's.
pub fn write_for_every_sdk(partition: &Partition, authority_host: &str) -> Vec<u8> {
    let plain = write_with(partition, Escaping::Newtonsoft);
    let Ok(Value::Object(mut root)) = serde_json::from_slice(&plain) else {
        return plain;
    };
    if let Some(Value::Object(section)) = root.get_mut("AccessToken") {
        *section = std::mem::take(section)
            .into_iter()
            .flat_map(|(key, item)| in_two(key, item, authority_host))
            .collect();
    }
    Escaping::Newtonsoft.to_json(&Value::Object(root), plain.len() * 2)
}

/// An entry as the entries that stand for it.
fn in_two(key: String, item: Value, authority_host: &str) -> Vec<(String, Value)> {
    let Value::Object(mut item) = item else {
        return vec![(key, item)];
    };
    item.entry("token_type").or_insert(json!("Bearer"));
    if let Some(hash) = item.get("user_assertion_hash").cloned() {
        item.entry("userAssertionHash").or_insert(hash);
    }
    if item.contains_key("home_account_id") {
        return vec![(key, Value::Object(item))];
    }
    let member = |item: &Map<String, Value>, name: &str| {
        item.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let environment = member(&item, "environment");
    let mut for_python = item.clone();
    for_python.insert("home_account_id".into(), Value::Null);
    for_python.insert("environment".into(), json!(authority_host));
    item.insert("home_account_id".into(), json!(""));
    let python_key = key.replacen(
        &format!("-{environment}-").to_lowercase(),
        &format!("-{authority_host}-"),
        1,
    );
    vec![
        (python_key, Value::Object(for_python)),
        (format!("{key}-"), Value::Object(item)),
    ]
}
