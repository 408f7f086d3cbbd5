//! Where the prompt keeps what was typed: `$XDG_STATE_HOME/manhole/history`, for nobody else's eyes.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// How many lines are kept.
pub(super) const KEPT: usize = 1000;

/// The file, made if need be; `None` when there is no place for it, which is no trouble.
pub(super) fn file() -> Option<PathBuf> {
    let path = place(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))?;
    prepare(&path).ok()?;
    Some(path)
}

/// By the XDG base directory specification, which ignores relative paths.
fn place(state: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let state = state.map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home.map(PathBuf::from).filter(|path| path.is_absolute());
    let base = state.or_else(|| home.map(|home| home.join(".local/state")))?;
    Some(base.join("manhole/history"))
}

/// Makes directory and file private, also those that an earlier version or umask left open.
fn prepare(path: &Path) -> io::Result<()> {
    let Some(directory) = path.parent() else {
        return Ok(());
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    let file = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_follows_xdg() {
        let check = |state: Option<&str>, home: Option<&str>, expected: Option<&str>| {
            let found = place(state.map(Into::into), home.map(Into::into));
            assert_eq!(found.as_deref(), expected.map(Path::new));
        };
        check(Some("/s"), Some("/h"), Some("/s/manhole/history"));
        check(None, Some("/h"), Some("/h/.local/state/manhole/history"));
        check(
            Some("relative"),
            Some("/h"),
            Some("/h/.local/state/manhole/history"),
        );
        check(None, None, None);
    }

    #[test]
    fn directory_and_file_are_private_even_if_they_were_not() {
        let dir = std::env::temp_dir().join(format!("manhole-history-{}", std::process::id()));
        let path = dir.join("manhole/history");
        fs::create_dir_all(dir.join("manhole")).unwrap();
        fs::write(&path, "old\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        prepare(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(fs::read(&path).unwrap(), b"old\n");
        fs::remove_dir_all(dir).unwrap();
    }
}
