//! The release that is meant where none is named.

use qbb_datastore::RepositoryConfig;

use crate::output::Failure;

/// The release: the one that is named, or the one that a personal repository remembers.
pub fn release_of(named: Option<&str>, personal: Option<&str>) -> Result<String, Failure> {
    if let Some(release) = named {
        return Ok(release.to_owned());
    }
    let Some(personal) = personal else {
        return Err(Failure::usage("no release is named").with_hint("name it with -b RELEASE"));
    };
    match RepositoryConfig::open(personal)?.release()? {
        Some(release) => Ok(release.to_owned()),
        None => Err(Failure::usage(format!("{personal} does not remember a release")).with_hint(
            "name it with `--from RELEASE` (`-b RELEASE` where a graph is built); repositories made by \
             `qbb create` remember theirs",
        )),
    }
}
