//! A thread in a library that is loaded and unloaded while the process runs.

use super::{Answer, bare::Library, known};
use std::{
    ffi::CString,
    io::{PipeWriter, Write},
    os::fd::AsRawFd,
    sync::{Mutex, PoisonError, mpsc},
    time::Duration,
};

/// What ends the visit to the plugin, and what tells that it has ended.
static VISIT: Mutex<Option<(PipeWriter, mpsc::Receiver<Library>)>> = Mutex::new(None);

pub(crate) fn perform(name: &str, words: &[&str]) -> Option<Answer> {
    Some(match name {
        "plug" => plug(words.first().copied().unwrap_or_default()),
        "unplug" => unplug(),
        _ => return None,
    })
}

/// A path as `dlopen` takes it.
pub(crate) fn path(path: &str) -> Result<CString, String> {
    CString::new(path).map_err(|error| error.to_string())
}

/// Loads the plugin and starts the thread `plugged`, which waits in it.
fn plug(name: &str) -> Answer {
    let library = Library::open(&path(name)?)?;
    let entry = library.entry(c"plugin_wait")?;
    let (reader, writer) = std::io::pipe().map_err(|error| error.to_string())?;
    let (leave, left) = mpsc::channel();
    known::start("plugged".to_owned(), move || {
        entry(reader.as_raw_fd() as u64);
        let _ = leave.send(library); // the other side waits for it
    })?;
    *VISIT.lock().unwrap_or_else(PoisonError::into_inner) = Some((writer, left));
    Ok(String::new())
}

/// Has the thread leave the plugin and unloads it.
fn unplug() -> Answer {
    let visit = VISIT.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (mut writer, left) = visit.ok_or("nothing is plugged")?;
    writer.write_all(b"x").map_err(|error| error.to_string())?;
    let library = left.recv_timeout(Duration::from_secs(30));
    let library = library.map_err(|error| error.to_string())?;
    library.close().map(|()| String::new())
}
