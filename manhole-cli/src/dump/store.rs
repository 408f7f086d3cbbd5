//! Where a dump goes: a new directory, or a tar.gz on standard output.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use manhole::client::{Kind, Trouble};

use crate::save::create_new;

/// Takes the files of a dump, one by one.
pub(super) enum Store {
    /// Written at once, into a directory that gets its name when it is complete.
    Directory {
        /// Where the files are.
        now: PathBuf,
        /// Where they are to be.
        then: PathBuf,
    },
    /// Kept until the end: the README stands first in an archive and is known last.
    Archive {
        /// The directory inside the archive.
        name: String,
        /// The files.
        files: Vec<(String, Vec<u8>)>,
    },
}

impl Store {
    /// Begins a directory. One that is there already must be empty.
    ///
    /// # Errors
    /// `Usage` when it is there and not empty, `Failed` when it cannot be made.
    pub(super) fn directory(path: &Path) -> Result<Self, Trouble> {
        let then = path.to_owned();
        if let Ok(meta) = fs::symlink_metadata(path) {
            let empty =
                meta.is_dir() && fs::read_dir(path).is_ok_and(|mut names| names.next().is_none());
            return match empty {
                true => Ok(Store::Directory {
                    now: then.clone(),
                    then,
                }),
                false => Err(Trouble::new(
                    Kind::Usage,
                    format!("{} is there already and no empty directory", path.display()),
                )),
            };
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let now = PathBuf::from(name);
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&now)
            .map_err(|error| {
                Trouble::io(
                    Kind::Failed,
                    format!("failed to make {}", now.display()),
                    &error,
                )
            })?;
        Ok(Store::Directory { now, then })
    }

    /// Begins an archive whose files are in the directory `name`.
    pub(super) fn archive(name: String) -> Self {
        Store::Archive {
            name,
            files: Vec::new(),
        }
    }

    /// Adds a file.
    ///
    /// # Errors
    /// `Failed` when it cannot be written.
    pub(super) fn put(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), Trouble> {
        match self {
            Store::Directory { now, .. } => {
                let path = now.join(name);
                let written = create_new(&path).and_then(|mut file| file.write_all(&bytes));
                written.map_err(|error| {
                    Trouble::io(
                        Kind::Failed,
                        format!("failed to write {}", path.display()),
                        &error,
                    )
                })
            }
            Store::Archive { files, .. } => {
                files.push((name.to_owned(), bytes));
                Ok(())
            }
        }
    }

    /// Completes the dump with the file that stands first; says where it is.
    ///
    /// # Errors
    /// `Failed` when it cannot be written.
    pub(super) fn finish(
        mut self,
        first: (&str, Vec<u8>),
        seconds: u64,
    ) -> Result<String, Trouble> {
        if let Store::Directory { .. } = self {
            self.put(first.0, first.1)?;
            return self.name_directory();
        }
        let Store::Archive { name, files } = self else {
            return Ok(String::new());
        };
        let first = (first.0.to_owned(), first.1);
        let files = std::iter::once(first).chain(files);
        let written = write_archive(&name, files, seconds, io::stdout().lock());
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Trouble::io(
                Kind::Failed,
                "failed to write the archive",
                &error,
            )),
            _ => Ok("standard output".to_owned()),
        }
    }

    fn name_directory(self) -> Result<String, Trouble> {
        let Store::Directory { now, then } = self else {
            return Ok(String::new());
        };
        if now != then {
            fs::rename(&now, &then).map_err(|error| {
                let what = format!("failed to rename {} to {}", now.display(), then.display());
                Trouble::io(Kind::Failed, what, &error)
            })?;
        }
        Ok(then.display().to_string())
    }
}

fn write_archive(
    directory: &str,
    files: impl Iterator<Item = (String, Vec<u8>)>,
    seconds: u64,
    out: impl Write,
) -> io::Result<()> {
    let mut archive = tar::Builder::new(GzEncoder::new(out, Compression::default()));
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(seconds);
        archive.append_data(&mut header, format!("{directory}/{name}"), bytes.as_slice())?;
    }
    archive.into_inner()?.finish()?.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("manhole-store-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_directory_gets_its_name_when_it_is_complete() {
        let dir = scratch("name");
        let wanted = dir.join("dump");
        let mut store = Store::directory(&wanted).unwrap();
        store.put("fds.txt", b"3 files".to_vec()).unwrap();
        assert!(!wanted.exists() && dir.join("dump.partial/fds.txt").exists());
        store
            .finish(("README.txt", b"read me".to_vec()), 0)
            .unwrap();
        assert_eq!(fs::read(wanted.join("README.txt")).unwrap(), b"read me");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&wanted), mode(&wanted.join("fds.txt"))),
            (0o700, 0o600)
        );
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn nothing_is_ever_overwritten() {
        let dir = scratch("exists");
        assert!(Store::directory(&dir).is_ok(), "an empty one will do");
        fs::write(dir.join("precious"), "").unwrap();
        let kind = |path: &Path| Store::directory(path).err().unwrap().kind;
        assert_eq!(kind(&dir), Kind::Usage);
        assert_eq!(kind(&dir.join("precious")), Kind::Usage);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn an_archive_is_a_readable_tar_gz_with_the_readme_first() {
        let mut out = Vec::new();
        let files = [("README.txt", "read me"), ("fds.txt", "3 files")];
        let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
        write_archive("manhole-x-1", files.into_iter(), 1_700_000_000, &mut out).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(out.as_slice()));
        let entries: Vec<(String, String)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut text = String::new();
                io::Read::read_to_string(&mut entry, &mut text).unwrap();
                (entry.path().unwrap().display().to_string(), text)
            })
            .collect();
        assert_eq!(
            entries[0],
            ("manhole-x-1/README.txt".into(), "read me".into())
        );
        assert_eq!(entries[1], ("manhole-x-1/fds.txt".into(), "3 files".into()));
    }
}
