//! The connection string that Azure's portal shows, and what else a store has to be
//! told: `AccountEndpoint=..;AccountKey=..;Database=..;Container=..;Region=..`.

use std::time::Duration;

use super::CosmosOptions;
use crate::error::StoreError;
use crate::secret::Secret;

const ENDPOINT: &str = "AccountEndpoint";
const KEY: &str = "AccountKey";
const DATABASE: &str = "Database";
const CONTAINER: &str = "Container";
const REGION: &str = "Region";
const CREATE: &str = "CreateIfNotExists";

const KNOWN: [&str; 6] = [ENDPOINT, KEY, DATABASE, CONTAINER, REGION, CREATE];

/// What an operation may take, as the stores over a connection have it.
const TIMEOUT: Duration = Duration::from_secs(1);

impl CosmosOptions {
    /// Reads a connection string: the account's own two words and where in it the
    /// entries are. Names are told apart without regard to case; `CreateIfNotExists`
    /// is `false` unless it says `true`; an operation may take a second.
    ///
    /// # Errors
    ///
    /// When a word is missing, stands twice, is none of these, or has no value. The
    /// message never repeats a value.
    ///
    /// ```
    /// use token_cache::store::CosmosOptions;
    ///
    /// let options = CosmosOptions::from_connection_string(
    ///     "AccountEndpoint=https://lab.documents.azure.com:443/;AccountKey=c2VjcmV0;\
    ///      Database=cache;Container=tokens;Region=East US",
    /// )
    /// .unwrap();
    /// assert_eq!(options.container, "tokens");
    /// assert!(!options.create);
    /// ```
    pub fn from_connection_string(text: &str) -> Result<Self, StoreError> {
        let mut values: [Option<&str>; KNOWN.len()] = [None; KNOWN.len()];
        for pair in text
            .split(';')
            .map(str::trim)
            .filter(|pair| !pair.is_empty())
        {
            // A key ends in `=`: only the first one parts name and value.
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place = KNOWN
                .iter()
                .position(|known| known.eq_ignore_ascii_case(name.trim()));
            let place = place.ok_or_else(unknown)?;
            let value = value.trim();
            if value.is_empty() || values[place].replace(value).is_some() {
                return Err(once(KNOWN[place]));
            }
        }
        let value = |name: &str| {
            let place = KNOWN.iter().position(|known| *known == name);
            place.and_then(|place| values[place])
        };
        let required = |name: &str| value(name).map(str::to_owned).ok_or_else(|| once(name));
        Ok(Self {
            endpoint: required(ENDPOINT)?,
            key: Secret::new(required(KEY)?),
            region: required(REGION)?,
            database: required(DATABASE)?,
            container: required(CONTAINER)?,
            create: match value(CREATE) {
                Some(word) if word.eq_ignore_ascii_case("true") => true,
                Some(word) if !word.eq_ignore_ascii_case("false") => {
                    return Err(StoreError::new(format!(
                        "`{CREATE}` of a Cosmos connection string is `true` or `false`"
                    )));
                }
                _ => false,
            },
            timeout: TIMEOUT,
        })
    }
}

/// The name is not told: what should have been a value may stand there.
fn unknown() -> StoreError {
    StoreError::new(format!(
        "a Cosmos connection string has a part that is none of `{}`",
        KNOWN.join("`, `")
    ))
}

fn once(name: &str) -> StoreError {
    StoreError::new(format!(
        "a Cosmos connection string has `{name}=` once, with a value"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "AccountEndpoint=https://lab.documents.azure.com:443/;\
                         AccountKey=c2VjcmV0LWtleQ==;Database=cache;Container=tokens;Region=East US";

    fn read(text: &str) -> Result<CosmosOptions, String> {
        CosmosOptions::from_connection_string(text).map_err(|error| error.reason)
    }

    #[test]
    fn a_whole_connection_string_says_everything() {
        for text in [
            format!("{WHOLE};CreateIfNotExists=True;"),
            format!(
                " ;{} ; createifnotexists = TRUE",
                WHOLE.replace("Acc", "acc")
            ),
        ] {
            let options = read(&text).unwrap();
            assert_eq!(options.endpoint, "https://lab.documents.azure.com:443/");
            assert_eq!(options.key.expose(), "c2VjcmV0LWtleQ==");
            assert_eq!(options.database, "cache");
            assert_eq!(options.container, "tokens");
            assert_eq!(options.region, "East US");
            assert!(options.create, "{text}");
        }
        assert!(!read(WHOLE).unwrap().create);
        let no = format!("{WHOLE};CreateIfNotExists=false");
        assert!(!read(&no).unwrap().create);
    }

    #[test]
    fn what_is_missing_twice_empty_or_unknown_is_named_and_no_value_is_repeated() {
        for name in [ENDPOINT, KEY, DATABASE, CONTAINER, REGION] {
            let parts: Vec<&str> = WHOLE.split(';').collect();
            let without: Vec<&str> = parts
                .iter()
                .copied()
                .filter(|part| !part.starts_with(name))
                .collect();
            let missing = without.join(";");
            let empty = format!("{missing};{name}=");
            let twice = format!("{WHOLE};{name}=c2VjcmV0");
            for text in [missing, empty, twice, format!("{WHOLE};{name}")] {
                let reason = read(&text).unwrap_err();
                assert!(reason.contains(&format!("`{name}=`")), "{text}: {reason}");
                assert!(!reason.contains("c2VjcmV0"), "{reason}");
            }
        }
        for text in [
            "c2VjcmV0",
            "AccountKey: c2VjcmV0",
            &format!("{WHOLE};c2VjcmV0=x"),
        ] {
            let reason = read(text).unwrap_err();
            assert!(reason.contains("none of"), "{reason}");
            assert!(!reason.contains("c2VjcmV0"), "{reason}");
        }
        let reason = read(&format!("{WHOLE};CreateIfNotExists=yes")).unwrap_err();
        assert!(reason.contains("`true` or `false`"), "{reason}");
    }
}
