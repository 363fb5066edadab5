//! The commands that the store uses and what the server says to them.

use bytes::Bytes;

use super::connection::Connection;
use super::value::FLAGS;
use crate::store::Swap;
use crate::store::pool::{Failure, Request};

/// Reads a value.
pub(super) struct Get<'k> {
    pub(super) key: &'k str,
}

/// A value as the server has it.
pub(super) struct Found {
    pub(super) flags: u32,
    pub(super) value: Bytes,
    /// Changes with every write.
    pub(super) unique: u64,
}

impl Request<Connection> for Get<'_> {
    type Answer = Option<Found>;

    async fn make(&self, on: &mut Connection) -> Result<Option<Found>, Failure> {
        on.send(&format!("gets {}", self.key), None).await?;
        let line = on.line().await?;
        if line == "END" {
            return Ok(None);
        }
        let words: Vec<&str> = line.split(' ').collect();
        let ["VALUE", key, flags, length, unique] = words[..] else {
            return Err(unexpected(&line));
        };
        let (Ok(flags), Ok(length), Ok(unique)) = (flags.parse(), length.parse(), unique.parse())
        else {
            return Err(unexpected(&line));
        };
        if key != self.key {
            return Err(Failure::Broken("an answer about another key".to_owned()));
        }
        let value = on.block(length).await?;
        match &*on.line().await? {
            "END" => Ok(Some(Found {
                flags,
                value,
                unique,
            })),
            line => Err(unexpected(line)),
        }
    }
}

/// On which condition a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    None,
    /// Nothing is there.
    Absent,
    /// What is there has this number.
    Unique(u64),
}

/// Writes a value.
pub(super) struct Put<'k> {
    pub(super) key: &'k str,
    pub(super) condition: Condition,
    /// In memcached's way: 0 for none, negative for over.
    pub(super) time_to_live: i64,
    pub(super) value: &'k [u8],
}

impl Request<Connection> for Put<'_> {
    type Answer = Swap;

    async fn make(&self, on: &mut Connection) -> Result<Swap, Failure> {
        let (verb, unique) = match self.condition {
            Condition::None => ("set", String::new()),
            Condition::Absent => ("add", String::new()),
            Condition::Unique(unique) => ("cas", format!(" {unique}")),
        };
        let (key, time_to_live) = (self.key, self.time_to_live);
        let length = self.value.len();
        let head = format!("{verb} {key} {FLAGS} {time_to_live} {length}{unique}");
        on.send(&head, Some(self.value)).await?;
        match &*on.line().await? {
            "STORED" => Ok(Swap::Done),
            "NOT_STORED" | "EXISTS" | "NOT_FOUND" => Ok(Swap::Conflict),
            line => Err(unexpected(line)),
        }
    }
}

/// Gives a value another time to live.
pub(super) struct Touch<'k> {
    pub(super) key: &'k str,
    pub(super) time_to_live: i64,
}

impl Request<Connection> for Touch<'_> {
    type Answer = ();

    async fn make(&self, on: &mut Connection) -> Result<(), Failure> {
        let (key, time_to_live) = (self.key, self.time_to_live);
        on.send(&format!("touch {key} {time_to_live}"), None)
            .await?;
        match &*on.line().await? {
            "TOUCHED" | "NOT_FOUND" => Ok(()),
            line => Err(unexpected(line)),
        }
    }
}

/// Removes a value.
pub(super) struct Delete<'k> {
    pub(super) key: &'k str,
}

impl Request<Connection> for Delete<'_> {
    type Answer = ();

    async fn make(&self, on: &mut Connection) -> Result<(), Failure> {
        on.send(&format!("delete {}", self.key), None).await?;
        match &*on.line().await? {
            "DELETED" | "NOT_FOUND" => Ok(()),
            line => Err(unexpected(line)),
        }
    }
}

/// After `SERVER_ERROR` the server has read the whole command and is ready; after
/// anything else it is anyone's guess where the next answer begins.
fn unexpected(line: &str) -> Failure {
    if line.starts_with("SERVER_ERROR ") {
        Failure::Refused(line.to_owned())
    } else {
        // An answer that is out of step could hold a piece of a value.
        let word = line.split(' ').next().unwrap_or_default();
        let known = ["ERROR", "CLIENT_ERROR", "VALUE", "END", "STORED"].contains(&word);
        let word = if known { word } else { "something else" };
        Failure::Broken(format!("an answer was expected, but `{word}` came"))
    }
}
