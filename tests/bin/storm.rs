//! The storm as a program: `stacks` again and again while a process is in uproar. `storm.sh` builds
//! that process in several ways and runs this for each.

use manhole_tests::{storm::Storm, victim::Setup};
use std::{path::PathBuf, process::ExitCode, time::Duration};

const USAGE: &str = "storm PROGRAM [seconds=60] [looks=0] [known=50] [plugin=FILE] [complete=99] \
                     [without=WORK,...] [profile=1] [heap=0]";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(program) = words.next() else {
        eprintln!("usage: {USAGE}");
        return ExitCode::from(2);
    };
    let mut storm = Storm {
        known: 50,
        looks: 1,
        time: Duration::from_secs(60),
        ..Storm::short(None)
    };
    for word in words {
        if set(&mut storm, &word).is_none() {
            eprintln!("{word} is no option\nusage: {USAGE}");
            return ExitCode::from(2);
        }
    }
    let report = storm.run(Setup::new(PathBuf::from(program)));
    print!("{report}");
    match report.problems.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn set(storm: &mut Storm, word: &str) -> Option<()> {
    let (key, value) = word.split_once('=')?;
    match key {
        "seconds" => storm.time = Duration::from_secs(value.parse().ok()?),
        "looks" => storm.looks = value.parse().ok()?,
        "known" => storm.known = value.parse().ok()?,
        "complete" => storm.complete_percent = value.parse().ok()?,
        "profile" => storm.profile = value != "0",
        "heap" => storm.heap = value != "0",
        "plugin" => storm.plugin = Some(value.into()),
        "without" => storm.without = value.split(',').map(str::to_owned).collect(),
        _ => return None,
    }
    Some(())
}
