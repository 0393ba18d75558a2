//! `~/.pgpass`, PostgreSQL's own file of passwords.

use std::os::unix::fs::MetadataExt as _;

use camino::Utf8Path;

/// Which password is looked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The password of the first line that fits. As with the server's own clients, a file that does
/// not exist or that others may read is passed over.
pub(super) fn find_password(path: &Utf8Path, wanted: Wanted<'_>) -> Option<String> {
    if !fs_err::metadata(path).ok()?.is_file() || is_open_to_others(path) {
        return None;
    }
    let text = fs_err::read_to_string(path).ok()?;
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| password_of(line, wanted))
}

/// Whether others than its owner may read or write the file.
pub(super) fn is_open_to_others(path: &Utf8Path) -> bool {
    fs_err::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o077 != 0)
}

/// The password of a line `host:port:database:user:password`, if it fits.
fn password_of(line: &str, wanted: Wanted<'_>) -> Option<String> {
    let port = wanted.port.to_string();
    let mut rest = line;
    for value in [wanted.host, &port, wanted.database, wanted.user] {
        let (field, after) = field(rest)?;
        if field != value && rest[..rest.len() - after.len() - 1] != *"*" {
            return None;
        }
        rest = after;
    }
    // The last field may contain colons.
    let mut password = String::with_capacity(rest.len());
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => password.extend(characters.next()),
            character => password.push(character),
        }
    }
    Some(password)
}

/// A field without its backslashes, and what follows the colon behind it.
fn field(line: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut characters = line.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => field.extend(characters.next().map(|(_, character)| character)),
            ':' => return Some((field, &line[at + 1..])),
            character => field.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const WANTED: Wanted<'_> = Wanted { host: "h:1", port: 5432, database: "d", user: "u" };

    #[test]
    fn the_first_line_that_fits_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("pgpass");
        let text =
            "# h\\:1:*:*:*:comment\nother:5432:d:u:no\nh\\:1:*:d:u:a\\:b:c\\\\\n*:*:*:*:any\n";
        fs_err::write(&path, text).unwrap();
        let permit = |mode| {
            fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        permit(0o600);
        assert_eq!(find_password(&path, WANTED).as_deref(), Some("a:b:c\\"));
        let other = Wanted { database: "e", ..WANTED };
        assert_eq!(find_password(&path, other).as_deref(), Some("any"));
        permit(0o640);
        assert_eq!(find_password(&path, WANTED), None, "others may read it");
        assert!(is_open_to_others(&path));
        assert_eq!(find_password(&path.join("none"), WANTED), None);
    }

    #[test]
    fn lines_that_are_no_lines_are_passed_over() {
        for line in ["", "h\\:1", "h\\:1:5432:d", "\\*:5432:d:u:p", "h\\:1:5432:d:v:p"] {
            assert_eq!(password_of(line, WANTED), None, "{line}");
        }
        let star = Wanted { host: "*", ..WANTED };
        assert_eq!(password_of("\\*:5432:d:u:", star).as_deref(), Some(""));
    }
}
