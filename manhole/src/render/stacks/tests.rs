//! The look of stacks, from made-up ones.

use super::*;
use crate::model::{
    Cell,
    stack::{Dump, Full, FullFrame, SectionKind, Stacks, ThreadStack},
};

fn frame(name: &str, place: &str) -> Line {
    Line::Frame {
        name: name.to_owned(),
        place: place.to_owned(),
        remark: String::new(),
        app: true,
        uncertain: false,
    }
}

fn folded(count: usize, of: &[&str], role: &str, top: &[&str]) -> Line {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Line::Folded {
        count,
        of: owned(of),
        role: (!role.is_empty()).then(|| role.to_owned()),
        top: owned(top),
    }
}

fn group(tids: &[u32], names: &str, doing: &str, lines: &[Line]) -> Group {
    Group {
        tids: tids.to_vec(),
        names: names.to_owned(),
        doing: doing.to_owned(),
        facts: Vec::new(),
        lines: lines.to_vec(),
    }
}

fn sections(kind: SectionKind, title: &str, remark: &str, groups: Vec<Group>) -> Section {
    Section {
        kind,
        title: title.to_owned(),
        remark: remark.to_owned(),
        threads: groups.iter().map(|group| group.tids.len()).sum(),
        groups,
        summary: String::new(),
    }
}

fn check(sections: Vec<Section>, expected: &[&str]) {
    let folded = Folded {
        sections,
        ..Folded::default()
    };
    let lines: Vec<String> = rows(&folded).into_iter().map(|row| row.text).collect();
    assert_eq!(lines, expected);
    assert!(
        lines.iter().all(|line| line.chars().count() <= WIDTH),
        "{lines:#?}"
    );
}

#[test]
fn stacks_read_as_the_look_demands() {
    let waiters = vec![
        group(
            &[4753, 4767, 4768, 4769, 4770],
            "blocking",
            "",
            &[
                frame("checkout::flush::write_page", "src/flush.rs:1"),
                frame("checkout::main{}", "src/main.rs:8"),
                folded(31, &["tokio"], "blocking pool", &[]),
            ],
        ),
        group(
            &[4713, 4717, 4718],
            "worker",
            "",
            &[
                frame("checkout::cache::Cache::lookup{}", "src/cache.rs:6"),
                folded(
                    82,
                    &["futures_util", "axum", "tower", "hyper", "tokio"],
                    "worker",
                    &[],
                ),
            ],
        ),
    ];
    let runners = vec![group(
        &[4751, 4759, 4760],
        "image-worker-0, -2, -3",
        "",
        &[
            folded(
                26,
                &["serde_json", "serde_core"],
                "",
                &["f64_from_parts", "has_next_key", "visit_seq"],
            ),
            frame("checkout::pricing::reprice", "src/pricing.rs:3"),
        ],
    )];
    let sleepers = vec![
        group(
            &[4766],
            "blocking",
            "sleeps; probably holds lock A",
            &[frame("checkout::flush::write_page", "src/flush.rs:1")],
        ),
        group(
            &[4755],
            "db-writer",
            "reads from 10.2.0.9:5432 (fd 31)",
            &[],
        ),
    ];
    let idle = Section {
        title: "IDLE".to_owned(),
        threads: 41,
        summary: "37 blocking, 2 worker (one drives epoll), main, rdk:broker1".to_owned(),
        ..Section::default()
    };
    let lock = "lock A (std Mutex at 0x7f9b5686d9fa)";
    check(
        vec![
            sections(SectionKind::Lock, "WAIT FOR A LOCK", lock, waiters),
            sections(SectionKind::Run, "RUN", "", runners),
            sections(SectionKind::Wait, "WAIT IN THE APPLICATION", "", sleepers),
            idle,
        ],
        &[
            "WAIT FOR A LOCK   8 threads, lock A (std Mutex at 0x7f9b5686d9fa)",
            "   5  blocking    4753 4767 4768 4769 4770",
            "        checkout::flush::write_page                        src/flush.rs:1",
            "        checkout::main{}                                   src/main.rs:8",
            "        … 31 of tokio (blocking pool)",
            "   3  worker      4713 4717 4718",
            "        checkout::cache::Cache::lookup{}                   src/cache.rs:6",
            "        … 82 of futures_util, axum, tower, hyper, tokio (worker)",
            "",
            "RUN   3 threads",
            "   3  image-worker-0, -2, -3  4751 4759 4760",
            "        … 26 of serde_json, serde_core                     f64_from_parts, has_next_key, visit_seq",
            "        checkout::pricing::reprice                         src/pricing.rs:3",
            "",
            "WAIT IN THE APPLICATION   2 threads",
            "   1  blocking    4766   sleeps; probably holds lock A",
            "        checkout::flush::write_page                        src/flush.rs:1",
            "   1  db-writer   4755   reads from 10.2.0.9:5432 (fd 31)",
            "",
            "IDLE   41 threads: 37 blocking, 2 worker (one drives epoll), main, rdk:broker1",
        ],
    );
}

