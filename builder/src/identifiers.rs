//! New UUIDs in bulk.

use uuid::{Builder, Uuid};

/// Makes UUIDs of version 7 of one instant; their random bits come from a generator that the
/// operating system seeded, so that a million cost no system calls.
#[derive(Debug)]
pub(crate) struct NewIds {
    millis: u64,
    state: [u64; 4],
}

impl NewIds {
    /// A generator for the present instant.
    pub(crate) fn now() -> Self {
        let millis = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64);
        let (a, b) = (Uuid::new_v4().as_u64_pair(), Uuid::new_v4().as_u64_pair());
        Self { millis, state: [a.0, a.1, b.0, b.1] }
    }

    /// xoshiro256++; its state is never zero because version 4 UUIDs have fixed bits.
    fn next_u64(&mut self) -> u64 {
        let [s0, s1, s2, s3] = &mut self.state;
        let result = s0.wrapping_add(*s3).rotate_left(23).wrapping_add(*s0);
        let shifted = *s1 << 17;
        *s2 ^= *s0;
        *s3 ^= *s1;
        *s1 ^= *s2;
        *s0 ^= *s3;
        *s2 ^= shifted;
        *s3 = s3.rotate_left(45);
        result
    }

    /// The next UUID.
    pub(crate) fn next(&mut self) -> Uuid {
        let (a, b) = (self.next_u64().to_le_bytes(), self.next_u64().to_le_bytes());
        let mut random = [0u8; 10];
        random[..8].copy_from_slice(&a);
        random[8..].copy_from_slice(&b[..2]);
        Builder::from_unix_timestamp_millis(self.millis, &random).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_distinct_and_of_version_7() {
        let mut new = NewIds::now();
        let ids: std::collections::HashSet<Uuid> = (0..10_000).map(|_| new.next()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
        assert!(!ids.contains(&NewIds::now().next()), "another generator is seeded anew");
    }
}
