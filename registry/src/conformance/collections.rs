//! Collections and the order of chains.

use super::RepositoryUnderTest;
use super::sample::Sample;
use crate::changes::NewCollection;
use crate::collection::CollectionKind;
use crate::error::{ConflictKind, RegistryError};
use crate::writer::RegistryWriter;

fn prepend(
    writer: &mut dyn RegistryWriter,
    chain: &str,
    children: &[&str],
) -> Result<(), RegistryError> {
    let children: Vec<String> = children.iter().map(|&child| child.to_owned()).collect();
    let mut transaction = writer.begin()?;
    transaction.prepend_to_chain(chain, &children)?;
    transaction.commit()
}

fn children(writer: &mut dyn RegistryWriter, chain: &str) -> Option<Vec<String>> {
    writer.begin().unwrap().chain_children(chain).unwrap()
}

pub(super) fn check(repository: &dyn RepositoryUnderTest, _: Sample) {
    let wanted = Sample::collections();
    let mut writer = repository.writer();
    let mut transaction = writer.begin().unwrap();
    assert_eq!(transaction.register_collections(&wanted).unwrap(), 6);
    assert_eq!(transaction.register_collections(&wanted).unwrap(), 0, "nothing is new");
    transaction.commit().unwrap();

    let chain = |writer: &mut dyn RegistryWriter| children(writer, "chain").unwrap();
    assert_eq!(chain(&mut *writer), ["tag", "run2", "calib"]);
    assert_eq!(children(&mut *writer, "nothing"), None);
    prepend(&mut *writer, "chain", &["run2", "run1"]).unwrap();
    assert_eq!(chain(&mut *writer), ["run2", "run1", "tag", "calib"], "children move");
    prepend(&mut *writer, "chain", &["run2", "run1"]).unwrap();
    assert_eq!(chain(&mut *writer), ["run2", "run1", "tag", "calib"]);
    prepend(&mut *writer, "chain", &["calib"]).unwrap();
    assert_eq!(chain(&mut *writer), ["calib", "run2", "run1", "tag"]);
    // A chain that is registered again keeps its children.
    let mut transaction = writer.begin().unwrap();
    assert_eq!(transaction.register_collections(&wanted).unwrap(), 0);
    transaction.commit().unwrap();
    assert_eq!(chain(&mut *writer), ["calib", "run2", "run1", "tag"]);

    // What children a chain has is also what readers see.
    let catalog = repository.reader().snapshot().unwrap().collections().unwrap();
    let top = catalog.require("top").unwrap();
    assert_eq!(catalog.get(top).doc.as_deref(), Some("About top."));
    let flat = catalog.flatten(&[top]).unwrap();
    let names: Vec<&str> = flat.iter().map(|&ix| catalog.get(ix).name.as_str()).collect();
    assert_eq!(names, ["run1", "calib", "run2", "tag"]);

    match prepend(&mut *writer, "chain", &["top"]).unwrap_err() {
        RegistryError::CollectionCycle { names } => assert_eq!(names.first(), names.last()),
        other => panic!("{other}"),
    }
    match prepend(&mut *writer, "chain", &["chain"]).unwrap_err() {
        RegistryError::CollectionCycle { .. } => {}
        other => panic!("{other}"),
    }
    match prepend(&mut *writer, "chain", &["run3"]).unwrap_err() {
        RegistryError::UnknownCollection { similar, .. } => {
            assert!(similar.is_some_and(|similar| similar.starts_with("run")));
        }
        other => panic!("{other}"),
    }
    for error in [
        prepend(&mut *writer, "run1", &["run2"]).unwrap_err(),
        writer.begin().unwrap().chain_children("tag").unwrap_err(),
    ] {
        assert!(matches!(error, RegistryError::WrongCollectionKind { .. }), "{error}");
    }

    let mut refused = |name: &str, kind, children: &[&str]| {
        let children = children.iter().map(|&child| child.to_owned()).collect();
        let collection = NewCollection { name: name.to_owned(), kind, doc: None, children };
        writer.begin().unwrap().register_collections(&[collection]).unwrap_err()
    };
    match refused("run1", CollectionKind::Tagged, &[]) {
        RegistryError::Conflict(conflict) => assert_eq!(conflict.kind, ConflictKind::Collection),
        other => panic!("{other}"),
    }
    for error in
        [refused("", CollectionKind::Run, &[]), refused("new", CollectionKind::Run, &["run1"])]
    {
        assert!(matches!(error, RegistryError::Invalid { .. }), "{error}");
    }
    let circular = refused("new", CollectionKind::Chained, &["new"]);
    assert!(matches!(circular, RegistryError::CollectionCycle { .. }), "{circular}");
    let dangling = refused("new", CollectionKind::Chained, &["old"]);
    assert!(matches!(dangling, RegistryError::UnknownCollection { .. }), "{dangling}");
}