#[test]
fn the_files_of_a_stack_stand_below_one_another() {
    let long = "checkout::pricing::rules::Engine::evaluate_everything_twice{}";
    let lines = [
        frame(long, "src/pricing/rules.rs:1041"),
        frame("checkout::main", "src/main.rs:8"),
    ];
    check(
        vec![sections(
            SectionKind::Run,
            "RUN",
            "",
            vec![group(&[1], "w", "", &lines)],
        )],
        &[
            "RUN   1 thread",
            "   1  w           1",
            &format!("        {long}  src/pricing/rules.rs:1041"),
            "        checkout::main                                                 src/main.rs:8",
        ],
    );
}

#[test]
fn long_files_move_the_column_of_their_stack() {
    let lines = [
        frame(
            "tokio::…::Harness::poll_inner",
            "tokio-1.54.1/src/runtime/task/harness.rs:210",
        ),
        frame("std::panic::catch_unwind", "std/src/panic.rs:359"),
    ];
    check(
        vec![sections(
            SectionKind::Run,
            "RUN",
            "",
            vec![group(&[1], "w", "", &lines)],
        )],
        &[
            "RUN   1 thread",
            "   1  w           1",
            "        tokio::…::Harness::poll_inner                   tokio-1.54.1/src/runtime/task/harness.rs:210",
            "        std::panic::catch_unwind                        std/src/panic.rs:359",
        ],
    );
}

#[test]
fn a_name_is_never_cut() {
    let endless = "x".repeat(120);
    let folded = Folded {
        sections: vec![sections(
            SectionKind::Run,
            "RUN",
            "",
            vec![group(
                &[1],
                "w",
                "",
                &[frame(&endless, "src/x.rs:1"), frame("y", "src/y.rs:2")],
            )],
        )],
        ..Folded::default()
    };
    let rows = rows(&folded);
    assert_eq!(rows[2].text, format!("        {endless}  src/x.rs:1"));
    assert!(rows[3].text.ends_with("  src/y.rs:2") && rows[3].text.len() <= WIDTH);
}

#[test]
fn many_threads_take_two_lines() {
    let tids: Vec<u32> = (10_000..11_000).collect();
    let folded = Folded {
        sections: vec![sections(
            SectionKind::Run,
            "RUN",
            "",
            vec![group(&tids, "worker", "", &[])],
        )],
        ..Folded::default()
    };
    let rows = rows(&folded);
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0].text, "RUN   1,000 threads");
    assert!(
        rows[1].text.starts_with("1,000  worker      10000 10001"),
        "{rows:?}"
    );
    assert!(
        rows[2].text.starts_with(&format!("{:18}100", "")),
        "{rows:?}"
    );
    assert!(rows[2].text.ends_with(" more"), "{rows:?}");
}

#[test]
fn long_names_and_what_is_done_get_lines_of_their_own() {
    let names = "w1-rwlock-13, w211-rwlock-13, w421-rwlock-13, w631-rwlock-13, w841-rwlock-13";
    let doing = "reads from 10.2.0.9:5432 (fd 31)";
    let tids: Vec<u32> = (1_000_001..1_000_006).collect();
    let groups = vec![
        group(&tids, names, "", &[]),
        group(&tids[..2], names, doing, &[]),
    ];
    check(
        vec![sections(SectionKind::Wait, "WAIT", "", groups)],
        &[
            "WAIT   7 threads",
            &format!("   5  {names}"),
            &format!("{:58}1000001 1000002 1000003 1000004 1000005", ""),
            &format!("   2  {names}"),
            &format!("{:58}1000001 1000002", ""),
            &format!("{:58}{doing}", ""),
        ],
    );
}

#[test]
fn crates_that_do_not_fit_are_counted() {
    let of: Vec<String> = (0..30).map(|number| format!("crate_{number}")).collect();
    let of: Vec<&str> = of.iter().map(String::as_str).collect();
    let lines = [
        folded(300, &of, "worker", &[]),
        folded(300, &of, "", &["malloc"]),
    ];
    check(
        vec![sections(
            SectionKind::Run,
            "RUN",
            "",
            vec![group(&[1], "w", "", &lines)],
        )],
        &[
            "RUN   1 thread",
            "   1  w           1",
            "        … 300 of crate_0, crate_1, crate_2, crate_3, crate_4, crate_5, crate_6 and 23 more (worker)",
            "        … 300 of crate_0, crate_1, crate_2 and 27 more     malloc",
        ],
    );
}

