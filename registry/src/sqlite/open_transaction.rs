//! A transaction that has begun on a connection.

use rusqlite::Connection;

/// Rolled back when dropped.
pub(super) struct OpenTransaction<'a> {
    connection: &'a Connection,
    ended: bool,
}

impl<'a> OpenTransaction<'a> {
    /// Begins a transaction that may write. Taking the write lock at once avoids the dead end of two
    /// readers that both want it.
    pub(super) fn begin(connection: &'a Connection) -> rusqlite::Result<Self> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        Ok(Self::begun(connection))
    }

    /// Takes over a transaction that has begun.
    pub(super) fn begun(connection: &'a Connection) -> Self {
        Self { connection, ended: false }
    }

    pub(super) fn connection(&self) -> &'a Connection {
        self.connection
    }

    /// Leaves it open, for [`OpenTransaction::begun`].
    pub(super) fn leave(mut self) {
        self.ended = true;
    }

    pub(super) fn commit(mut self) -> rusqlite::Result<()> {
        self.connection.execute_batch("COMMIT")?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for OpenTransaction<'_> {
    fn drop(&mut self) {
        // Some errors have rolled it back already.
        if !self.ended && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}
