//! `triage`: what is wrong here. It knows nothing itself: it collects the verdicts of the commands
//! whose table entry says so, so it grows with every probe and can never disagree with them.

use super::{BUILT_IN, Command, Context, Run, plural};
use crate::model::{
    Answer, Args, Block, Cell, Code, Column, Failure, Group, Impact, Level, Severity, Spec, Table,
    Verdict, order,
};

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "triage",
        group: Group::Question,
        about: "what is wrong here, in ten lines, with the next command for each",
        args: &[],
        level: Level::View,
        impact: Impact::Signals,
        cost: "about 0.6 s, of which it sleeps 0.5 s; the commands it asks state theirs, \
               and without level inspect no thread is interrupted",
        examples: &[],
        see_also: "",
    },
    triage: false,
    endpoints: &[],
    run: Run::Answer(answer),
};

/// What one command came to.
struct Finding {
    command: &'static str,
    verdict: Verdict,
    next: Vec<String>,
}

fn answer(ctx: &Context, _: &Args) -> Result<Answer, Failure> {
    let (mut findings, mut silent) = (Vec::new(), Vec::new());
    let asked = BUILT_IN
        .iter()
        .filter(|command| command.triage && ctx.may(command.spec.level));
    for command in asked {
        ctx.check()?;
        match ask(command, ctx) {
            Ok(Some(finding)) => findings.push(finding),
            Ok(None) => {}
            Err(failure) if failure.code == Code::Cancelled => return Err(failure),
            // What this process does not have is nothing that is wrong with it.
            Err(failure) if failure.code == Code::Unsupported => {}
            // The text begins with the command's name.
            Err(failure) => silent.push(failure.text),
        }
    }
    Ok(report(findings, &silent))
}

fn ask(command: &Command, ctx: &Context) -> Result<Option<Finding>, Failure> {
    let (Run::Answer(function) | Run::Kernel(function) | Run::Both(function, _)) = command.run
    else {
        return Ok(None);
    };
    // The threads are asked for their stacks once, by `stacks`.
    let quiet = (command.spec.level == Level::View).then(|| "--no-signal".to_owned());
    let quiet = quiet.filter(|_| command.spec.args.iter().any(|arg| arg.name == "no-signal"));
    let answer = function(ctx, &Args::parse(&command.spec, quiet.as_slice())?)?;
    Ok(answer.verdict.map(|verdict| Finding {
        command: command.spec.name,
        verdict,
        next: answer.next,
    }))
}

fn report(mut findings: Vec<Finding>, silent: &[String]) -> Answer {
    // A stable sort: within a severity the table's order holds.
    order::sort_by_key(&mut findings, |finding| {
        std::cmp::Reverse(finding.verdict.severity)
    });
    let mut answer = Answer::about(format!(
        "{} asked",
        plural(findings.len() + silent.len(), "command")
    ));
    let (severity, text) = summary(&findings);
    answer.verdict(severity, text);
    let columns = [
        Column::new("severity", ""),
        Column::new("command", ""),
        Column::new("text", ""),
    ];
    let mut table = Table::new("findings", columns).unheaded();
    for finding in &findings {
        let word = match finding.verdict.severity {
            Severity::Bad => "BAD",
            Severity::Warn => "warn",
            Severity::Ok => "ok",
        };
        table.row([
            Cell::text(word),
            Cell::text(finding.command),
            Cell::text(&*finding.verdict.text),
        ]);
    }
    answer.push(Block::Table(table));
    for line in silent {
        answer.note(format!("no answer from {line}"));
    }
    let pressing = findings
        .iter()
        .filter(|finding| finding.verdict.severity > Severity::Ok);
    for finding in pressing.take(3) {
        let own = finding.command.to_owned();
        answer.next(
            finding
                .next
                .first()
                .cloned()
                .filter(|next| next.starts_with(finding.command))
                .unwrap_or(own),
        );
    }
    answer
}

fn summary(findings: &[Finding]) -> (Severity, String) {
    let count = |severity| {
        findings
            .iter()
            .filter(|finding| finding.verdict.severity == severity)
            .count()
    };
    let (bad, warn) = (count(Severity::Bad), count(Severity::Warn));
    let severity = match (bad, warn) {
        (0, 0) => return (Severity::Ok, "Nothing looks wrong from here.".to_owned()),
        (0, _) => Severity::Warn,
        _ => Severity::Bad,
    };
    let mut parts = Vec::new();
    if bad > 0 {
        parts.push(format!("{} bad", plural(bad, "finding")));
    }
    if warn > 0 {
        parts.push(format!("{} to look at", plural(warn, "thing")));
    }
    let first = findings.first().map_or("", |finding| finding.command);
    (
        severity,
        format!("{}; start with {first}.", parts.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(command: &'static str, severity: Severity) -> Finding {
        Finding {
            command,
            verdict: Verdict {
                severity,
                text: format!("{command} says."),
            },
            next: vec![format!("{command} --all")],
        }
    }

    #[test]
    fn the_worst_comes_first_and_names_the_next_command() {
        let findings = vec![
            finding("threads", Severity::Ok),
            finding("memory", Severity::Warn),
            finding("fds", Severity::Bad),
        ];
        let answer = report(findings, &["cgroup: no such file".to_owned()]);
        let verdict = answer.verdict.unwrap();
        assert_eq!(verdict.severity, Severity::Bad);
        assert_eq!(
            verdict.text,
            "1 finding bad, 1 thing to look at; start with fds."
        );
        assert_eq!(answer.next, ["fds --all", "memory --all"]);
        assert_eq!(answer.notes, ["no answer from cgroup: no such file"]);
        let Block::Table(table) = &answer.blocks[0] else {
            panic!()
        };
        let order: Vec<_> = table.rows.iter().map(|row| row[1].clone()).collect();
        assert_eq!(
            order,
            [
                Cell::text("fds"),
                Cell::text("memory"),
                Cell::text("threads")
            ]
        );
    }

    #[test]
    fn all_well_is_said() {
        let answer = report(vec![finding("threads", Severity::Ok)], &[]);
        assert_eq!(
            answer.verdict.unwrap().text,
            "Nothing looks wrong from here."
        );
        assert!(answer.next.is_empty());
    }
}
