//! `exec`: commands for scripts, on one console or several, one after the other.

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
};

use manhole::client::{Failure, Kind, Trouble, words};

use crate::{
    args::{self, Options},
    report::{Outcome, describe},
    run::{Manner, run},
    target::{self, Opened},
    terminal::Terminal,
};

/// A script is for commands, not for data.
const LONGEST_SCRIPT: u64 = 1 << 20;

/// The words of one command.
pub(crate) type Words = Vec<String>;

/// Runs `exec`.
pub(crate) fn exec(exec: &args::Exec, options: &Options) -> Outcome {
    let mut commands = match &exec.script {
        Some(path) => read_script(path)?,
        None => split(&exec.words)?,
    };
    if exec.json {
        commands.iter_mut().for_each(want_json);
    }
    let manner = manner(options);
    if !target::is_pattern(&exec.target) {
        let mut opened = target::open_one(&exec.target)?;
        return run_all(&mut opened, &commands, &manner, exec.json);
    }
    on_several(exec, &commands, &manner)
}

/// How `exec` prints.
pub(crate) fn manner(options: &Options) -> Manner {
    Manner {
        out: Terminal::stdout(options),
        err: Terminal::stderr(options),
        timeout: options.timeout,
        raw: options.raw,
    }
}

fn on_several(exec: &args::Exec, commands: &[Words], manner: &Manner) -> Outcome {
    let known = target::matching(target::everybody(), &exec.target);
    if known.is_empty() {
        return match exec.allow_none {
            true => Ok(None),
            false => Err(target::nobody(&exec.target)),
        };
    }
    let mut worst = None;
    for one in &known {
        let label = format!("{}[{}]", one.name(), one.found.pid);
        if !exec.json {
            println!("=== {label}");
        }
        let outcome = target::open_known(one)
            .and_then(|mut opened| run_all(&mut opened, commands, manner, exec.json));
        let kind = outcome.unwrap_or_else(|trouble| {
            eprintln!("{}", describe(&trouble, &manner.err));
            Some(trouble.kind)
        });
        worst = worst.or(kind);
    }
    Ok(worst)
}

/// Runs the commands one after the other; the first failure gives the exit code, the others run
/// all the same, unless the user cancelled.
pub(crate) fn run_all(
    opened: &mut Opened,
    commands: &[Words],
    manner: &Manner,
    json: bool,
) -> Outcome {
    let mut first = None;
    for words in commands {
        if commands.len() > 1 && !json {
            // A closed pipe shows with the answer itself.
            let _ = writeln!(io::stdout(), "== {}", line(words));
        }
        let kind = run(opened, words, manner, &mut io::stdout())?;
        first = first.or(kind);
        if kind == Some(Kind::TimedOut) {
            break;
        }
    }
    Ok(first)
}

/// Words as one would type them.
pub(crate) fn line(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| words::quote(word)).collect();
    quoted.join(" ")
}

/// The commands among the arguments: one argument is a line as at the prompt; several are words,
/// which the shell has split already, with ";" between commands.
pub(crate) fn split(arguments: &[String]) -> Result<Vec<Words>, Trouble> {
    let commands = match arguments {
        [one] => words::parse_line(one).map_err(|failure| wrong(&failure))?,
        several => {
            let commands = several.split(|word| word == ";");
            commands
                .filter(|words| !words.is_empty())
                .map(<[String]>::to_vec)
                .collect()
        }
    };
    match commands.is_empty() {
        true => Err(Trouble::new(
            Kind::Usage,
            "there is no command; try: triage",
        )),
        false => Ok(commands),
    }
}

fn wrong(failure: &Failure) -> Trouble {
    Trouble::new(Kind::Usage, failure.text.clone())
}

fn read_script(path: &Path) -> Result<Vec<Words>, Trouble> {
    let failed = |error: &io::Error| {
        Trouble::io(
            Kind::Usage,
            format!("failed to read {}", path.display()),
            error,
        )
    };
    let mut text = String::new();
    let read = match path == Path::new("-") {
        true => io::stdin().take(LONGEST_SCRIPT).read_to_string(&mut text),
        false => fs::File::open(path)
            .and_then(|file| file.take(LONGEST_SCRIPT).read_to_string(&mut text)),
    };
    read.map_err(|error| failed(&error))?;
    parse_script(&text)
}

/// The commands of a script, a line each or several with `;`; errors name the line.
pub(crate) fn parse_script(text: &str) -> Result<Vec<Words>, Trouble> {
    let mut commands = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let parsed = words::parse_line(line.trim_end_matches('\r')).map_err(|failure| {
            Trouble::new(
                Kind::Usage,
                format!("line {}: {}", number + 1, failure.text),
            )
        })?;
        commands.extend(parsed);
    }
    Ok(commands)
}

fn want_json(words: &mut Words) {
    if !words.iter().any(|word| word == "--json") {
        words.push("--json".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_words(arguments: &[&str]) -> Vec<String> {
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let commands = split(&arguments).unwrap();
        commands.iter().map(|words| words.join("|")).collect()
    }

    #[test]
    fn one_argument_is_a_line_and_several_are_words() {
        assert_eq!(
            split_words(&["triage; vars get 'a b'"]),
            ["triage", "vars|get|a b"]
        );
        assert_eq!(split_words(&["vars", "get", "a b;c"]), ["vars|get|a b;c"]);
        assert_eq!(split_words(&["triage", ";", "fds", ";"]), ["triage", "fds"]);
    }

    #[test]
    fn no_command_and_bad_quotes_are_usage_errors() {
        for words in [&[""][..], &[";", ";"], &["vars 'x"]] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(split(&words).unwrap_err().kind, Kind::Usage, "{words:?}");
        }
    }

    #[test]
    fn a_script_has_comments_and_its_errors_name_the_line() {
        let commands = parse_script("# all of it\ntriage; fds\r\n\nvars get x # why\n").unwrap();
        assert_eq!(commands.len(), 3);
        assert_eq!(commands[2], ["vars", "get", "x"]);
        let trouble = parse_script("triage\nvars 'x\n").unwrap_err();
        assert!(trouble.text.starts_with("line 2: "), "{trouble}");
    }

    #[test]
    fn json_is_asked_for_once() {
        let mut words: Words = vec!["vars".into(), "--json".into()];
        want_json(&mut words);
        assert_eq!(words, ["vars", "--json"]);
    }
}
