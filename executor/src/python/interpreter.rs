//! Finding the Python that has the middleware.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use super::package::WorkerPackage;

/// A Python interpreter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// The program.
    pub program: Utf8PathBuf,
    /// How it was found, for messages.
    pub origin: &'static str,
}

/// Why there is no interpreter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterpreterError {
    /// The program that was named does not exist.
    #[error(
        "{program} ({origin}) is not a file that can be run; name a Python interpreter that \
             can import lsst.pipe.base"
    )]
    NotAProgram {
        /// The program.
        program: Utf8PathBuf,
        /// Who named it.
        origin: &'static str,
    },
    /// Nobody named one, and there is none to be found.
    #[error(
        "no Python was found: none was named, no virtual environment is active, and there is \
             no python3 on PATH; activate the environment of the middleware"
    )]
    NotFound,
}

const NAMED: &str = "as named";
const VIRTUAL_ENVIRONMENT: &str = "from VIRTUAL_ENV";
const SEARCH_PATH: &str = "from PATH";

impl Interpreter {
    /// The one that was named, else that of the active virtual environment, else `python3` on the
    /// search path.
    ///
    /// # Errors
    /// If the first of these that applies is not an executable file, or none applies.
    pub fn find(named: Option<&Utf8Path>) -> Result<Self, InterpreterError> {
        Self::find_in(named, env::var("VIRTUAL_ENV").ok(), env::var_os("PATH"))
    }

    fn find_in(
        named: Option<&Utf8Path>,
        virtual_environment: Option<String>,
        search_path: Option<OsString>,
    ) -> Result<Self, InterpreterError> {
        if let Some(program) = named {
            // Without a folder it is the name of a program.
            let found = if program.as_str().contains('/') {
                is_executable(program).then(|| program.to_owned())
            } else {
                search(program.as_str(), search_path)
            };
            let program = program.to_owned();
            return match found {
                Some(program) => Ok(Self { program, origin: NAMED }),
                None => Err(InterpreterError::NotAProgram { program, origin: NAMED }),
            };
        }
        if let Some(folder) = virtual_environment.filter(|folder| !folder.is_empty()) {
            let program = Utf8PathBuf::from(folder).join("bin/python");
            let origin = VIRTUAL_ENVIRONMENT;
            return if is_executable(&program) {
                Ok(Self { program, origin })
            } else {
                Err(InterpreterError::NotAProgram { program, origin })
            };
        }
        let program = search("python3", search_path).ok_or(InterpreterError::NotFound)?;
        Ok(Self { program, origin: SEARCH_PATH })
    }

    /// A command that runs a module of our package in the user's environment: variables, working
    /// directory and `PYTHONPATH` stay, the package is added.
    pub fn module(&self, package: &WorkerPackage, module: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-m", module]);
        command.env("PYTHONPATH", with_folder(package.folder(), env::var_os("PYTHONPATH")));
        command
    }
}

/// Puts a folder before a search path that may be absent.
fn with_folder(folder: &Utf8Path, path: Option<OsString>) -> OsString {
    let mut joined = OsString::from(folder.as_str());
    // An empty entry would stand for the working directory, which is not ours to add.
    if let Some(path) = path.filter(|path| !path.is_empty()) {
        joined.push(":");
        joined.push(path);
    }
    joined
}

fn search(name: &str, path: Option<OsString>) -> Option<Utf8PathBuf> {
    env::split_paths(&path?)
        .filter_map(|folder| Utf8PathBuf::from_path_buf(folder).ok())
        .map(|folder| folder.join(name))
        .find(|program| is_executable(program))
}

fn is_executable(program: &Utf8Path) -> bool {
    program.is_file()
        && rustix::fs::access(program.as_std_path(), rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> (tempfile::TempDir, Utf8PathBuf) {
        use std::os::unix::fs::OpenOptionsExt;
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        for program in ["venv/bin/python", "path/python3", "own/python"] {
            let program = root.join(program);
            fs_err::create_dir_all(program.parent().unwrap()).unwrap();
            std::fs::OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o755)
                .open(program)
                .unwrap();
        }
        (folder, root)
    }

    #[test]
    fn the_named_one_comes_first_then_the_virtual_environment_then_the_path() {
        let (_folder, root) = environment();
        let named = root.join("own/python");
        let venv = Some(root.join("venv").into_string());
        let path = Some(OsString::from(root.join("path").as_str()));
        let find = |named: Option<&Utf8Path>, venv: &Option<String>, path: &Option<OsString>| {
            Interpreter::find_in(named, venv.clone(), path.clone())
                .map(|found| found.program.strip_prefix(&root).unwrap().to_string())
        };
        assert_eq!(find(Some(&named), &venv, &path).unwrap(), "own/python");
        assert_eq!(find(Some("python3".into()), &venv, &path).unwrap(), "path/python3");
        assert_eq!(find(None, &venv, &path).unwrap(), "venv/bin/python");
        assert_eq!(find(None, &None, &path).unwrap(), "path/python3");
        assert_eq!(find(None, &None, &None), Err(InterpreterError::NotFound));
        let missing = root.join("missing");
        assert!(matches!(
            find(Some(&missing), &venv, &path),
            Err(InterpreterError::NotAProgram { .. })
        ));
        let no_venv = Some(missing.into_string());
        assert!(find(None, &no_venv, &path).is_err(), "a broken environment is not passed over");
    }

    #[test]
    fn the_users_python_path_is_kept() {
        assert_eq!(with_folder("/ours".into(), Some("/a:/b".into())), "/ours:/a:/b");
        assert_eq!(with_folder("/ours".into(), Some("".into())), "/ours");
        assert_eq!(with_folder("/ours".into(), None), "/ours");
    }
}
