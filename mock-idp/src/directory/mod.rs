//! Who exists: tenants, users and applications.
//!
//! The directory is open: every tenant, user, application and secret one names exists. Their ids
//! are computed from their names, so the same name is the same account in every run.

pub(crate) mod application;
pub(crate) mod assertion;
pub(crate) mod tenant;
pub(crate) mod user;

use uuid::Uuid;

/// The namespace of all ids computed from names.
const NAMESPACE: Uuid = Uuid::from_u128(0x5bd0_6d1c_8d0f_4b51_9a4c_3f1f_8f3e_7a10);

/// The id of what is called `name` among things of this `kind`; names differ in case only for
/// people.
pub(crate) fn id_of(kind: &str, name: &str) -> Uuid {
    let name = format!("{kind}/{}", name.to_ascii_lowercase());
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}
