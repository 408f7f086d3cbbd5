//! `maps`: what the address space is made of, by kind; `--all` lists every mapping.

use super::{Command, Context, Run, plural};
use crate::{
    model::{
        Answer, ArgSpec, Args, Block, Cell, Code, Column, Example, Failure, Fields, Group, Impact,
        Level, Severity, Spec, Table, order,
    },
    probe::maps::{Detail, Kind, Maps, Protection, Region},
    render::units,
};
use std::collections::BTreeMap;

/// From this share of `vm.max_map_count` on, in percent.
const WARN_PERCENT: f64 = 80.0;
/// Files listed for people.
const FILES: usize = 12;

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "maps",
        group: Group::Process,
        about: "the address space by kind: binary, libraries, heap, stacks, files",
        args: &[
            ArgSpec::flag("all", "every mapping, by address"),
            ArgSpec::flag(
                "deep",
                "also what is in memory; threads that map or fault may wait meanwhile",
            ),
        ],
        level: Level::Inspect,
        impact: Impact::Reads,
        cost: "0.3 us for each mapping; --deep walks page tables, 20 ms for each GiB in memory",
        examples: &[
            Example::new("maps", "kinds and the largest files"),
            Example::new("maps --deep", "how much of each is in memory"),
        ],
        see_also: "memory (resident memory, its growth, the limit)",
    },
    triage: false,
    endpoints: &[],
    run: Run::Kernel(answer),
};

fn answer(ctx: &Context, args: &Args) -> Result<Answer, Failure> {
    let detail = match args.flag("deep") {
        true => Detail::Resident,
        false => Detail::Sizes,
    };
    let Some(maps) = Maps::read(detail, &|| ctx.check().is_ok()) else {
        ctx.check()?;
        let text = "maps: /proc/thread-self/maps cannot be read; is /proc mounted?";
        return Err(Failure::new(Code::Unsupported, text));
    };
    Ok(report(&maps, args.flag("all")))
}

/// Mappings that are counted together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    size: u64,
    resident: Option<u64>,
    swapped: Option<u64>,
}

impl Sum {
    fn add(&mut self, region: &Region) {
        let more = |sum: Option<u64>, part: Option<u64>| match (sum, part) {
            (sum, None) => sum,
            (sum, Some(part)) => Some(sum.unwrap_or(0) + part),
        };
        self.count += 1;
        self.size += region.mapping.size();
        self.resident = more(self.resident, region.resident);
        self.swapped = more(self.swapped, region.swapped);
    }

    fn cells(&self) -> [Cell; 4] {
        [
            Cell::Count(self.count),
            Cell::Bytes(self.size),
            self.resident.map_or(Cell::Empty, Cell::Bytes),
            self.swapped.map_or(Cell::Empty, Cell::Bytes),
        ]
    }
}

fn sums<K: Ord>(regions: &[Region], key: impl Fn(&Region) -> Option<K>) -> Vec<(K, Sum)> {
    let mut sums: BTreeMap<K, Sum> = BTreeMap::new();
    for region in regions {
        if let Some(key) = key(region) {
            sums.entry(key).or_default().add(region);
        }
    }
    let mut sums: Vec<(K, Sum)> = sums.into_iter().collect();
    order::sort_by_key(&mut sums, |(_, sum)| {
        std::cmp::Reverse((sum.resident, sum.size))
    });
    sums
}

fn report(maps: &Maps, all: bool) -> Answer {
    let mut answer = Answer::about(plural(maps.regions.len(), "mapping"));
    let (severity, text) = verdict(maps);
    answer.verdict(severity, text);
    answer.push(Block::Table(kinds(maps)));
    match all {
        true => answer.push(Block::Table(each(maps))),
        false => answer.push(Block::Table(files(maps))),
    }
    let mut limits = Fields::new();
    limits.field("mappings", "", Cell::Count(maps.regions.len() as u64));
    limits.field(
        "mappings_limit",
        "",
        Cell::or_unknown(maps.limit, Cell::Count),
    );
    answer.push(Block::Fields(limits));
    notes(&mut answer, maps);
    answer.next("memory");
    if !all {
        answer.next("maps --all");
    }
    answer
}

