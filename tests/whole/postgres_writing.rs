//! Personal repositories in PostgreSQL.

use camino::Utf8Path;
use qbb_datastore::{DatabaseUrl, RepositoryConfig};
use qbb_registry::{NewDatabase, create, open_reader};

use crate::kit::{Prepared, Scratch, postgres, postgres_release, qbb, real_butler, script};
use crate::repository::WRITE;

/// Creates an empty repository with the universe of the shared release.
fn create_personal(root: &str, schema: &str) {
    let release = postgres_release().display().to_string();
    let release = open_reader(&RepositoryConfig::open(&release).unwrap()).unwrap();
    let url = DatabaseUrl::new(&postgres().url);
    let database = NewDatabase::Postgres { url: &url, schema };
    create(Utf8Path::new(root), database, release.universe()).unwrap();
}

/// Release and personal repository are two schemas of one database, as they are where people work.
#[test]
fn a_run_is_transferred_and_the_middleware_goes_on() {
    let scratch = Scratch::new();
    let personal = scratch.path("personal");
    create_personal(&personal, "me");
    let release = postgres_release().display().to_string();
    let submit = scratch.path("submit");
    Prepared::over(&submit, &personal, &release, "user", Prepared::RUN);
    qbb(&["run", &submit]);
    let first = qbb(&["transfer", &submit, "--inputs"]);
    assert!(!first.contains("new: 0 datasets"), "{first}");
    script("compare_schema.py", &[&personal]);
    script("check_repository.py", &[&personal]);
    real_butler(WRITE, &[&personal]);
    script("check_repository.py", &[&personal]);
    let again = qbb(&["transfer", &submit, "--inputs"]);
    assert!(again.contains("new: 0 datasets"), "{again}");
}
