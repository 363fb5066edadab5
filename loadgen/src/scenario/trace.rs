//! Traces: calls recorded elsewhere, as CSV with a header line.
//!
//! ```text
//! t_ms,tenant,application,user,resource
//! 0,contoso,portal,8f3a,graph
//! 12,contoso,portal,77b0,graph
//! ```
//!
//! `t_ms` is the time since the recording began, never less than on the line
//! before. The other columns may be left out, and then are drawn; what stands
//! in them is any text without a comma, and equal texts are one member of the
//! population. So names can be hashed before they leave production.

use std::collections::HashMap;
use std::time::Duration;

use super::plan::TraceRow;
use super::problem::quoted;

/// Most calls of a trace.
const MAX_ROWS: usize = 10_000_000;

/// The columns beside the time.
const COLUMNS: [&str; 4] = ["tenant", "application", "user", "resource"];

/// A trace that was read.
#[derive(Debug)]
pub(super) struct Trace {
    /// Its calls, in the order of time.
    pub(super) rows: Vec<TraceRow>,
    /// Different members each column names, by its name.
    pub(super) members: Vec<(&'static str, u64)>,
}

/// Reads a trace, `speed` times as fast as recorded.
pub(super) fn read(text: &str, speed: f64) -> Result<Trace, String> {
    let mut lines = text.lines().zip(1..);
    let (header, _) = lines.next().ok_or("it is empty")?;
    let columns: Vec<Option<usize>> = header_columns(header)?;
    let mut names: [HashMap<&str, u32>; 4] = Default::default();
    let mut rows = Vec::new();
    let mut last = Duration::ZERO;
    for (line, number) in lines {
        if line.trim().is_empty() {
            continue;
        }
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if fields.len() != columns.len() {
            return Err(format!(
                "line {number} has {} values, and the header {}",
                fields.len(),
                columns.len()
            ));
        }
        let mut row = TraceRow {
            offset: Duration::ZERO,
            tenant: None,
            application: None,
            user: None,
            resource: None,
        };
        for (field, column) in fields.into_iter().zip(&columns) {
            let Some(column) = *column else {
                row.offset = offset(field, speed)
                    .ok_or_else(|| format!("line {number}: {} is no `t_ms`", quoted(field)))?;
                continue;
            };
            if field.is_empty() {
                continue;
            }
            let known = &mut names[column];
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
            let member = Some(*known.entry(field).or_insert(next));
            match column {
                0 => row.tenant = member,
                1 => row.application = member,
                2 => row.user = member,
                _ => row.resource = member,
            }
        }
        if row.offset < last {
            return Err(format!("line {number} is earlier than the one before"));
        }
        last = row.offset;
        rows.push(row);
        if rows.len() > MAX_ROWS {
            return Err(format!("it has more than {MAX_ROWS} calls"));
        }
    }
    if rows.is_empty() {
        return Err("it has no calls".to_owned());
    }
    Ok(Trace {
        rows,
        members: COLUMNS
            .into_iter()
            .zip(&names)
            .map(|(column, names)| (column, names.len() as u64))
            .collect(),
    })
}

/// For each column, which of [`COLUMNS`] it is; `None` for the time.
fn header_columns(header: &str) -> Result<Vec<Option<usize>>, String> {
    let names: Vec<&str> = header.split(',').map(str::trim).collect();
    if names.iter().filter(|name| **name == "t_ms").count() != 1 {
        return Err("its first line is no header with one `t_ms`".to_owned());
    }
    let mut columns = Vec::new();
    for name in names {
        let column = COLUMNS.iter().position(|known| *known == name);
        if column.is_none() && name != "t_ms" {
            return Err(format!(
                "{} is not a column of a trace, those are `t_ms`, `tenant`, `application`, `user` and `resource`",
                quoted(name)
            ));
        }
        if column.is_some() && columns.contains(&column) {
            return Err(format!("the column {} is there twice", quoted(name)));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn offset(field: &str, speed: f64) -> Option<Duration> {
    let millis: f64 = field.parse().ok()?;
    (millis >= 0.0)
        .then(|| Duration::try_from_secs_f64(millis / 1e3 / speed).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_with_its_members_numbered_as_they_come() {
        let trace = read(
            "t_ms,tenant,user\n0,contoso,a\n500,fabrikam,b\n\n500.5,contoso,\n",
            2.0,
        )
        .unwrap();
        let row = |micros, tenant, user| TraceRow {
            offset: Duration::from_micros(micros),
            tenant: Some(tenant),
            application: None,
            user,
            resource: None,
        };
        assert_eq!(
            trace.rows,
            [
                row(0, 0, Some(0)),
                row(250_000, 1, Some(1)),
                row(250_250, 0, None)
            ]
        );
        assert_eq!(
            trace.members,
            [
                ("tenant", 2),
                ("application", 0),
                ("user", 2),
                ("resource", 0)
            ]
        );
    }

    #[test]
    fn what_is_no_trace_is_refused_with_its_line() {
        for (text, expected) in [
            ("", "it is empty"),
            ("t_ms\n", "it has no calls"),
            (
                "time,user\n1,a\n",
                "its first line is no header with one `t_ms`",
            ),
            (
                "t_ms,usr\n1,a\n",
                "`usr` is not a column of a trace, those are `t_ms`, `tenant`, `application`, `user` and `resource`",
            ),
            (
                "t_ms,user,user\n1,a,b\n",
                "the column `user` is there twice",
            ),
            ("t_ms,user\n1\n", "line 2 has 1 values, and the header 2"),
            ("t_ms\n1\nx\n", "line 3: `x` is no `t_ms`"),
            ("t_ms\n-1\n", "line 2: `-1` is no `t_ms`"),
            ("t_ms\nnan\n", "line 2: `nan` is no `t_ms`"),
            ("t_ms\n5\n\n4\n", "line 4 is earlier than the one before"),
        ] {
            assert_eq!(read(text, 1.0).unwrap_err(), expected, "{text:?}");
        }
    }
}
