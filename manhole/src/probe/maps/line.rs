//! One line of `maps`: `7f00-7f10 r-xp 00001000 08:01 1234   /lib/libc.so.6`.

/// What may be done with the memory of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Protection {
    /// Read.
    pub read: bool,
    /// Write.
    pub write: bool,
    /// Run as code.
    pub execute: bool,
    /// Writes are seen by other processes, or reach the file.
    pub shared: bool,
}

/// A piece of the address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// What may be done with it.
    pub protection: Protection,
    /// Place in the file, in bytes.
    pub offset: u64,
    /// Inode of the file; 0 without one.
    pub inode: u64,
    /// The file, or the kernel's word for it (`[heap]`); empty for anonymous memory.
    pub name: String,
}

impl Mapping {
    /// Parses a line; `None` for any other line of `smaps`.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut parts = line.splitn(6, ' ');
        let (start, end) = parts.next()?.split_once('-')?;
        let flags = parts.next()?;
        let offset = parts.next()?;
        let _device = parts.next()?;
        let inode = parts.next()?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        Some(Self {
            start: hex(start)?,
            end: hex(end)?,
            protection: Protection {
                read: flags.contains('r'),
                write: flags.contains('w'),
                execute: flags.contains('x'),
                shared: flags.ends_with('s'),
            },
            offset: hex(offset)?,
            inode: inode.parse().ok()?,
            name: parts.next().unwrap_or("").trim_start().to_owned(),
        })
    }

    /// Length in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether nothing may be done with it: a guard page, or reserved addresses.
    pub(crate) fn is_reserved(&self) -> bool {
        let Protection {
            read,
            write,
            execute,
            ..
        } = self.protection;
        !(read || write || execute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_apart() {
        let line = "7f4e26b1d000-7f4e26b1f000 r-xs 00026000 fe:00 1234                       /opt/a b (deleted)";
        let mapping = Mapping::parse(line).unwrap();
        assert_eq!(
            (mapping.size(), mapping.offset, mapping.inode),
            (0x2000, 0x26000, 1234)
        );
        assert_eq!(mapping.name, "/opt/a b (deleted)");
        let protection = mapping.protection;
        assert!(protection.read && !protection.write && protection.execute && protection.shared);
    }

    #[test]
    fn anonymous_memory_has_no_name_and_other_lines_are_none() {
        let guard = Mapping::parse("1000-2000 ---p 00000000 00:00 0 ").unwrap();
        assert!(guard.name.is_empty() && guard.is_reserved());
        for line in ["", "Size:  8 kB", "VmFlags: rd wr mr", "x-y rw-p 0 0:0 0"] {
            assert_eq!(Mapping::parse(line), None, "{line}");
        }
    }
}
