//! Artifacts: URIs, path templates, records and atomic writes; knows no registries and no graphs.
