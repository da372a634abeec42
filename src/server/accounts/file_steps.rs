//! Files that are written, created and removed together, and the undo of such a change.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use log::warn;

use crate::limits::PASSWORD_FILE_BYTES_MAX;
use crate::whole_file::{WholeFile, sync_directory};

/// One step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) enum FileStep {
    /// The file gets this text. It is created if it is missing.
    Write(PathBuf, Vec<u8>),
    /// The directory exists afterwards.
    Make(PathBuf),
    /// The file or directory does not exist afterwards.
    Remove(PathBuf),
}

/// The undo of one step.
#[derive(Debug)]
enum Undone {
    Rewrite(PathBuf, Vec<u8>),
    RemoveFile(PathBuf),
    RemoveDirectory(PathBuf),
    /// The file was put aside.
    PutBack {
        aside: PathBuf,
        path: PathBuf,
    },
}

/// The undo of all steps.
#[derive(Debug, Default)]
pub(in super::super) struct Undo(Vec<Undone>);

/// Executes all steps.
///
/// # Errors
/// Names the step that failed, and why; the steps before it are undone.
pub(super) fn apply(steps: Vec<FileStep>) -> Result<Undo, (PathBuf, io::Error)> {
    let mut undo = Undo::default();
    for step in steps {
        let (FileStep::Write(path, _) | FileStep::Make(path) | FileStep::Remove(path)) = &step;
        let path = path.clone();
        if let Err(error) = undo.take(step) {
            undo.undo();
            return Err((path, error));
        }
    }
    Ok(undo)
}

impl Undo {
    fn take(&mut self, step: FileStep) -> io::Result<()> {
        match step {
            FileStep::Write(path, text) => {
                let is_new = !path.try_exists()?;
                let file = WholeFile::open(&path, true)?;
                // The empty file exists now, even if the rest fails.
                if is_new {
                    self.0.push(Undone::RemoveFile(path.clone()));
                }
                let before = file.read(PASSWORD_FILE_BYTES_MAX)?;
                let before = before.ok_or_else(|| io::Error::from(ErrorKind::FileTooLarge))?;
                file.replace(&text)?;
                if !is_new {
                    self.0.push(Undone::Rewrite(path, before));
                }
            }
            FileStep::Make(path) => {
                DirBuilder::new().mode(0o750).create(&path)?;
                self.0.push(Undone::RemoveDirectory(path.clone()));
                sync_directory(&path)?;
            }
            FileStep::Remove(path) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                // Readers of the directory ignore names that begin with a dot.
                let aside = path.with_file_name(format!(".{name}.gone"));
                remove(&aside)?;
                fs::rename(&path, &aside)?;
                self.0.push(Undone::PutBack { aside, path: path.clone() });
                sync_directory(&path)?;
            }
        }
        Ok(())
    }

    /// Restores all files, the last one first. Failures are logged.
    pub(in super::super) fn undo(self) {
        for step in self.0.into_iter().rev() {
            let undone = match &step {
                Undone::Rewrite(path, text) => {
                    WholeFile::open(path, false).and_then(|file| file.replace(text))
                }
                Undone::RemoveFile(path) => fs::remove_file(path),
                Undone::RemoveDirectory(path) => fs::remove_dir(path),
                Undone::PutBack { aside, path } => fs::rename(aside, path),
            };
            if let Err(error) = undone {
                warn!("a change that failed is not undone: {step:?}: {error}");
            }
        }
    }

    /// Keeps the changes and removes the files that were put aside.
    pub(in super::super) fn keep(self) {
        for step in self.0 {
            if let Undone::PutBack { aside, .. } = step
                && let Err(error) = remove(&aside)
            {
                warn!("cannot remove {}: {error}", aside.display());
            }
        }
    }
}

/// Removes a file or directory, if it exists.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Err(error) => Err(error),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    // Undone or failed steps restore everything, including modes; kept steps leave no files aside.
    #[test]
    fn steps_are_undone() {
        let name = format!("ringmq-steps-{}", std::process::id());
        let scene = std::env::temp_dir().join(name);
        fs::create_dir_all(scene.join("gone")).expect("there is room");
        fs::write(scene.join("gone/inner"), "x").expect("there is room");
        fs::write(scene.join("old"), "before").expect("there is room");
        fs::set_permissions(scene.join("old"), fs::Permissions::from_mode(0o640)).expect("own");
        let steps = || {
            vec![
                FileStep::Write(scene.join("old"), b"after".to_vec()),
                FileStep::Make(scene.join("made")),
                FileStep::Write(scene.join("made/new"), b"new".to_vec()),
                FileStep::Remove(scene.join("gone")),
            ]
        };
        let is_as_before = || {
            let mut names: Vec<String> = fs::read_dir(&scene)
                .expect("it is there")
                .map(|entry| entry.expect("one").file_name().into_string().expect("text"))
                .collect();
            names.sort();
            assert_eq!(names, ["gone", "old"]);
            assert_eq!(fs::read_to_string(scene.join("old")).expect("there"), "before");
            assert_eq!(fs::read_to_string(scene.join("gone/inner")).expect("there"), "x");
            let mode = fs::metadata(scene.join("old")).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o640);
        };
        apply(steps()).expect("all can be done").undo();
        is_as_before();
        let mut failing = steps();
        failing.push(FileStep::Remove(scene.join("nothing")));
        let (path, _) = apply(failing).expect_err("the last one cannot be done");
        assert_eq!(path, scene.join("nothing"));
        is_as_before();
        apply(steps()).expect("all can be done").keep();
        assert_eq!(fs::read_dir(&scene).expect("it is there").count(), 2);
        assert_eq!(fs::read_to_string(scene.join("made/new")).expect("there"), "new");
        fs::remove_dir_all(&scene).expect("it is ours");
    }
}
