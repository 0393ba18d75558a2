//! Arguments of commands that are suggested to people.

use std::borrow::Cow;

/// An argument as it is written in a shell.
pub fn shell_word(argument: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        return Cow::Borrowed(argument);
    }
    Cow::Owned(format!("'{}'", argument.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_split_or_expand_is_quoted() {
        assert_eq!(shell_word("/data/u/été-1_a.b"), "/data/u/été-1_a.b");
        assert_eq!(shell_word("my run"), "'my run'");
        assert_eq!(shell_word("$x*"), "'$x*'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
