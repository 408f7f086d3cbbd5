//! Stacks in the two shapes that Go's `/debug/pprof/goroutine` has for people, so that what reads or
//! parses those reads these: a thread stands where a goroutine would.

use super::{escape, out::Out, units};
use crate::model::{
    Failure, order,
    stack::{Full, FullFrame},
};
use std::{cmp::Reverse, collections::BTreeMap};

/// Most thread ids that are listed of threads whose stacks are equal.
const TIDS: usize = 100;

/// `debug=1`: equal stacks once, with how many threads have them, the most frequent first.
///
/// Addresses are those of calls' returns, as `go tool pprof` expects them.
///
/// # Errors
/// As `out`.
pub fn merged(threads: &[Full], out: &mut dyn Out) -> Result<(), Failure> {
    let mut groups: BTreeMap<(Vec<u64>, &str, &str), Vec<&Full>> = BTreeMap::new();
    let (answered, silent): (Vec<&Full>, Vec<&Full>) =
        threads.iter().partition(|thread| !thread.frames.is_empty());
    for thread in &answered {
        let key = (addresses(thread), &*thread.role, &*thread.doing);
        groups.entry(key).or_default().push(thread);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    order::sort_by_key(&mut groups, |(_, threads)| Reverse(threads.len()));
    out.put(&format!("goroutine profile: total {}\n", answered.len()))?;
    for ((addresses, role, doing), threads) in groups {
        let mut text = format!("{} @", threads.len());
        text.extend(addresses.iter().map(|address| format!(" {address:#x}")));
        text.push('\n');
        text.push_str(&labels(role, doing, &threads));
        let frames = threads.first().map_or(&[][..], |thread| &thread.frames);
        text.extend(frames.iter().map(merged_frame));
        text.push('\n');
        out.put(&text)?;
    }
    silent.into_iter().try_for_each(|thread| {
        let (name, why) = (escape::one_line(&thread.name), why(thread));
        out.put(&format!("# no stack of {} {name}: {why}\n", thread.tid))
    })
}

/// The stack as it is on the machine: the leaf, then where each call returns to.
fn addresses(thread: &Full) -> Vec<u64> {
    let real = thread.frames.iter().filter(|frame| !frame.inlined);
    let leaf_first = real.enumerate();
    leaf_first
        .map(|(at, frame)| frame.address.wrapping_add(u64::from(at > 0)))
        .collect()
}

/// `# labels: {"role":"worker", "tid":"4713 4717"}`, as Go writes them.
fn labels(role: &str, doing: &str, threads: &[&Full]) -> String {
    let mut tids: Vec<String> = threads
        .iter()
        .take(TIDS)
        .map(|thread| thread.tid.to_string())
        .collect();
    if threads.len() > TIDS {
        tids.push(format!("and {} more", threads.len() - TIDS));
    }
    let mut names: Vec<&str> = threads.iter().map(|thread| &*thread.name).collect();
    names.dedup();
    let name = match names.as_slice() {
        [one] => one,
        _ => "",
    };
    let labels = [
        ("doing", doing.to_owned()),
        ("name", name.to_owned()),
        ("role", role.to_owned()),
        ("tid", tids.join(" ")),
    ];
    let labels = labels.iter().filter(|(_, value)| !value.is_empty());
    let labels: Vec<String> = labels
        .map(|(key, value)| format!("\"{key}\":{}", serde_json::Value::from(&**value)))
        .collect();
    format!("# labels: {{{}}}\n", escape::json(&labels.join(", ")))
}

fn merged_frame(frame: &FullFrame) -> String {
    let name = escape::one_line(&frame.name);
    let right = escape::one_line(right(frame)).into_owned();
    format!("#\t{:#x}\t{name}\t{right}\n", frame.address)
}

/// `debug=2`: one block a thread.
///
/// # Errors
/// As `out`.
pub fn each(threads: &[Full], now_unix_ns: u64, out: &mut dyn Out) -> Result<(), Failure> {
    for thread in threads {
        let state = state(thread, now_unix_ns);
        let mut text = format!("goroutine {} [{state}]:\n", thread.tid);
        text.extend(thread.frames.iter().map(frame));
        if !thread.end.is_empty() {
            text.push_str(&format!("...{}...\n", escape::one_line(&thread.end)));
        }
        text.push('\n');
        out.put(&text)?;
    }
    Ok(())
}

/// `waits for lock A, 3 minutes, worker 2, tokio-rt-worker`: nothing in it closes the bracket.
fn state(thread: &Full, now_unix_ns: u64) -> String {
    let mut words = vec![match (thread.doing.is_empty(), thread.state) {
        (false, _) => thread.doing.clone(),
        (true, 'R') => "running".to_owned(),
        (true, _) => "waiting".to_owned(),
    }];
    let still = thread.unchanged_since_unix_ns;
    let minutes = still.map_or(0, |since| {
        now_unix_ns.saturating_sub(since) / 60_000_000_000
    });
    if minutes > 0 {
        words.push(format!("{minutes} minutes"));
    }
    let known = [&thread.role, &thread.name];
    words.extend(known.into_iter().filter(|word| !word.is_empty()).cloned());
    let state = words.join(", ").replace('[', "(").replace(']', ")");
    escape::one_line(&state).into_owned()
}

/// The function, and below it where that is; what was merged into its caller has `(...)`, as in Go.
fn frame(frame: &FullFrame) -> String {
    let name = escape::one_line(&frame.name);
    let arguments = if frame.inlined { "(...)" } else { "()" };
    let place = match right(frame) {
        "" => format!("{:#x}", frame.address),
        right => escape::one_line(right).into_owned(),
    };
    format!("{name}{arguments}\n\t{place}\n")
}

fn right(frame: &FullFrame) -> &str {
    match frame.place.is_empty() {
        true => &frame.module,
        false => &frame.place,
    }
}

fn why(thread: &Full) -> String {
    match (&*thread.end, &*thread.doing) {
        ("", "") => format!("it gave none, cpu {}", units::nanos(thread.cpu_ns)),
        ("", doing) => escape::one_line(doing).into_owned(),
        (end, _) => escape::one_line(end).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(name: &str, place: &str, address: u64, inlined: bool) -> FullFrame {
        FullFrame {
            name: name.to_owned(),
            place: place.to_owned(),
            address,
            inlined,
            ..FullFrame::default()
        }
    }

    fn thread(tid: u32, name: &str, doing: &str) -> Full {
        Full {
            tid,
            name: name.to_owned(),
            role: "worker".to_owned(),
            state: 'S',
            doing: doing.to_owned(),
            frames: vec![
                frame("syscall", "", 0x7f00, false),
                frame("shop::get", "src/cache.rs:6", 0x5501, true),
                frame("shop::price", "src/main.rs:14", 0x5501, false),
                frame("main", "src/main.rs:2", 0x5401, false),
            ],
            ..Full::default()
        }
    }

    fn silent() -> Full {
        Full {
            frames: Vec::new(),
            end: "blocks our signal".to_owned(),
            ..thread(9, "rdk:main", "")
        }
    }

    #[test]
    fn equal_stacks_are_counted_as_go_does() {
        let mut alone = thread(3, "w", "sleeps");
        alone.frames.remove(0);
        let threads = [alone, thread(1, "w", ""), silent(), thread(2, "w", "")];
        let mut text = String::new();
        merged(&threads, &mut text).unwrap();
        assert_eq!(
            text,
            "goroutine profile: total 3\n\
             2 @ 0x7f00 0x5502 0x5402\n\
             # labels: {\"name\":\"w\", \"role\":\"worker\", \"tid\":\"1 2\"}\n\
             #\t0x7f00\tsyscall\t\n\
             #\t0x5501\tshop::get\tsrc/cache.rs:6\n\
             #\t0x5501\tshop::price\tsrc/main.rs:14\n\
             #\t0x5401\tmain\tsrc/main.rs:2\n\
             \n\
             1 @ 0x5501 0x5402\n\
             # labels: {\"doing\":\"sleeps\", \"name\":\"w\", \"role\":\"worker\", \"tid\":\"3\"}\n\
             #\t0x5501\tshop::get\tsrc/cache.rs:6\n\
             #\t0x5501\tshop::price\tsrc/main.rs:14\n\
             #\t0x5401\tmain\tsrc/main.rs:2\n\
             \n\
             # no stack of 9 rdk:main: blocks our signal\n"
        );
    }

    #[test]
    fn each_thread_reads_like_a_goroutine() {
        let waits = Full {
            unchanged_since_unix_ns: Some(1),
            ..thread(7, "a[b]\n", "waits for lock A")
        };
        let mut text = String::new();
        each(&[waits, silent()], 200_000_000_000, &mut text).unwrap();
        assert_eq!(
            text,
            "goroutine 7 [waits for lock A, 3 minutes, worker, a(b)\\x0a]:\n\
             syscall()\n\t0x7f00\n\
             shop::get(...)\n\tsrc/cache.rs:6\n\
             shop::price()\n\tsrc/main.rs:14\n\
             main()\n\tsrc/main.rs:2\n\
             \n\
             goroutine 9 [waiting, worker, rdk:main]:\n\
             ...blocks our signal...\n\
             \n"
        );
    }
}
