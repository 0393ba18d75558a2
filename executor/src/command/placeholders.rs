//! From a command template to arguments.

use camino::Utf8PathBuf;

/// Where the values of placeholders come from.
pub(crate) trait Values {
    /// Paths of a connection's datasets; `None` if there is no such input.
    fn inputs(&self, connection: &str) -> Option<&[Utf8PathBuf]>;

    /// Paths of a connection's datasets; `None` if there is no such output.
    fn outputs(&self, connection: &str) -> Option<&[Utf8PathBuf]>;

    /// A value of the quantum's data ID; `None` if it has no such dimension.
    fn data_id(&self, dimension: &str) -> Option<String>;

    /// Path of the JSON description.
    fn quantum(&self) -> &str;
}

/// Why a template does not give a command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceholderError {
    /// A brace without its partner.
    #[error("argument `{argument}` has a single `{brace}`; write `{brace}{brace}` for a brace")]
    Brace {
        /// The argument.
        argument: String,
        /// The brace.
        brace: char,
    },
    /// A placeholder that means nothing.
    #[error(
        "argument `{argument}` has the unknown placeholder `{{{placeholder}}}`; known are \
         `{{inputs.NAME}}`, `{{outputs.NAME}}`, `{{data_id.DIMENSION}}` and `{{quantum}}`"
    )]
    Unknown {
        /// The argument.
        argument: String,
        /// What is between its braces.
        placeholder: String,
    },
    /// A connection or dimension that the task does not have.
    #[error("argument `{argument}`: the task has no {what} `{name}`")]
    NoSuchName {
        /// The argument.
        argument: String,
        /// Input, output or dimension.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Not exactly one dataset where there is room for one.
    #[error(
        "argument `{argument}` has room for one path, but `{{{placeholder}}}` stands for {count}; \
         make the placeholder an argument of its own"
    )]
    NotOne {
        /// The argument.
        argument: String,
        /// What is between its braces.
        placeholder: String,
        /// Number of datasets.
        count: usize,
    },
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

/// Replaces the placeholders of all arguments. An argument that is just one placeholder for paths
/// becomes as many arguments as there are paths.
pub(crate) fn expand(
    arguments: &[String],
    values: &impl Values,
) -> Result<Vec<String>, PlaceholderError> {
    let mut expanded = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let pieces = pieces(argument)?;
        if let [Piece::Placeholder(name)] = pieces[..]
            && let Some(paths) = paths(argument, name, values)?
        {
            expanded.extend(paths.iter().map(|path| path.as_str().to_owned()));
            continue;
        }
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Placeholder(name) => text.push_str(&single(argument, name, values)?),
            }
        }
        expanded.push(text);
    }
    Ok(expanded)
}

fn pieces(argument: &str) -> Result<Vec<Piece<'_>>, PlaceholderError> {
    let unpaired = |brace| PlaceholderError::Brace { argument: argument.to_owned(), brace };
    let mut pieces = Vec::new();
    let mut rest = argument;
    while let Some(at) = rest.find(['{', '}']) {
        let (text, tail) = rest.split_at(at);
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        if tail.starts_with("{{") || tail.starts_with("}}") {
            pieces.push(Piece::Text(&tail[..1]));
            rest = &tail[2..];
        } else if let Some(inner) = tail.strip_prefix('{') {
            let end = inner.find(['{', '}']).filter(|&end| inner[end..].starts_with('}'));
            let end = end.ok_or_else(|| unpaired('{'))?;
            pieces.push(Piece::Placeholder(&inner[..end]));
            rest = &inner[end + 1..];
        } else {
            return Err(unpaired('}'));
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// The paths that a placeholder stands for; `None` if it is not one for paths.
fn paths<'v>(
    argument: &str,
    placeholder: &str,
    values: &'v impl Values,
) -> Result<Option<&'v [Utf8PathBuf]>, PlaceholderError> {
    let (what, name, found) = match placeholder.split_once('.') {
        Some(("inputs", name)) => ("input", name, values.inputs(name)),
        Some(("outputs", name)) => ("output", name, values.outputs(name)),
        _ => return Ok(None),
    };
    match found {
        Some(paths) => Ok(Some(paths)),
        None => Err(PlaceholderError::NoSuchName {
            argument: argument.to_owned(),
            what,
            name: name.to_owned(),
        }),
    }
}

fn single(
    argument: &str,
    placeholder: &str,
    values: &impl Values,
) -> Result<String, PlaceholderError> {
    let argument = argument.to_owned();
    if let Some(paths) = paths(&argument, placeholder, values)? {
        return match paths {
            [path] => Ok(path.as_str().to_owned()),
            _ => Err(PlaceholderError::NotOne {
                argument,
                placeholder: placeholder.to_owned(),
                count: paths.len(),
            }),
        };
    }
    if placeholder == "quantum" {
        return Ok(values.quantum().to_owned());
    }
    match placeholder.strip_prefix("data_id.") {
        Some(name) => values.data_id(name).ok_or_else(|| PlaceholderError::NoSuchName {
            argument,
            what: "dimension",
            name: name.to_owned(),
        }),
        None => Err(PlaceholderError::Unknown { argument, placeholder: placeholder.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Given {
        raws: Vec<Utf8PathBuf>,
        image: Vec<Utf8PathBuf>,
    }

    impl Values for Given {
        fn inputs(&self, connection: &str) -> Option<&[Utf8PathBuf]> {
            match connection {
                "raws" => Some(&self.raws),
                "none" => Some(&[]),
                _ => None,
            }
        }

        fn outputs(&self, connection: &str) -> Option<&[Utf8PathBuf]> {
            (connection == "image").then_some(&self.image)
        }

        fn data_id(&self, dimension: &str) -> Option<String> {
            (dimension == "visit").then(|| "42".to_owned())
        }

        fn quantum(&self) -> &str {
            "/q.json"
        }
    }

    fn expanded(arguments: &[&str]) -> Result<Vec<String>, PlaceholderError> {
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        let given = Given { raws: vec!["/a".into(), "/b".into()], image: vec!["/i".into()] };
        expand(&arguments, &given)
    }

    #[test]
    fn several_datasets_become_several_arguments() {
        let arguments =
            ["do", "{inputs.raws}", "{inputs.none}", "-o{outputs.image}", "v={data_id.visit}"];
        assert_eq!(expanded(&arguments).unwrap(), ["do", "/a", "/b", "-o/i", "v=42"]);
    }

    #[test]
    fn doubled_braces_are_braces() {
        assert_eq!(expanded(&["{{x}}", "{{{quantum}}}", ""]).unwrap(), ["{x}", "{/q.json}", ""]);
    }

    #[test]
    fn mistakes_are_named() {
        let message = |argument: &str| expanded(&[argument]).unwrap_err().to_string();
        assert!(message("a{b").contains("single `{`"));
        assert!(message("a}b").contains("single `}`"));
        assert!(message("{a{quantum}").contains("single `{`"));
        assert!(message("{what}").contains("unknown placeholder `{what}`"));
        assert!(message("{inputs.x}").contains("no input `x`"));
        assert!(message("{data_id.x}").contains("no dimension `x`"));
        assert!(message("-i{inputs.raws}").contains("stands for 2"));
    }
}
