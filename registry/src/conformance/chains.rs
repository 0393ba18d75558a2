//! Edits of chains.

use super::RepositoryUnderTest;
use super::sample::Sample;
use crate::changes::{ChainChange, ChainEdit};
use crate::error::RegistryError;
use crate::writer::RegistryWriter;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn edit(
    writer: &mut dyn RegistryWriter,
    chain: &str,
    edit: &ChainEdit<'_>,
) -> Result<ChainChange, RegistryError> {
    let mut transaction = writer.begin()?;
    let change = transaction.edit_chain(chain, edit)?;
    transaction.commit()?;
    Ok(change)
}

pub(super) fn check(repository: &dyn RepositoryUnderTest, _: Sample) {
    let mut writer = repository.writer();
    let mut transaction = writer.begin().unwrap();
    transaction.register_collections(&Sample::collections()).unwrap();
    transaction.commit().unwrap();

    let (calib, both) = (names(&["calib"]), names(&["run1", "run2", "run1"]));
    // At first: tag, run2, calib.
    let steps: [(ChainEdit<'_>, &[&str]); 12] = [
        (ChainEdit::Extend(&both), &["tag", "calib", "run1", "run2"]),
        (ChainEdit::Prepend(&calib), &["calib", "tag", "run1", "run2"]),
        (ChainEdit::Insert { at: 3, children: &calib }, &["tag", "run1", "calib", "run2"]),
        (ChainEdit::Insert { at: 4, children: &calib }, &["tag", "run1", "run2", "calib"]),
        (ChainEdit::Insert { at: 0, children: &both }, &["run1", "run2", "tag", "calib"]),
        (ChainEdit::Pop(&[-1]), &["run1", "run2", "tag"]),
        (ChainEdit::Remove(&calib), &["run1", "run2", "tag"]),
        (ChainEdit::Pop(&[0, 2]), &["run2"]),
        (ChainEdit::Remove(&both), &[]),
        (ChainEdit::Prepend(&both), &["run1", "run2"]),
        (ChainEdit::Redefine(&both), &["run1", "run2"]),
        (ChainEdit::Redefine(&[]), &[]),
    ];
    let mut before = names(&["tag", "run2", "calib"]);
    for (step, expected) in &steps {
        let change = edit(&mut *writer, "chain", step).unwrap();
        assert_eq!(change.children, names(expected), "{step:?}");
        assert_eq!(change.changed, change.children != before, "{step:?}");
        let again = writer.begin().unwrap().chain_children("chain").unwrap();
        assert_eq!(again.unwrap(), change.children, "{step:?}");
        before = change.children;
    }

    let top = names(&["top"]);
    for step in [ChainEdit::Redefine(&top), ChainEdit::Extend(&top), ChainEdit::Prepend(&top)] {
        let error = edit(&mut *writer, "chain", &step).unwrap_err();
        assert!(matches!(error, RegistryError::CollectionCycle { .. }), "{error}");
    }
    for step in [ChainEdit::Pop(&[0]), ChainEdit::Insert { at: 1, children: &calib }] {
        let error = edit(&mut *writer, "chain", &step).unwrap_err();
        assert!(matches!(error, RegistryError::Invalid { .. }), "{error}");
    }
    // A child that is to go must be known, or a slip would go unnoticed.
    let slip = names(&["run3"]);
    for step in [ChainEdit::Remove(&slip), ChainEdit::Redefine(&slip)] {
        let error = edit(&mut *writer, "chain", &step).unwrap_err();
        assert!(matches!(error, RegistryError::UnknownCollection { .. }), "{error}");
    }
    let error = edit(&mut *writer, "chains", &ChainEdit::Pop(&[])).unwrap_err();
    assert_eq!(error.to_string(), "unknown collection `chains` (did you mean `chain`?)");
    let error = edit(&mut *writer, "tag", &ChainEdit::Pop(&[])).unwrap_err();
    assert!(matches!(error, RegistryError::WrongCollectionKind { .. }), "{error}");

    let mut transaction = writer.begin().unwrap();
    transaction.document("tag", Some("It's a 'tag' \\ indeed.")).unwrap();
    transaction.document("top", None).unwrap();
    transaction.commit().unwrap();
    let catalog = repository.reader().snapshot().unwrap().collections().unwrap();
    let doc = |name: &str| catalog.get(catalog.require(name).unwrap()).doc.clone();
    assert_eq!(doc("tag").unwrap(), "It's a 'tag' \\ indeed.");
    assert_eq!(doc("top"), None);
}
