//! A stand-in for Microsoft Entra ID: real endpoints, signed tokens, chosen latency.
