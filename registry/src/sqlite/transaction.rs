//! A write transaction.

use std::cell::{Cell, RefCell};

use rusqlite::Connection;

use super::connection::DatabaseFile;
use super::open_transaction::OpenTransaction;
use super::postponed_indexes::PostponedIndexes;
use super::replacement::{KeptOpen, Replacement};
use crate::error::RegistryError;

/// How the file gets what is committed.
pub(super) enum Publication<'a> {
    /// It is what is written. If it was opened besides, it stays open as long as it is locked.
    InPlace(#[expect(dead_code, reason = "it is open, that is all")] Option<KeptOpen>),
    /// It is replaced by a copy, which is what is written.
    Replacement(Replacement<'a>),
}

/// A write transaction on a SQLite registry, rolled back when dropped.
pub(super) struct SqliteTransaction<'a> {
    transaction: OpenTransaction<'a>,
    publication: Publication<'a>,
    pub(super) database: &'a DatabaseFile,
    /// One bit for each temporary table that is in use.
    staged: Cell<u64>,
    pub(super) postponed: RefCell<PostponedIndexes>,
}

impl<'a> SqliteTransaction<'a> {
    pub(super) fn new(
        transaction: OpenTransaction<'a>,
        publication: Publication<'a>,
        database: &'a DatabaseFile,
    ) -> Self {
        let (staged, postponed) = (Cell::new(0), RefCell::default());
        Self { transaction, publication, database, staged, postponed }
    }

    pub(super) fn connection(&self) -> &Connection {
        self.transaction.connection()
    }

    /// Makes everything visible at once.
    pub(super) fn commit(self) -> Result<(), RegistryError> {
        self.make_indexes()?;
        let database = self.database;
        self.transaction
            .commit()
            .map_err(|error| database.failure("commit the transaction", error))?;
        match self.publication {
            Publication::InPlace(_) => Ok(()),
            Publication::Replacement(replacement) => replacement.publish(),
        }
    }

    /// A number that no temporary table in use has.
    pub(super) fn take_number(&self) -> u32 {
        let number = self.staged.get().trailing_ones();
        self.staged.set(self.staged.get() | 1 << number);
        number
    }

    /// Makes a number of [`SqliteTransaction::take_number`] free again.
    pub(super) fn give_number(&self, number: u32) {
        self.staged.set(self.staged.get() & !(1 << number));
    }
}
