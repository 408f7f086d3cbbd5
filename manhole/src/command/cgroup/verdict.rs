//! The one sentence about the cgroup: is the process held back by it?

use super::{super::sentence, Facts};
use crate::{
    model::{Severity, order},
    render::units,
};

/// Core-seconds that stand still each second, from which on throttling is worth a look, and from
/// which on it is what makes the service slow.
const WARN_THROTTLED: f64 = 0.05;
const BAD_THROTTLED: f64 = 0.5;
/// Shares of a limit, in percent.
const WARN_PERCENT: f64 = 80.0;
const BAD_PERCENT: f64 = 95.0;

/// Severity and sentence.
pub(super) fn verdict(facts: &Facts) -> (Severity, String) {
    let found = [
        kills(facts),
        throttled(facts),
        memory(facts),
        processes(facts),
        pressure(facts),
    ];
    let mut found: Vec<(Severity, String)> = found.into_iter().flatten().collect();
    order::sort_by_key(&mut found, |(severity, _)| std::cmp::Reverse(*severity));
    let Some((severity, _)) = found.first() else {
        return (
            Severity::Ok,
            format!("Nothing holds the process back{}.", limits(facts)),
        );
    };
    let severity = *severity;
    let parts: Vec<String> = found.into_iter().map(|(_, text)| text).collect();
    (severity, sentence(&parts.join("; ")))
}

/// What limits there are, when all is well.
fn limits(facts: &Facts) -> String {
    let cores = facts
        .group
        .cpu
        .limit_cores
        .map(|cores| format!("{} cores", units::float(cores)));
    let memory = facts.group.memory.limit.map(units::bytes);
    match (cores, memory) {
        (None, None) => ": the cgroup sets no limits".to_owned(),
        (cores, memory) => {
            let limits: Vec<String> = cores.into_iter().chain(memory).collect();
            format!("; it may use {}", limits.join(" and "))
        }
    }
}

fn throttled(facts: &Facts) -> Option<(Severity, String)> {
    let recent = facts.recent?;
    let ns = recent.throttled_ns.filter(|_| recent.span_ns > 0)?;
    let share = ns as f64 / recent.span_ns as f64;
    let severity = match share {
        BAD_THROTTLED.. => Severity::Bad,
        WARN_THROTTLED.. => Severity::Warn,
        _ => return None,
    };
    let quota = facts.group.cpu.limit_cores.map_or(String::new(), |cores| {
        format!(": the quota of {} cores is used up", units::float(cores))
    });
    let (ns, span) = (units::nanos(ns), units::nanos(recent.span_ns));
    Some((
        severity,
        format!("threads stood still for {ns} in the last {span}{quota}"),
    ))
}

fn kills(facts: &Facts) -> Option<(Severity, String)> {
    let recent = facts.recent?;
    let kills = recent.kills.filter(|kills| *kills > 0)?;
    let span = units::nanos(recent.span_ns);
    Some((
        Severity::Bad,
        format!("the kernel killed {kills} in this group for memory in the last {span}"),
    ))
}

fn memory(facts: &Facts) -> Option<(Severity, String)> {
    let memory = &facts.group.memory;
    let (held, limit) = (memory.held()?, memory.limit?);
    let percent = held as f64 * 100.0 / limit.max(1) as f64;
    let severity = near(percent)?;
    let (held, limit) = (units::bytes(held), units::bytes(limit));
    Some((
        severity,
        format!(
            "memory: {held} of {limit} ({}) besides cached files",
            units::percent(percent)
        ),
    ))
}

fn processes(facts: &Facts) -> Option<(Severity, String)> {
    let (current, limit) = (facts.group.pids.current?, facts.group.pids.limit?);
    let percent = current as f64 * 100.0 / limit.max(1) as f64;
    let severity = near(percent)?;
    let (current, limit) = (units::count(current), units::count(limit));
    Some((
        severity,
        format!("{current} of {limit} processes and threads: at the limit no thread can start"),
    ))
}

fn near(percent: f64) -> Option<Severity> {
    match percent {
        BAD_PERCENT.. => Some(Severity::Bad),
        WARN_PERCENT.. => Some(Severity::Warn),
        _ => None,
    }
}

/// Of the group only: that a machine is busy holds back nobody by itself.
fn pressure(facts: &Facts) -> Option<(Severity, String)> {
    let pressure = Some(&facts.group.pressure).filter(|pressure| !pressure.of_system)?;
    let limits = [
        ("a core", pressure.cpu, 50.0),
        ("memory", pressure.memory, 10.0),
        ("input and output", pressure.io, 40.0),
    ];
    limits.into_iter().find_map(|(what, pressure, least)| {
        let lost = pressure?.some.last_60_s;
        let percent = units::percent(lost);
        (lost >= least).then(|| {
            (
                Severity::Warn,
                format!("{percent} of the last minute was lost waiting for {what}"),
            )
        })
    })
}
