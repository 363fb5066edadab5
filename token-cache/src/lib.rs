//! OAuth token cache with MSAL's semantics: partitions, L1 over L2.
