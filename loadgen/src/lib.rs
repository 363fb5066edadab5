//! Drives an OAuth token cache with realistic flows and judges what it measured.