fn verdict(maps: &Maps) -> (Severity, String) {
    let count = maps.regions.len() as u64;
    let size = |reserved: bool| -> u64 {
        let those = maps
            .regions
            .iter()
            .filter(|region| (region.kind == Kind::Reserved) == reserved);
        those.map(|region| region.mapping.size()).sum()
    };
    let (usable, reserved) = (units::bytes(size(false)), units::bytes(size(true)));
    let space = format!("{usable} of addresses in use, {reserved} only set aside");
    let Some(limit) = maps.limit.filter(|limit| *limit > 0) else {
        return (
            Severity::Ok,
            format!("{} mappings; {space}.", units::count(count)),
        );
    };
    let percent = count as f64 * 100.0 / limit as f64;
    let counts = format!(
        "{} mappings of {} ({})",
        units::count(count),
        units::count(limit),
        units::percent(percent)
    );
    match percent >= WARN_PERCENT {
        true => (
            Severity::Bad,
            format!(
                "{counts}: at the limit mmap fails as if memory had run out (vm.max_map_count); {space}."
            ),
        ),
        false => (Severity::Ok, format!("{counts}; {space}.")),
    }
}

fn kinds(maps: &Maps) -> Table {
    let columns = [
        Column::new("count", "count"),
        Column::new("size_bytes", "size"),
        Column::new("resident_bytes", "in memory"),
        Column::new("swapped_bytes", "swapped"),
        Column::new("kind", "kind"),
    ];
    let mut table = Table::new("kinds", columns);
    for (kind, sum) in sums(&maps.regions, |region| Some(region.kind)) {
        let [count, size, resident, swapped] = sum.cells();
        table.row([count, size, resident, swapped, Cell::text(kind.name())]);
    }
    table
}

/// The largest files, and how many more there are.
fn files(maps: &Maps) -> Table {
    let columns = [
        Column::new("count", "count"),
        Column::new("size_bytes", "size"),
        Column::new("resident_bytes", "in memory"),
        Column::new("swapped_bytes", "swapped"),
        Column::new("kind", "kind"),
        Column::new("path", "file"),
    ];
    let mut table = Table::new("files", columns);
    let files = sums(&maps.regions, |region| {
        let named = matches!(
            region.kind,
            Kind::Binary | Kind::Library | Kind::File | Kind::Shared
        );
        (named && !region.mapping.name.is_empty())
            .then(|| (region.kind, region.mapping.name.clone()))
    });
    for ((kind, path), sum) in files.iter().take(FILES) {
        let [count, size, resident, swapped] = sum.cells();
        let kind = kind.name();
        table.row([
            count,
            size,
            resident,
            swapped,
            Cell::text(kind),
            Cell::text(path.as_str()),
        ]);
    }
    if let Some(rest @ [_, ..]) = files.get(FILES..) {
        let mut sum = Sum::default();
        for (_, part) in rest {
            sum.count += part.count;
            sum.size += part.size;
        }
        let [count, size, ..] = sum.cells();
        let what = format!("{}: maps --all", plural(rest.len(), "more file"));
        table.row([
            count,
            size,
            Cell::Empty,
            Cell::Empty,
            Cell::Empty,
            Cell::Text(what),
        ]);
    }
    table
}

fn each(maps: &Maps) -> Table {
    let columns = [
        Column::new("start", "start"),
        Column::new("size_bytes", "size"),
        Column::new("resident_bytes", "in memory"),
        Column::new("swapped_bytes", "swapped"),
        Column::new("protection", "may"),
        Column::new("kind", "kind"),
        Column::json("offset"),
        Column::new("name", "name"),
    ];
    let mut table = Table::new("mappings", columns);
    for region in &maps.regions {
        let mapping = &region.mapping;
        table.row([
            Cell::Text(format!("{:#x}", mapping.start)),
            Cell::Bytes(mapping.size()),
            region.resident.map_or(Cell::Empty, Cell::Bytes),
            region.swapped.map_or(Cell::Empty, Cell::Bytes),
            Cell::Text(protection(mapping.protection)),
            Cell::text(region.kind.name()),
            Cell::Count(mapping.offset),
            match mapping.name.as_str() {
                "" => Cell::Empty,
                name => Cell::text(name),
            },
        ]);
    }
    table
}

