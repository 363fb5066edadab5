//! Against what ASP.NET itself makes.

use super::*;

/// The known answer that ASP.NET's own tests of its managed CBC encryptor expect
/// (dotnet/aspnetcore, `ManagedAuthenticatedEncryptorTests`): master key, what is
/// authenticated, and payload without magic and key id, for the plaintext 2 3 4.
const MASTER: &[u8] = b"master key";
const AUTHENTICATED: [u8; 4] = [6, 5, 4, 3];
const SEALED: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+36j4yWJOjBgOJxmYDYwhL\
                      nYqFxw+9mNh/cudyPrWmJmw4d/dmGaLJLLut2udiAAA=";

#[test]
fn the_known_answer_of_asp_net_opens() {
    let sealed = STANDARD.decode(SEALED).unwrap();
    let plaintext = decrypt(MASTER, &AUTHENTICATED, &sealed).unwrap();
    assert_eq!(plaintext, [2, 3, 4][..]);
}

#[test]
fn the_known_answer_does_not_open_when_anything_is_changed() {
    let sealed = STANDARD.decode(SEALED).unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        let opened = decrypt(MASTER, &AUTHENTICATED, &changed);
        assert_eq!(opened, Err(ProtectError::Forged), "byte {at}");
    }
    for length in 0..sealed.len() {
        assert!(decrypt(MASTER, &AUTHENTICATED, &sealed[..length]).is_err());
    }
    assert_eq!(
        decrypt(MASTER, b"other", &sealed),
        Err(ProtectError::Forged)
    );
    assert_eq!(
        decrypt(b"other", &AUTHENTICATED, &sealed),
        Err(ProtectError::Forged)
    );
}

#[test]
fn a_guid_is_ordered_as_dot_net_orders_it() {
    let text = "80732141-ec8f-4b80-af9c-c4d2d1ff8901";
    let key = DataProtectionKey::from_xml_values(text, "AAAA").unwrap();
    // The example of Microsoft's page on the payload's format.
    let expected = [
        0x41, 0x21, 0x73, 0x80, 0x8F, 0xEC, 0x80, 0x4B, 0xAF, 0x9C, 0xC4, 0xD2, 0xD1, 0xFF, 0x89,
        0x01,
    ];
    assert_eq!(key.id, expected);
    assert_eq!(guid_text(key.id), text);
    for wrong in [
        "",
        "80732141",
        "g0732141-ec8f-4b80-af9c-c4d2d1ff8901",
        "+073214-",
    ] {
        assert!(
            DataProtectionKey::from_xml_values(wrong, "AAAA").is_err(),
            "{wrong}"
        );
    }
    assert!(DataProtectionKey::from_xml_values(text, "not base64!").is_err());
}

#[test]
fn what_is_authenticated_counts_and_measures_the_purposes() {
    let key = DataProtectionKey::from_xml_values(&"0".repeat(32), "AAAA").unwrap();
    let long = "x".repeat(300);
    let reader = DataProtectionReader::with_purposes([key], &["ab", &long]);
    let data = reader.authenticated(&[7; 16]);
    assert_eq!(data[..4], MAGIC);
    assert_eq!(data[4..20], [7; 16]);
    assert_eq!(data[20..24], [0, 0, 0, 2]);
    assert_eq!(data[24..27], [2, b'a', b'b']);
    assert_eq!(data[27..29], [0xAC, 0x02], "300 in groups of seven bits");
    assert_eq!(data.len(), 29 + 300);
}

#[test]
fn a_payload_of_another_key_names_it_and_no_secret() {
    let id = "80732141-ec8f-4b80-af9c-c4d2d1ff8901";
    let key = DataProtectionKey::from_xml_values(id, &STANDARD.encode("hush")).unwrap();
    let shown = format!("{key:?}");
    let reader = DataProtectionReader::new([key], "app");
    let shown = shown + &format!("{reader:?}");
    assert!(shown.contains(id) && !shown.contains("hush"), "{shown}");
    assert!(!shown.contains("104"), "no bytes either: {shown}");
    let payload = [&MAGIC[..], &[0; 100]].concat();
    let unknown = reader.open(&payload).unwrap_err();
    let expected = "00000000-0000-0000-0000-000000000000".to_owned();
    assert_eq!(unknown, ProtectError::UnknownKey { key_id: expected });
    for length in 0..20 {
        assert!(reader.open(&payload[..length]).is_err());
    }
}