#[test]
fn what_threads_and_functions_are_called_breaks_no_line() {
    let hostile = "a\n\u{1b}[2J\u{202e}\t";
    let section = Section {
        summary: hostile.to_owned(),
        ..sections(
            SectionKind::Wait,
            hostile,
            hostile,
            vec![group(
                &[1],
                hostile,
                hostile,
                &[
                    frame(hostile, hostile),
                    folded(1, &[hostile], hostile, &[hostile]),
                    Line::Remark(hostile.to_owned()),
                ],
            )],
        )
    };
    let folded = Folded {
        sections: vec![section],
        ..Folded::default()
    };
    let hostile = |c: char| c.is_control() || c == '\u{202e}';
    assert!(rows(&folded).iter().all(|row| !row.text.contains(hostile)));
}

#[test]
fn programs_get_the_groups_with_their_facts_and_the_dump() {
    let mut one = group(&[7], "worker", "sleeps", &[frame("a::b", "src/a.rs:1")]);
    one.facts = vec![("wait", Cell::text("sleep")), ("lock", Cell::Empty)];
    one.lines.push(folded(3, &["tokio"], "worker", &[]));
    one.lines.push(Line::Remark("(why)".to_owned()));
    let folded = Folded {
        sections: vec![sections(SectionKind::Wait, "WAIT", "", vec![one])],
        ..Folded::default()
    };
    let json = json(&Stacks {
        folded,
        ..Stacks::default()
    });
    assert_eq!(
        json["sections"],
        serde_json::json!([{
            "kind": "wait", "title": "WAIT", "remark": "", "threads": 1, "summary": "",
            "groups": [{
                "tids": [7], "names": "worker", "doing": "sleeps", "wait": "sleep",
                "lines": [
                    {"name": "a::b", "place": "src/a.rs:1", "remark": "", "app": true, "uncertain": false},
                    {"folded": 3, "of": ["tokio"], "role": "worker", "top": []},
                    {"remark": "(why)"},
                ],
            }],
        }])
    );
    assert_eq!(json["threads"], serde_json::json!([]));
}

#[test]
fn frames_say_what_is_doubtful_about_them() {
    let inlined = Line::Frame {
        name: "axum::handler::Handler::call{}".to_owned(),
        place: String::new(),
        remark: "(inlined here: probably one of your handlers)".to_owned(),
        app: false,
        uncertain: true,
    };
    let lines = [inlined, folded(26, &["axum", "and others"], "worker", &[])];
    check(
        vec![sections(
            SectionKind::Run,
            "RUN",
            "",
            vec![group(&[1], "w", "", &lines)],
        )],
        &[
            "RUN   1 thread",
            "   1  w           1",
            "        axum::handler::Handler::call{} (?)             (inlined here: probably one of your handlers)",
            "        … 26 of axum and others (worker)",
        ],
    );
}

#[test]
fn unfolded_threads_come_one_by_one() {
    let frame = |number, name: &str, place: &str, module: &str| FullFrame {
        number,
        name: name.to_owned(),
        place: place.to_owned(),
        module: module.to_owned(),
        app: module.is_empty(),
        ..FullFrame::default()
    };
    let thread = Full {
        tid: 4766,
        name: "tokio-rt-worker".to_owned(),
        role: "blocking".to_owned(),
        state: 'S',
        doing: "sleeps; probably holds lock A".to_owned(),
        cpu_ns: 200_000,
        stack_bytes: Some(5300),
        unchanged_since_unix_ns: Some(1_795_270_831_000_000_000),
        frames: vec![
            frame(0, "clock_nanosleep", "", "libc.so.6"),
            frame(1, "checkout::flush::write_page", "src/flush.rs:1", ""),
        ],
        end: "no unwind information here".to_owned(),
    };
    let bare = Full {
        tid: 7,
        name: "x".to_owned(),
        state: 'R',
        ..Full::default()
    };
    let folded = Folded {
        full: vec![thread, bare],
        ..Folded::default()
    };
    let lines: Vec<String> = rows(&folded).into_iter().map(|row| row.text).collect();
    assert_eq!(
        lines,
        [
            "4766  tokio-rt-worker  blocking   sleeps; probably holds lock A",
            "      sleep, cpu 0.2 ms, 5.18 KiB of stack, unchanged since 2026-11-21T14:20:31Z",
            "   0  clock_nanosleep                                      libc.so.6",
            "   1  checkout::flush::write_page                          src/flush.rs:1",
            "   …  no unwind information here",
            "",
            "7  x",
            "      run, cpu 0",
        ]
    );
    let dump = Dump {
        threads: vec![ThreadStack {
            tid: 4766,
            ..ThreadStack::default()
        }],
        ..Dump::default()
    };
    let json = json(&Stacks {
        dump,
        folded,
        ..Stacks::default()
    });
    assert_eq!(json["threads"][0]["role"], "blocking");
    assert_eq!(json["threads"][0]["doing"], "sleeps; probably holds lock A");
}
