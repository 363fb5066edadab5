//! What the machine asks for a lookup among many: the standard library's map, with
//! keys and payloads of the cache's size and nothing around them.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::{Asked, BATCH, tenant_id};

pub(crate) struct BareMap(HashMap<Box<str>, Arc<[u8]>>);

impl BareMap {
    /// As many entries of `payload_bytes` as there are tenants.
    pub(crate) fn of(tenants: usize, payload_bytes: usize) -> Self {
        let entry = |tenant| (key(tenant), vec![b'x'; payload_bytes].into());
        Self((0..tenants).map(entry).collect())
    }

    /// Time of `iterations` lookups, each of which takes a share in the payload
    /// and reads its first bytes.
    pub(crate) fn lookups(&self, asked: &[Asked], iterations: u64) -> Duration {
        let mut left = usize::try_from(iterations).unwrap_or(usize::MAX);
        let mut asked = asked.iter().cycle();
        let mut took = Duration::ZERO;
        while left > 0 {
            let keys: Vec<_> = (&mut asked)
                .take(left.min(BATCH))
                .map(|asked| key(asked.tenant))
                .collect();
            left -= keys.len();
            let began = Instant::now();
            for key in &keys {
                let payload = self.0.get(black_box(key)).cloned().expect("is there");
                black_box(payload.first());
            }
            took += began.elapsed();
        }
        took
    }
}

/// A partition's key, as long as those of the cache.
fn key(tenant: usize) -> Box<str> {
    let tenant = tenant_id(tenant);
    format!("d3adb33f-c0de-ed0c-c0de-deadb33fc0d3_{tenant}_AppTokenCache").into()
}
