//! Transactions that are begun again when other clients' changes come in between.

use qbb_registry::RegistryError;

use crate::error::TransferError;

/// How often a transaction is begun at most.
const MOST_ATTEMPTS: u32 = 3;

/// An error of something that happens in a transaction.
pub trait TransactionError {
    /// Whether other clients came in between, so that all is undone and may be tried again.
    fn is_contended(&self) -> bool;
}

impl TransactionError for TransferError {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Registry(RegistryError::Contended { .. }))
    }
}

/// Does what begins and commits a transaction, again if other clients have come in between: what they
/// have written is there then, and left alone.
///
/// # Errors
/// The last one of `attempt`.
pub fn attempted<T, E: TransactionError>(
    mut attempt: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let mut attempts = 1;
    loop {
        match attempt() {
            Err(error) if error.is_contended() && attempts < MOST_ATTEMPTS => attempts += 1,
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contended() -> TransferError {
        TransferError::Registry(RegistryError::Contended {
            database: "x".to_owned(),
            action: "y".to_owned(),
            reason: "z".to_owned(),
        })
    }

    #[test]
    fn only_contention_is_tried_again_and_not_for_ever() {
        let mut n = 0;
        let second = attempted(|| {
            n += 1;
            if n == 1 { Err(contended()) } else { Ok(n) }
        });
        assert_eq!(second.unwrap(), 2);
        let mut n = 0;
        let all: Result<(), _> = attempted(|| {
            n += 1;
            Err(contended())
        });
        assert!(all.unwrap_err().is_contended());
        assert_eq!(n, MOST_ATTEMPTS);
        let mut n = 0;
        let other: Result<(), _> = attempted(|| {
            n += 1;
            Err(TransferError::Registry(RegistryError::Aborted { operation: "x" }))
        });
        assert!(!other.unwrap_err().is_contended());
        assert_eq!(n, 1);
    }
}
