//! Whole stacks, one thread after the other: nothing folded, nothing merged.

use super::{
    Options, doing,
    frames::{self, Item},
    lines,
    threads::{Thread, Threads},
};
use crate::model::{
    order,
    stack::{Dump, Full, FullFrame, SectionKind},
};

/// `wanted` unfolded, in the order of the sections.
pub(super) fn full(
    dump: &Dump,
    threads: &Threads<'_>,
    wanted: &[&Thread<'_>],
    options: &Options,
) -> Vec<Full> {
    let mut wanted = wanted.to_vec();
    if options.idle {
        wanted.retain(|thread| thread.kind == SectionKind::Idle);
    }
    order::sort_by_key(&mut wanted, |thread| rank(thread.kind));
    wanted
        .iter()
        .map(|thread| one(dump, threads, thread, options))
        .collect()
}

fn rank(kind: SectionKind) -> u8 {
    match kind {
        SectionKind::Lock => 0,
        SectionKind::Run => 1,
        SectionKind::Wait => 2,
        SectionKind::NoAnswer => 3,
        SectionKind::Idle => 4,
    }
}

fn one(dump: &Dump, threads: &Threads<'_>, thread: &Thread<'_>, options: &Options) -> Full {
    let frames = thread.items.iter().enumerate();
    let mut role = thread.role.words();
    if thread.role.driver {
        role.push_str(", drives epoll");
    }
    Full {
        tid: thread.stack.tid,
        name: thread.stack.name.clone(),
        role,
        state: thread.stack.state,
        doing: doing::doing(thread, threads, true),
        cpu_ns: thread.stack.cpu_ns,
        stack_bytes: thread.stack.stack_bytes,
        unchanged_since_unix_ns: thread.stack.unchanged_since_unix_ns,
        frames: frames
            .map(|(number, item)| frame(number, item, dump, options))
            .collect(),
        end: lines::end(thread).to_owned(),
    }
}

fn frame(number: usize, item: &Item<'_>, dump: &Dump, options: &Options) -> FullFrame {
    let module = item
        .frame
        .module
        .and_then(|at| dump.modules.get(at as usize));
    let module = module.filter(|module| !module.binary);
    FullFrame {
        number,
        name: lines::printed(item, options.full_names),
        place: lines::place(item),
        module: module.map_or(String::new(), |module| frames::file_name(module).to_owned()),
        address: item.frame.address,
        inlined: item.inlined,
        app: item.is_app(),
        uncertain: item.frame.uncertain,
    }
}
