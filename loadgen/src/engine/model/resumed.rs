//! A model that goes on where a run of the real cache ended: the snapshot's
//! entries as the model knows them, by number and without their text.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use token_cache::{AssertionHash, Partition, Scopes, Timestamp, schema};

use super::cache::{self, Item, Millis, PartitionId, Token};
use super::{Simulation, millis};
use crate::snapshot::Snapshot;
use crate::target::Directory;

/// Who and what is meant by the texts of a snapshot.
struct Numbers {
    tenants: HashMap<Arc<str>, u32>,
    applications: HashMap<Arc<str>, u32>,
    resources: HashMap<Arc<str>, u32>,
    /// Accounts, assertions and sessions, by their key in the external cache.
    of_users: HashMap<String, PartitionId>,
    /// What time it is.
    now: Timestamp,
}

impl Simulation<'_> {
    /// Fills the caches, and lets people hold what they held.
    pub(super) fn go_on_from(&mut self, snapshot: &Snapshot) {
        let numbers = self.take_over(snapshot);
        for (layer, entries) in self.l1.iter_mut().flatten().zip(&snapshot.instances) {
            for entry in entries {
                let ends = entry.expires_at.map(|end| numbers.left(end));
                if let Some(id) = numbers.id(&entry.key.to_string()) {
                    layer.hold(id, numbers.partition(&entry.partition, ends));
                }
            }
        }
        let Some(layer) = &mut self.l2 else { return };
        for entry in &snapshot.l2 {
            let ends = entry.expiration.absolute.map(|end| numbers.left(end));
            if let Some(id) = numbers.id(&entry.key)
                && let Ok(partition) = schema::read(&entry.blob)
            {
                layer.hold(id, numbers.partition(&partition, ends));
            }
        }
    }

    /// People hold what they held; returns what everything is called.
    fn take_over(&mut self, snapshot: &Snapshot) -> Numbers {
        let directory = Directory::new(&self.plan.population);
        let numbered = |ids: &[Arc<str>]| ids.iter().cloned().zip(0..).collect();
        let resources = directory.resources().iter();
        let mut numbers = Numbers {
            tenants: numbered(directory.tenants()),
            applications: numbered(directory.applications()),
            resources: resources.map(|of| Arc::clone(&of.id)).zip(0..).collect(),
            of_users: HashMap::new(),
            now: snapshot.taken_at,
        };
        let users = &snapshot.users;
        for ((_, user), account) in users.accounts.iter().chain(&users.signed_out) {
            let id = PartitionId::Account { user: *user };
            numbers.of_users.insert(account.as_str().to_owned(), id);
        }
        let signed_in = users.accounts.iter().map(|(whose, _)| *whose);
        self.callers.signed_in.extend(signed_in);
        let signed_out = users.signed_out.iter().map(|(whose, _)| *whose);
        self.callers.signed_out.extend(signed_out);
        for (whose, assertion, ends_ms) in &users.assertions {
            let number = self.callers.assertions_made;
            self.callers.assertions_made += 1;
            let ends = Millis::try_from(ends_ms - snapshot.taken_at.unix_millis()).unwrap_or(0);
            self.callers.assertions.insert(*whose, (number, ends));
            let hash = AssertionHash::of(assertion.expose());
            let id = PartitionId::Assertion { number };
            numbers.of_users.insert(hash.as_str().to_owned(), id);
        }
        let refresh_tokens = users.refresh_tokens.iter().map(|(whose, _)| *whose);
        self.callers.refresh_tokens.extend(refresh_tokens);
        for (whose, key) in &users.long_running {
            let (application, user, session) = *whose;
            self.callers.working.insert(*whose);
            let id = PartitionId::Session {
                application,
                user,
                session,
            };
            numbers.of_users.insert(key.clone(), id);
        }
        numbers
    }
}

impl Numbers {
    /// What has this key in the external cache; `None` for what nobody will ask
    /// for again.
    fn id(&self, key: &str) -> Option<PartitionId> {
        let Some(application) = key.strip_suffix("_AppTokenCache") else {
            return self.of_users.get(key).copied();
        };
        let (client_id, tenant_id) = application.split_once('_')?;
        let application = *self.applications.get(client_id)?;
        if tenant_id == "managed_identity" {
            return Some(PartitionId::Machine { application });
        }
        let tenant = *self.tenants.get(tenant_id)?;
        Some(PartitionId::Application {
            application,
            tenant,
        })
    }

    /// How long until then; nothing for what is past.
    fn left(&self, then: Timestamp) -> Millis {
        millis(then.since(self.now))
    }

    fn partition(&self, partition: &Partition, ends: Option<Millis>) -> cache::Partition {
        let tokens = partition.access_tokens().filter_map(|token| {
            let item = Item {
                application: *self.applications.get(&*token.client_id)?,
                resource: self.resource(&token.target)?,
            };
            let token = Token {
                expires_on: self.left(token.expires_on),
                refresh_on: token.refresh_on.map(|advised| self.left(advised)),
                // The same in each layer that holds it.
                number: BuildHasherDefault::<DefaultHasher>::default()
                    .hash_one(token.secret.expose()),
            };
            Some((item, token))
        });
        let refresh_tokens = partition.refresh_tokens();
        let holders = refresh_tokens.filter_map(|token| self.applications.get(&*token.client_id));
        cache::Partition::holding(tokens.collect(), holders.copied().collect(), ends)
    }

    /// The resource that scopes are of.
    fn resource(&self, scopes: &Scopes) -> Option<u32> {
        let mut ids = scopes.target().split(' ').filter_map(|scope| {
            let (id, _) = scope.strip_prefix("api://")?.split_once('/')?;
            self.resources.get(id).copied()
        });
        ids.next()
    }
}
