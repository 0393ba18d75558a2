//! Tests of [`super::Failure`].

use super::*;

#[test]
fn files_of_another_kind_are_bad_input_and_refusals_are_the_systems() {
    for (kind, code) in [
        (ErrorKind::NotFound, ExitCode::Input),
        (ErrorKind::InvalidData, ExitCode::Input),
        (ErrorKind::IsADirectory, ExitCode::Input),
        (ErrorKind::PermissionDenied, ExitCode::System),
        (ErrorKind::StorageFull, ExitCode::System),
    ] {
        assert_eq!(Failure::from_error(std::io::Error::from(kind)).code(), code, "{kind:?}");
    }
}
