//! Acquires OAuth tokens through a token cache, as MSAL's confidential client does.
