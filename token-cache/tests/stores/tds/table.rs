//! The table, and what the statements mean for it.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};

use super::wire::{self, Call, Parameter};

/// The longest `Id`, in UTF-16 units.
const LONGEST_ID: usize = 449;

/// A row; times in milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) value: Vec<u8>,
    pub(crate) expires_ms: i64,
    pub(crate) sliding_s: Option<i64>,
    pub(crate) absolute_ms: Option<i64>,
}

impl Row {
    fn stands(&self, now_ms: i64) -> bool {
        now_ms < self.expires_ms && self.absolute_ms.is_none_or(|end| now_ms < end)
    }

    fn touch(&mut self, now_ms: i64) -> bool {
        let Some(window) = self.sliding_s else {
            return false;
        };
        if !self.stands(now_ms) || self.absolute_ms == Some(self.expires_ms) {
            return false;
        }
        let slid = now_ms + window * 1_000;
        self.expires_ms = self.absolute_ms.map_or(slid, |end| end.min(slid));
        true
    }
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) rows: HashMap<String, Row>,
}

/// The answer to a call, in tokens.
pub(super) fn answer(table: &mut Table, call: &Call) -> Vec<u8> {
    let parameters = &call.parameters;
    let key = match parameters.first() {
        Some(Parameter::Text(key)) => key.clone(),
        _ => String::new(),
    };
    let text = &*call.statement;
    let is = |parts: &[&str]| parts.iter().all(|part| text.contains(part));
    if is(&["UPDATE", "SELECT Value FROM"]) && !is(&["SET Value"]) {
        let now = time(&parameters[1]);
        let touched = table.rows.get_mut(&key).is_some_and(|row| row.touch(now));
        let found = table.rows.get(&key).filter(|row| row.stands(now));
        return [
            wire::done_in_proc(touched),
            wire::result(found.map(|row| &*row.value)),
        ]
        .concat();
    }
    if is(&["SET Value"]) {
        if key.encode_utf16().count() > LONGEST_ID {
            return wire::error(2_628, 16, "String or binary data would be truncated.");
        }
        return write(table, key, call);
    }
    if is(&["UPDATE"]) {
        let now = time(&parameters[1]);
        return changed(table.rows.get_mut(&key).is_some_and(|row| row.touch(now)));
    }
    if is(&["DELETE", "HASHBYTES"]) {
        let (now, hash) = (time(&parameters[1]), bytes(&parameters[2]));
        let goes = |row: &Row| !row.stands(now) || has_hash(row, hash);
        let gone = table.rows.get(&key).is_some_and(goes);
        if gone {
            table.rows.remove(&key);
        }
        let left = table.rows.get(&key).map(|row| &*row.value);
        return [wire::done_in_proc(gone), wire::result(left)].concat();
    }
    if is(&["DELETE", "WHERE Id"]) {
        return changed(table.rows.remove(&key).is_some());
    }
    if is(&["DELETE", "WHERE NOT"]) {
        let now = time(&parameters[0]);
        let before = table.rows.len();
        table.rows.retain(|_, row| row.stands(now));
        return changed(table.rows.len() < before);
    }
    wire::error(102, 15, "Incorrect syntax.")
}

/// The three statements that write: always, if absent, if the hash is right.
fn write(table: &mut Table, key: String, call: &Call) -> Vec<u8> {
    let [_, value, now, sliding, absolute, hash @ ..] = &*call.parameters else {
        return wire::error(8_178, 16, "A parameter is missing.");
    };
    let (value, now) = (bytes(value), time(now));
    let (Parameter::Number(sliding_s), Parameter::Time(absolute_ms)) = (sliding, absolute) else {
        return wire::error(206, 16, "Operand type clash.");
    };
    let found = table.rows.get(&key);
    let same = found.is_some_and(|row| row.value == value);
    let standing = found.filter(|row| row.stands(now));
    let may = match hash.first() {
        Some(hash) => standing.is_some_and(|row| same || has_hash(row, bytes(hash))),
        None if call.statement.contains("NOT EXISTS") => standing.is_none() || same,
        None => true,
    };
    if may {
        let expires_ms = sliding_s.map_or(*absolute_ms, |window| Some(now + window * 1_000));
        let row = Row {
            value: value.to_vec(),
            expires_ms: expires_ms.expect("a row has one of them"),
            sliding_s: *sliding_s,
            absolute_ms: *absolute_ms,
        };
        table.rows.insert(key, row);
    }
    changed(may)
}

fn has_hash(row: &Row, hash: &[u8]) -> bool {
    digest(&SHA256, &row.value).as_ref() == hash
}

fn changed(any: bool) -> Vec<u8> {
    [wire::done_in_proc(any), wire::done_proc()].concat()
}

fn time(parameter: &Parameter) -> i64 {
    match parameter {
        Parameter::Time(Some(time)) => *time,
        other => panic!("a time was expected, not {other:?}"),
    }
}

fn bytes(parameter: &Parameter) -> &[u8] {
    match parameter {
        Parameter::Bytes(bytes) => bytes,
        other => panic!("bytes were expected, not {other:?}"),
    }
}
