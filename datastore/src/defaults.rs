//! Settings that hold where a repository's `butler.yaml` is silent, as of daf_butler 30.

/// Database of the registry.
pub(crate) const DATABASE: &str = "sqlite:///<butlerRoot>/gen3.sqlite3";

/// Root of the datastore. Repositories made by `butler create` set another one.
pub(crate) const DATASTORE_ROOT: &str = "<butlerRoot>/datastore";

/// The only class of datastore that is understood.
pub(crate) const FILE_DATASTORE: &str = "lsst.daf.butler.datastores.fileDatastore.FileDatastore";

/// Table of the datastore's records.
pub(crate) const RECORDS_TABLE: &str = "file_datastore_records";

/// Classes of the registry's managers.
pub(crate) const MANAGERS: [(&str, &str); 6] = [
    ("attributes", "lsst.daf.butler.registry.attributes.DefaultButlerAttributeManager"),
    (
        "collections",
        "lsst.daf.butler.registry.collections.synthIntKey.SynthIntKeyCollectionManager",
    ),
    (
        "datasets",
        "lsst.daf.butler.registry.datasets.byDimensions.\
         ByDimensionsDatasetRecordStorageManagerUUID",
    ),
    (
        "datastores",
        "lsst.daf.butler.registry.bridge.monolithic.MonolithicDatastoreRegistryBridgeManager",
    ),
    (
        "dimensions",
        "lsst.daf.butler.registry.dimensions.static.StaticDimensionRecordStorageManager",
    ),
    ("opaque", "lsst.daf.butler.registry.opaque.ByNameOpaqueTableStorageManager"),
];

/// Path templates by lookup key.
pub(crate) const TEMPLATES: [(&str, &str); 2] = [
    (
        "default",
        "{run:/}/{datasetType}.{component:?}/{tract:?}/{patch:?}/\
         {day_obs|visit.day_obs|exposure.day_obs:?}/{band:?}/{subfilter:?}/{physical_filter:?}/\
         {visit:?}/{exposure.obs_id|group:?}/\
         {datasetType}_{component:?}_{instrument:?}_{tract:?}_{patch:?}_{band:?}_\
         {physical_filter:?}_{visit:?}_{exposure.obs_id|group:?}_{detector.full_name:?}_\
         {skymap:?}_{skypix:?}_{ssp_hypothesis_table:?}_{ssp_hypothesis_bundle:?}_\
         {ssp_balanced_index:?}_{run}",
    ),
    (
        "physical_filter+detector+exposure",
        "{run:/}/{datasetType}.{component:?}/{day_obs|exposure.day_obs}/{exposure.obs_id}/\
         {datasetType}_{component:?}_{instrument:?}_{physical_filter}_{exposure.obs_id}_\
         {detector.full_name}_{run}",
    ),
];
