//! Keys, by the numbers of the checklist in `shared/reference/token-cache.md`
//! §9. The values were observed on MSAL.NET 4.83.3.

use super::*;
use crate::components::{ComponentHash, KeyComponents};

const CLIENT: &str = "d3adb33f-c0de-ed0c-c0de-deadb33fc0d3";
const TENANT: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";

#[test]
fn k1_an_applications_partition_is_named_by_client_and_tenant() {
    assert_eq!(
        PartitionKey::application(CLIENT, TENANT).to_string(),
        format!("{CLIENT}_{TENANT}_AppTokenCache")
    );
    let bound = PartitionKey::Application {
        client_id: CLIENT.into(),
        tenant_id: TENANT.into(),
        key_id: Some("kid".into()),
        components: None,
    };
    assert_eq!(
        bound.to_string(),
        format!("kid{CLIENT}_{TENANT}_AppTokenCache"),
        "the key id is glued in front"
    );
    assert_eq!(
        PartitionKey::application(CLIENT, "").to_string(),
        format!("{CLIENT}__AppTokenCache"),
        "ADFS has no tenant"
    );
    assert_eq!(
        PartitionKey::application("system_assigned_managed_identity", "managed_identity")
            .to_string(),
        "system_assigned_managed_identity_managed_identity_AppTokenCache"
    );
}

#[test]
fn k2_an_assertions_partition_is_named_by_its_hash() {
    let assertion = PartitionKey::Assertion(AssertionHash::of("header.payload.signature"));
    assert_eq!(
        assertion.to_string(),
        "JW0E205eSsMIdR7QiFtyK3WGMFZ8U6cSXtn70Gjlw_Y"
    );
    assert_eq!(
        PartitionKey::Account(HomeAccountId::new("uid.utid")).to_string(),
        "uid.utid"
    );
}

#[test]
fn k3_a_session_key_is_used_to_the_letter() {
    let session = PartitionKey::Assertion(AssertionHash::of_session("My Session/1"));
    assert_eq!(session.to_string(), "My Session/1");
}

#[test]
fn k5_components_go_into_the_partition_key_in_their_own_case() {
    let components =
        KeyComponents::new([("fmi_path", "SomeFmiPath/Path")], ComponentHash::DotNet487).unwrap();
    let key = PartitionKey::Application {
        client_id: CLIENT.into(),
        tenant_id: TENANT.into(),
        key_id: None,
        components: Some(Arc::clone(components.hash())),
    };
    assert_eq!(
        key.to_string(),
        format!("{CLIENT}_{TENANT}_7CX57Q63os7benQ6ER0sxgJPtNQSv7TGb5zexcidFoI_AppTokenCache")
    );
}

#[test]
fn k7_account_keys_keep_their_case_and_metadata_keys_do_not() {
    assert_eq!(&*account_key("U.T", "e", "T"), "U.T-e-T");
    assert_eq!(&*app_metadata_key("E", "C"), "appmetadata-e-c");
}

#[test]
fn a_borrowed_key_is_the_owned_one() {
    let keys = [
        PartitionKey::application(CLIENT, TENANT),
        PartitionKey::Assertion(AssertionHash::of("a")),
        PartitionKey::Account(HomeAccountId::new("uid.utid")),
    ];
    for key in keys {
        assert_eq!(key.borrowed().to_owned(), key);
        assert_eq!(key.borrowed().to_string(), key.to_string());
    }
}

#[test]
fn partitions_of_two_tenants_never_meet() {
    let of_tenant = |tenant: &str| PartitionKey::application(CLIENT, tenant);
    assert_ne!(of_tenant("one"), of_tenant("two"));
    assert_ne!(of_tenant("one").to_string(), of_tenant("two").to_string());
    assert_ne!(of_tenant("one"), of_tenant("ONE"), "compared to the letter");
}

#[test]
fn the_home_tenant_stands_behind_the_full_stop() {
    assert_eq!(HomeAccountId::new("uid.utid").tenant_id(), Some("utid"));
    assert_eq!(HomeAccountId::new("subject").tenant_id(), None);
}
