//! Reading an entry: the members this crate knows become fields, and all others
//! stay as they are. serde's `flatten` does the same by way of a copy of every
//! member, which reading a blob should not pay for.

use std::borrow::Cow;

use serde::Deserialize;

/// A member's name, borrowed from the blob where nothing in it is escaped.
#[derive(Deserialize)]
pub(super) struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Name<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

/// Makes an item's `Deserialize` of what each member is: `required`; `optional`;
/// `text` that is absent when it is empty or null; `(or f)` what `f` makes when it
/// is absent or null; `(text_or f)` both; `(kind_or f)` a credential type, of which
/// a name that is none here goes to the unknown members. Members have the names of
/// fields, and the item's field `unknown` takes those that are none.
macro_rules! read_members {
    ($item:ident { $($field:ident: $kind:tt,)* }) => {
        impl<'de> serde::Deserialize<'de> for $item {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Members;
                impl<'de> serde::de::Visitor<'de> for Members {
                    type Value = $item;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an entry of a token cache")
                    }

                    fn visit_map<A>(self, mut map: A) -> Result<$item, A::Error>
                    where
                        A: serde::de::MapAccess<'de>,
                    {
                        use serde::de::Error as _;
                        let mut unknown = $crate::item::UnknownMembers::new();
                        $(let mut $field = None;)*
                        while let Some(name) = map.next_key::<$crate::item::members::Name<'de>>()? {
                            match name.as_str() {
                                $(stringify!($field) => {
                                    if $field.replace(map.next_value()?).is_some() {
                                        return Err(A::Error::duplicate_field(stringify!($field)));
                                    }
                                })*
                                _ => {
                                    unknown.insert(name.into_string(), map.next_value()?);
                                }
                            }
                        }
                        Ok($item {
                            $($field: read_members!(@settle $kind $field unknown),)*
                            unknown,
                        })
                    }
                }
                deserializer.deserialize_map(Members)
            }
        }
    };
    (@settle required $field:ident $unknown:ident) => {
        $field.ok_or_else(|| A::Error::missing_field(stringify!($field)))?
    };
    (@settle optional $field:ident $unknown:ident) => {
        $field.flatten()
    };
    (@settle text $field:ident $unknown:ident) => {
        $field.flatten().filter(|text: &std::sync::Arc<str>| !text.is_empty())
    };
    (@settle (or $default:path) $field:ident $unknown:ident) => {
        $field.flatten().unwrap_or_else($default)
    };
    (@settle (text_or $default:path) $field:ident $unknown:ident) => {
        read_members!(@settle text $field $unknown).unwrap_or_else($default)
    };
    (@settle (kind_or $default:path) $field:ident $unknown:ident) => {
        match $field.flatten() {
            Some(name) => $crate::item::CredentialType::read(name, &mut $unknown),
            None => $default(),
        }
    };
}

pub(super) use read_members;
