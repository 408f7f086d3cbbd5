//! `view`: a saved profile, wherever it was taken.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

use manhole::client::{Kind, Trouble};

use crate::{
    args::{self, Names, Options, Rows},
    display::Screen,
    plain::escape,
    print,
    profile::{self, Profile},
    report::Outcome,
    save::NewFile,
    terminal::{Paint, Terminal},
};

/// How a profile is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look<'a> {
    /// The functions that took most.
    Top,
    /// Who calls whom.
    Tree,
    /// A flame graph in this file, or on standard output if it is "-".
    Flame(&'a Path),
}

/// Runs `view`.
pub(crate) fn view(view: &args::View, options: &Options) -> Outcome {
    let mut found = profile::read(&view.file)?;
    if let Some(base) = &view.diff {
        found = profile::since(found, &profile::read(base)?)?;
    }
    if view.names == Names::Short {
        found = found.shortened();
    }
    let look = match (&view.flamegraph, view.tree) {
        (Some(out), _) => Look::Flame(out),
        (None, true) => Look::Tree,
        (None, false) => Look::Top,
    };
    let title = view.file.file_name().unwrap_or(view.file.as_os_str());
    let title = title.to_string_lossy();
    show(
        &found,
        view.sample.as_deref(),
        look,
        view.rows,
        &title,
        options,
    )
}

/// Shows a profile.
///
/// # Errors
/// When it has no samples of the type `sample`, or a picture cannot be written.
pub(crate) fn show(
    found: &Profile,
    sample: Option<&str>,
    look: Look<'_>,
    rows: Rows,
    title: &str,
    options: &Options,
) -> Outcome {
    let index = found.index(sample)?;
    let text = match look {
        Look::Top => profile::top(found, index, rows.0),
        Look::Tree => profile::tree(found, index, rows.0)?,
        Look::Flame(out) => return picture(found, index, out, title),
    };
    let mut out = io::stdout();
    let mut screen = Screen::new(&mut out, Terminal::stdout(options));
    for line in text.lines() {
        let remark = line.starts_with('#');
        if screen
            .line(line, remark.then_some(Paint::Dim), !remark)
            .is_err()
        {
            break; // a reader that has seen enough
        }
    }
    Ok(None)
}

fn picture(found: &Profile, index: usize, out: &Path, title: &str) -> Outcome {
    refuse_terminal(out)?;
    if out == Path::new("-") {
        let mut svg = Vec::new();
        profile::draw(found, index, title, &mut svg)?;
        return print(&svg);
    }
    let mut file = NewFile::create(out)?;
    let mut buffered = io::BufWriter::new(&mut file);
    profile::draw(found, index, title, &mut buffered)?;
    let flushed = buffered.flush();
    drop(buffered);
    flushed.map_err(|error| Trouble::io(Kind::Failed, "failed to write the picture", &error))?;
    file.keep()?;
    eprintln!(
        "# {}: open it in a browser",
        escape(&out.display().to_string())
    );
    Ok(None)
}

/// A picture is nothing that a terminal could show.
///
/// # Errors
/// `Usage` when `out` is "-" and that is a terminal.
pub(crate) fn refuse_terminal(out: &Path) -> Result<(), Trouble> {
    match out == Path::new("-") && io::stdout().is_terminal() {
        true => Err(Trouble::new(
            Kind::Usage,
            "a picture is no sight for a terminal: give a file's name, or send it on",
        )),
        false => Ok(()),
    }
}
