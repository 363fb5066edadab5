//! What is asked of the table. Times come in as milliseconds since the Unix
//! epoch, windows as seconds.

/// A statement by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Statement {
    /// `$1` key, `$2` now: the value, its window extended.
    Get,
    /// `$1` key, `$2` now: extends the window.
    Refresh,
    /// `$1` key, `$2` value, `$3` now, `$4` window, `$5` end.
    Set,
    /// As [`Statement::Set`], if nothing is there or the same.
    SetIfAbsent,
    /// As [`Statement::Set`], if the value has the hash `$6` or is the same.
    SetIf,
    /// `$1` key.
    Remove,
    /// `$1` key, `$2` now, `$3` hash: whether the value is gone.
    RemoveIf,
    /// `$1` now: deletes what has expired.
    Sweep,
}

impl Statement {
    /// The statement for a table, whose name is quoted.
    pub(super) fn text(self, table: &str) -> String {
        match self {
            Self::Get => format!(
                "WITH touched AS ({touch}) SELECT value FROM {table} AS t WHERE id = $1 AND {stands}",
                touch = touch(table),
                stands = stands("$2"),
            ),
            Self::Refresh => touch(table),
            Self::Set => format!("{} DO UPDATE SET {OVERWRITE}", insert(table)),
            Self::SetIfAbsent => format!(
                "{} DO UPDATE SET {OVERWRITE} WHERE NOT {} OR t.value = EXCLUDED.value",
                insert(table),
                stands("$3"),
            ),
            Self::SetIf => format!(
                "UPDATE {table} AS t SET value = $2, expiresattime = {expires}, \
                 slidingexpirationinseconds = $4, absoluteexpiration = {absolute} \
                 WHERE id = $1 AND {stands} AND (sha256(value) = $6 OR value = $2)",
                expires = expires(),
                absolute = time("$5"),
                stands = stands("$3"),
            ),
            Self::Remove => format!("DELETE FROM {table} WHERE id = $1"),
            Self::RemoveIf => format!(
                "WITH gone AS (DELETE FROM {table} AS t WHERE id = $1 \
                 AND (NOT {stands} OR sha256(value) = $3) RETURNING 1) \
                 SELECT EXISTS (SELECT FROM gone) OR NOT EXISTS (SELECT FROM {table} WHERE id = $1)",
                stands = stands("$2"),
            ),
            Self::Sweep => format!("DELETE FROM {table} AS t WHERE NOT {}", stands("$1")),
        }
    }
}

const OVERWRITE: &str = "value = EXCLUDED.value, expiresattime = EXCLUDED.expiresattime, \
    slidingexpirationinseconds = EXCLUDED.slidingexpirationinseconds, \
    absoluteexpiration = EXCLUDED.absoluteexpiration";

/// A parameter in milliseconds as a point in time.
fn time(parameter: &str) -> String {
    format!("(TIMESTAMPTZ 'epoch' + {parameter}::bigint * INTERVAL '1 millisecond')")
}

/// Whether an entry has not expired. What .NET wrote can have a window that
/// reaches past the end, so both are looked at.
fn stands(now: &str) -> String {
    let now = time(now);
    format!(
        "(t.expiresattime > {now} AND (t.absoluteexpiration IS NULL OR t.absoluteexpiration > {now}))"
    )
}

/// The earlier of window `$4` and end `$5` from now `$3`. `LEAST` passes over
/// what is null.
fn expires() -> String {
    let (now, absolute) = (time("$3"), time("$5"));
    format!("LEAST({now} + $4::bigint * INTERVAL '1 second', {absolute})")
}

fn insert(table: &str) -> String {
    format!(
        "INSERT INTO {table} AS t (id, value, expiresattime, slidingexpirationinseconds, \
         absoluteexpiration) VALUES ($1, $2, {expires}, $4, {absolute}) ON CONFLICT (id)",
        expires = expires(),
        absolute = time("$5"),
    )
}

fn touch(table: &str) -> String {
    format!(
        "UPDATE {table} AS t SET expiresattime = LEAST(absoluteexpiration, \
         {now} + slidingexpirationinseconds * INTERVAL '1 second') \
         WHERE id = $1 AND slidingexpirationinseconds IS NOT NULL AND {stands}",
        now = time("$2"),
        stands = stands("$2"),
    )
}

/// Makes the table where there is none. Several may come at once, and `IF NOT
/// EXISTS` does not bear that, so they take turns.
pub(super) fn create(schema: &str, table: &str, logged: bool) -> String {
    let (place, index) = (
        qualified(schema, table),
        quoted(&format!("{table}_expiresattime")),
    );
    let unlogged = if logged { "" } else { "UNLOGGED" };
    format!(
        "BEGIN; SELECT pg_advisory_xact_lock(7407180218);
        CREATE SCHEMA IF NOT EXISTS {schema};
        CREATE {unlogged} TABLE IF NOT EXISTS {place} (
          id VARCHAR(449) COLLATE \"C\" NOT NULL PRIMARY KEY,
          value BYTEA NOT NULL,
          expiresattime TIMESTAMPTZ NOT NULL,
          slidingexpirationinseconds BIGINT,
          absoluteexpiration TIMESTAMPTZ);
        CREATE INDEX IF NOT EXISTS {index} ON {place} (expiresattime);
        COMMIT",
        schema = quoted(schema),
    )
}

/// A table by its schema and name.
pub(super) fn qualified(schema: &str, table: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(table))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_whatever_is_in_them() {
        assert_eq!(qualified("a", "b\"; DROP"), "\"a\".\"b\"\"; DROP\"");
    }
}
