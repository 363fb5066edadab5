//! What is asked of the table, in Transact-SQL. Times are `datetimeoffset`,
//! windows seconds.

/// A statement by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    /// `@P1` key, `@P2` now: the value, its window extended.
    Get,
    /// `@P1` key, `@P2` now: extends the window.
    Refresh,
    /// `@P1` key, `@P2` value, `@P3` now, `@P4` window, `@P5` end.
    Set,
    /// As [`Statement::Set`], if nothing is there or the same.
    SetIfAbsent,
    /// As [`Statement::Set`], if the value has the hash `@P6` or is the same.
    SetIf,
    /// `@P1` key.
    Remove,
    /// `@P1` key, `@P2` now, `@P3` hash: the value that is left, if any.
    RemoveIf,
    /// `@P1` now: deletes what has expired.
    Sweep,
}

const COLUMNS: &str = "Id, Value, ExpiresAtTime, SlidingExpirationInSeconds, AbsoluteExpiration";

/// The end of window `@P4`, or else the absolute end `@P5`; no least of both, as
/// ASP.NET takes none.
const EXPIRES: &str = "CASE WHEN @P4 IS NULL THEN @P5 ELSE DATEADD(SECOND, @P4, @P3) END";

impl Statement {
    /// The statement for a table, whose name is quoted.
    pub(super) fn text(self, table: &str) -> String {
        match self {
            Self::Get => format!(
                "{}; SELECT Value FROM {table} WHERE Id = @P1 AND {}",
                touch(table),
                stands("@P2")
            ),
            Self::Refresh => touch(table),
            Self::Set => format!(
                "{} WHERE Id = @P1; IF @@ROWCOUNT = 0 INSERT INTO {table} ({COLUMNS}) \
                 VALUES (@P1, @P2, {EXPIRES}, @P4, @P5)",
                update(table)
            ),
            Self::SetIfAbsent => format!(
                "{} WHERE Id = @P1 AND (NOT {} OR Value = @P2); IF @@ROWCOUNT = 0 \
                 INSERT INTO {table} ({COLUMNS}) SELECT @P1, @P2, {EXPIRES}, @P4, @P5 \
                 WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE Id = @P1)",
                update(table),
                stands("@P3")
            ),
            Self::SetIf => format!(
                "{} WHERE Id = @P1 AND {} AND (HASHBYTES('SHA2_256', Value) = @P6 OR Value = @P2)",
                update(table),
                stands("@P3")
            ),
            Self::Remove => format!("DELETE FROM {table} WHERE Id = @P1"),
            Self::RemoveIf => format!(
                "DELETE FROM {table} WHERE Id = @P1 AND \
                 (NOT {} OR HASHBYTES('SHA2_256', Value) = @P3); \
                 SELECT Value FROM {table} WHERE Id = @P1",
                stands("@P2")
            ),
            Self::Sweep => format!("DELETE FROM {table} WHERE NOT {}", stands("@P1")),
        }
    }
}

/// Whether an entry has not expired. A write can set a window past the absolute
/// end, so both are looked at.
fn stands(now: &str) -> String {
    format!(
        "({now} < ExpiresAtTime AND (AbsoluteExpiration IS NULL OR {now} < AbsoluteExpiration))"
    )
}

fn update(table: &str) -> String {
    format!(
        "UPDATE {table} SET Value = @P2, ExpiresAtTime = {EXPIRES}, \
         SlidingExpirationInSeconds = @P4, AbsoluteExpiration = @P5"
    )
}

/// Extends the window to its whole length, but not past the absolute end.
fn touch(table: &str) -> String {
    format!(
        "UPDATE {table} SET ExpiresAtTime = CASE \
         WHEN AbsoluteExpiration <= DATEADD(SECOND, SlidingExpirationInSeconds, @P2) \
         THEN AbsoluteExpiration ELSE DATEADD(SECOND, SlidingExpirationInSeconds, @P2) END \
         WHERE Id = @P1 AND {} AND SlidingExpirationInSeconds IS NOT NULL \
         AND (AbsoluteExpiration IS NULL OR AbsoluteExpiration <> ExpiresAtTime)",
        stands("@P2")
    )
}

/// Makes the table where there is none, as ASP.NET's tool makes it.
pub(super) fn create(schema: &str, table: &str) -> String {
    let place = qualified(schema, table);
    let literal = place.replace('\'', "''");
    format!(
        "IF OBJECT_ID(N'{literal}', N'U') IS NULL BEGIN \
         CREATE TABLE {place} (\
         Id nvarchar(449) COLLATE SQL_Latin1_General_CP1_CS_AS NOT NULL PRIMARY KEY, \
         Value varbinary(MAX) NOT NULL, \
         ExpiresAtTime datetimeoffset NOT NULL, \
         SlidingExpirationInSeconds bigint NULL, \
         AbsoluteExpiration datetimeoffset NULL); \
         CREATE NONCLUSTERED INDEX Index_ExpiresAtTime ON {place} (ExpiresAtTime); END"
    )
}

/// A table by its schema and name.
pub(super) fn qualified(schema: &str, table: &str) -> String {
    let quoted = |name: &str| format!("[{}]", name.replace(']', "]]"));
    format!("{}.{}", quoted(schema), quoted(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_whatever_is_in_them() {
        assert_eq!(qualified("dbo", "a]; DROP"), "[dbo].[a]]; DROP]");
        let create = create("dbo", "it's");
        assert!(create.contains("N'[dbo].[it''s]'"), "{create}");
        assert!(create.contains("CREATE TABLE [dbo].[it's] ("), "{create}");
    }
}
