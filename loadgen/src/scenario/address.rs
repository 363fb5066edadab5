//! Addresses of servers as they may be seen: a store's URL often holds its password.

/// Parts of a connection string that say where a database is: SQL Server's names, then
/// Cosmos DB's.
const WHERE: [&str; 8] = [
    "server",
    "data source",
    "address",
    "database",
    "initial catalog",
    "accountendpoint",
    "container",
    "region",
];

/// `url` without what lets somebody in.
///
/// Of a connection string only the parts that say where stay; of a URL neither user nor
/// password, and no parameters; of a path everything.
pub fn seen(url: &str) -> String {
    if url.starts_with(['/', '.']) {
        return url.to_owned();
    }
    let Some((scheme, rest)) = url.split_once(':') else {
        return "***".to_owned();
    };
    let Some(rest) = rest.strip_prefix("//") else {
        return match scheme {
            "sqlserver" | "cosmos" => format!("{scheme}:{}", connection(rest)),
            _ => format!("{scheme}:***"),
        };
    };
    let (place, parameters) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    // A password may hold what should have been escaped: where it ends is not known then.
    match place.rsplit_once('@') {
        _ if parameters.contains('@') => format!("{scheme}://***"),
        Some((_, host)) => format!("{scheme}://***@{host}"),
        None => format!("{scheme}://{place}"),
    }
}

fn connection(text: &str) -> String {
    let is_where = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default().trim();
        WHERE.contains(&name.to_ascii_lowercase().as_str())
    };
    let mut shown: Vec<&str> = text.split(';').filter(is_where).collect();
    shown.push("***");
    shown.join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_shows_what_lets_somebody_in() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379/3", "redis://127.0.0.1:6379/3"),
            ("rediss://me:hunter2@cache:6380", "rediss://***@cache:6380"),
            ("redis://:hunter2@cache", "redis://***@cache"),
            (
                "postgres://me:hun/ter2@db/x?password=hunter2",
                "postgres://***@db/x",
            ),
            ("redis://me:hun?ter2@cache", "redis://***"),
            ("redis://me:hun#ter2@cache", "redis://***"),
            ("postgres://db/x?password=hun@ter2", "postgres://***"),
            ("memcached://cache:11211", "memcached://cache:11211"),
            (
                "sqlserver:Server=tcp:db,1433;User Id=me;Password=hunter2;Database=cache",
                "sqlserver:Server=tcp:db,1433;Database=cache;***",
            ),
            ("sqlserver:hunter2", "sqlserver:***"),
            (
                "cosmos:AccountEndpoint=https://a/;AccountKey=hunter2==;Database=d;Container=c",
                "cosmos:AccountEndpoint=https://a/;Database=d;Container=c;***",
            ),
            ("cosmos:AccountKey=hunter2", "cosmos:***"),
            ("hunter2", "***"),
            ("/var/tmp/cache", "/var/tmp/cache"),
            ("https://login.example/", "https://login.example/"),
        ] {
            assert_eq!(seen(url), shown, "{url}");
        }
    }
}