/// `rwxp`, as the kernel writes it.
fn protection(protection: Protection) -> String {
    let letters = [
        (protection.read, 'r'),
        (protection.write, 'w'),
        (protection.execute, 'x'),
    ];
    let letters = letters
        .iter()
        .map(|(may, letter)| if *may { *letter } else { '-' });
    letters
        .chain([if protection.shared { 's' } else { 'p' }])
        .collect()
}

fn notes(answer: &mut Answer, maps: &Maps) {
    if maps.truncated {
        answer.note("the list is cut: there was no memory for all of it");
    }
    let replaced = |region: &Region| {
        region.kind == Kind::Binary && region.mapping.name.ends_with(" (deleted)")
    };
    if maps.regions.iter().any(replaced) {
        answer.note("the binary's file was replaced or removed since the start: a newer version waits for a restart");
    }
    let both =
        |region: &&Region| region.mapping.protection.write && region.mapping.protection.execute;
    let count = maps.regions.iter().filter(both).count();
    if count > 0 {
        answer.note(format!(
            "{} may be written and executed",
            plural(count, "mapping")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::testing, probe::maps::Mapping};

    fn region(kind: Kind, line: &str, resident: Option<u64>) -> Region {
        Region {
            mapping: Mapping::parse(line).unwrap(),
            kind,
            resident,
            swapped: None,
        }
    }

    fn sample(resident: bool) -> Maps {
        let memory = |kib: u64| resident.then_some(kib << 10);
        Maps {
            regions: vec![
                region(
                    Kind::Binary,
                    "400000-500000 r-xp 0 08:01 10 /opt/checkout (deleted)",
                    memory(512),
                ),
                region(
                    Kind::Binary,
                    "500000-600000 rw-p 0 08:01 10 /opt/checkout (deleted)",
                    memory(64),
                ),
                region(
                    Kind::Library,
                    "800000-900000 rwxp 0 08:01 11 /lib/libx.so",
                    memory(4),
                ),
                region(
                    Kind::Anonymous,
                    "a00000-2a00000 rw-p 0 00:00 0 ",
                    memory(30_000),
                ),
                region(Kind::Reserved, "3000000-7000000 ---p 0 00:00 0 ", memory(0)),
            ],
            limit: Some(65_530),
            truncated: false,
        }
    }

    fn lines(maps: &Maps, all: bool) -> Vec<String> {
        testing::lines("maps", &report(maps, all)).split_off(1)
    }

    #[test]
    fn kinds_come_by_size_and_files_below() {
        let expected = [
            "5 mappings of 65,530 (0.0 %); 35.0 MiB of addresses in use, 64.0 MiB only set aside.",
            "",
            "count      size  kind",
            "    1  64.0 MiB  reserved",
            "    1  32.0 MiB  anonymous",
            "    2  2.00 MiB  binary",
            "    1  1.00 MiB  libraries",
            "",
            "count      size  kind       file",
            "    2  2.00 MiB  binary     /opt/checkout (deleted)",
            "    1  1.00 MiB  libraries  /lib/libx.so",
            "# the binary's file was replaced or removed since the start: a newer version waits for a restart",
            "# 1 mapping may be written and executed",
            "# next: memory; maps --all",
        ];
        assert_eq!(lines(&sample(false), false), expected);
    }

    #[test]
    fn what_is_in_memory_decides_the_order_when_it_is_known() {
        let lines = lines(&sample(true), false);
        assert_eq!(lines[2], "count      size  in memory  kind");
        assert_eq!(lines[3], "    1  32.0 MiB   29.3 MiB  anonymous");
    }

    #[test]
    fn all_lists_each_with_its_protection() {
        let lines = lines(&sample(false), true);
        let line = "0x800000   1.00 MiB  rwxp  libraries  /lib/libx.so";
        assert!(lines.iter().any(|found| found == line), "{lines:?}");
    }

    #[test]
    fn too_many_mappings_are_bad() {
        let mut maps = sample(false);
        maps.limit = Some(6);
        let (severity, text) = verdict(&maps);
        assert_eq!(severity, Severity::Bad);
        assert!(
            text.starts_with("5 mappings of 6 (83 %): at the limit mmap fails"),
            "{text}"
        );
        maps.limit = None;
        assert!(verdict(&maps).1.starts_with("5 mappings; "));
    }
}
