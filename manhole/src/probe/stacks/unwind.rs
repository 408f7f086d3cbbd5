//! From a copy of registers and stack to the functions that wait for each other on it.
//!
//! Rows of `.eh_frame` lead from frame to frame; see [`super::rules`]. Where there is none, or where
//! it leads nowhere, [`super::scan`] looks for the next frame, which is then marked. All of it runs
//! on a copy: whatever the stack or the rows hold, the worst that comes of it is a short walk.

use super::{
    instructions::{self, SIGNAL_RETURN},
    machine::{Cursor, Machine},
    modules::{Images, Read},
    rules::{Rules, Step},
    scan,
    sections::{Budget, Loaded},
};
use crate::{
    model::stack::{End, Frame, Module},
    sys::stacks::{Copied, Registers},
};
use gimli::UnwindContext;

/// Frames that are kept of a stack.
pub(super) const MOST_FRAMES: usize = 256;
/// Addresses whose rules are kept, each in a place of its own.
const KNOWN: usize = 1024;
/// Frames that most stacks have room for.
const USUAL_FRAMES: usize = 32;
/// How often the list of images is read again because an address is in none of them.
const REFRESHES: u32 = 3;

/// What is known of an address: where its rules are from, and what they are.
#[derive(Clone, Copy, Debug)]
struct Known {
    address: u64,
    image: Option<u32>,
    rules: Option<Rules>,
}

/// The frames of a stack, leaf first, and where they end.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(in crate::probe) struct Walk {
    pub frames: Vec<Frame>,
    pub end: End,
}

/// A stack as it was copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stack<'a> {
    /// Address of its first byte: the stack pointer.
    pub start: u64,
    pub bytes: &'a [u8],
    /// Whether the stack goes on behind the copy.
    pub cut: bool,
}

impl Stack<'_> {
    /// The word at `address`.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let from = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let word = self.bytes.get(from..)?.first_chunk()?;
        Some(u64::from_le_bytes(*word))
    }

    /// First address behind the copy.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes.len() as u64)
    }
}

/// Walks stacks of one moment. Costs memory for the rows of the images that stacks led into; drop
/// it with the answer.
pub(in crate::probe) struct Unwinder<'r> {
    machine: Machine,
    images: Images,
    /// By place in `images`, those that were asked for.
    loaded: Vec<Option<Option<Loaded>>>,
    budget: Budget,
    known: Vec<Option<Known>>,
    context: UnwindContext<usize>,
    refreshes: u32,
    /// Reads the memory of this process: code, and what of images is not copied yet.
    read: Read<'r>,
}

impl<'r> Unwinder<'r> {
    /// Knows what is mapped now; `None` when that cannot be found out or `keep_going` says no.
    pub(in crate::probe) fn new(read: Read<'r>, keep_going: &dyn Fn() -> bool) -> Option<Self> {
        let mut images = Images::default();
        if !images.refresh(keep_going) {
            return None;
        }
        let mut known = Vec::new();
        known.try_reserve_exact(KNOWN).ok()?;
        known.resize(KNOWN, None);
        Some(Self {
            machine: Machine::NATIVE,
            images,
            loaded: Vec::new(),
            budget: Budget::default(),
            known,
            context: UnwindContext::new(),
            refreshes: 0,
            read,
        })
    }

    /// Reads the list of images again, which in a long look is due now and then: what was loaded in
    /// place of something else is in no other way found out.
    pub(in crate::probe) fn refresh(&mut self, keep_going: &dyn Fn() -> bool) {
        let before = self.images.now.clone();
        self.refreshes = 0;
        if self.images.refresh(keep_going) && self.images.now != before {
            self.known.fill(None);
        }
    }

    /// The image in `place`, which frames refer to.
    pub(in crate::probe) fn module(&self, place: u32) -> Option<&Module> {
        self.images
            .list
            .get(place as usize)
            .map(|image| &image.module)
    }

    /// What is mapped; frames refer to it by place.
    pub(super) fn into_modules(self) -> Vec<Module> {
        let images = self.images.list.into_iter();
        images.map(|image| image.module).collect()
    }

    /// The file that `address` is from.
    pub(in crate::probe) fn path(&self, address: u64) -> Option<&str> {
        let place = self.images.find(address)?;
        let image = self.images.list.get(place as usize)?;
        Some(&image.module.path)
    }

    /// Walks a copy, for `most` frames. 0.1 us a frame whose address was met before, else a few.
    pub(in crate::probe) fn walk(&mut self, copied: &Copied<'_>, most: usize) -> Walk {
        let stack = Stack {
            start: copied.registers.sp,
            bytes: copied.stack,
            cut: copied.cut,
        };
        let mut walk = Walk {
            frames: Vec::with_capacity(USUAL_FRAMES),
            ..Walk::default()
        };
        let mut at = self.leaf(&copied.registers);
        self.learn(at.pc);
        let mut uncertain = false;
        loop {
            walk.frames.push(self.frame(&at, uncertain));
            if walk.frames.len() >= most.min(MOST_FRAMES) {
                walk.end = End::Cut;
                return walk;
            }
            at = match self.step(&at, &stack) {
                Step::Caller(next) => {
                    uncertain = false;
                    next
                }
                Step::Root => {
                    walk.end = End::Root;
                    return walk;
                }
                Step::Unreadable(address) if stack.cut && address >= stack.end() => {
                    walk.end = End::Cut;
                    return walk;
                }
                Step::Unreadable(_) | Step::Wrong => match scan::next(self, &at, &stack) {
                    scan::Found::Frame(next) => {
                        uncertain = true;
                        next
                    }
                    scan::Found::Nothing(end) => {
                        walk.end = end;
                        return walk;
                    }
                },
            };
        }
    }

    fn leaf(&self, registers: &Registers) -> Cursor {
        Cursor {
            pc: registers.pc,
            sp: registers.sp,
            fp: registers.fp,
            lr: self.address(registers.lr),
            exact: true,
        }
    }

    fn frame(&mut self, at: &Cursor, uncertain: bool) -> Frame {
        Frame {
            address: at.address(),
            module: self.known(at.address()).image,
            uncertain,
            ..Frame::default()
        }
    }

    /// A pointer to code without the signature that it may carry.
    pub(super) fn address(&self, pointer: u64) -> u64 {
        match cfg!(target_arch = "aarch64") {
            true => pointer & instructions::address_bits(self.images.highest),
            false => pointer,
        }
    }

    /// From a frame to its caller by unwind information, or out of a signal handler.
    pub(super) fn step(&mut self, at: &Cursor, stack: &Stack<'_>) -> Step {
        let known = self.known(at.address());
        let loaded = known
            .image
            .and_then(|place| self.loaded.get(place as usize));
        let (Some(rules), Some(Some(Some(loaded)))) = (known.rules, loaded) else {
            return self.leave_handler(at, stack);
        };
        let mut read = |address| stack.word(address);
        match rules.step(self.machine, &loaded.sections(), at, &mut read) {
            Step::Caller(mut next) => {
                (next.pc, next.lr) = (self.address(next.pc), self.address(next.lr));
                self.learn(next.address());
                match self.is_code(next.address()) {
                    true => Step::Caller(next),
                    false => Step::Wrong,
                }
            }
            end => end,
        }
    }

    /// The return from a signal handler has no rows everywhere; what it interrupted is on the stack.
    fn leave_handler(&mut self, at: &Cursor, stack: &Stack<'_>) -> Step {
        let mut code = [0; SIGNAL_RETURN];
        let known = (self.read)(at.pc, &mut code);
        let saved = code
            .get(..known)
            .and_then(instructions::returns_from_signal);
        let Some(saved) = saved else {
            return Step::Wrong;
        };
        let register = |offset: u64| {
            let address = at.sp.saturating_add(offset);
            stack.word(address).ok_or(Step::Unreadable(address))
        };
        let registers = || {
            Ok(Registers {
                pc: register(saved.pc)?,
                sp: register(saved.sp)?,
                fp: register(saved.fp)?,
                lr: saved.lr.map_or(Ok(0), register)?,
                ..Registers::default()
            })
        };
        registers().map_or_else(|end| end, |registers| Step::Caller(self.leaf(&registers)))
    }

    /// What is known of an address; looked up when it was not met before.
    fn known(&mut self, address: u64) -> Known {
        let place = (address ^ address >> 10) as usize % KNOWN;
        let kept = self.known.get(place).copied().flatten();
        if let Some(kept) = kept.filter(|kept| kept.address == address) {
            return kept;
        }
        let found = self.look_up(address);
        if let Some(kept) = self.known.get_mut(place) {
            *kept = Some(found);
        }
        found
    }

    fn look_up(&mut self, address: u64) -> Known {
        let image = self.images.find(address);
        let rules = image.and_then(|place| {
            self.load(place)?;
            let bias = self.images.list.get(place as usize)?.module.bias;
            let loaded = self.loaded.get(place as usize)?.as_ref()?.as_ref()?;
            let address = address.wrapping_sub(bias);
            loaded
                .sections()
                .rules(self.machine, address, &mut self.context)
        });
        Known {
            address,
            image,
            rules,
        }
    }

    /// Reads the list of images again when `address`, which a thread executes, is in none of them:
    /// it was loaded since.
    pub(super) fn learn(&mut self, address: u64) {
        if !self.is_code(address) && self.refreshes < REFRESHES {
            self.refreshes += 1;
            self.images.refresh(&|| true);
            self.known.fill(None);
        }
    }

    fn load(&mut self, place: u32) -> Option<()> {
        let place = place as usize;
        if self.loaded.len() <= place {
            self.loaded.resize_with(self.images.list.len(), || None);
        }
        let image = self.images.list.get(place)?;
        let loaded = self.loaded.get_mut(place)?;
        if loaded.is_none() {
            *loaded = Some(Loaded::new(image, &mut self.budget, self.read));
        }
        Some(())
    }

    /// Whether `address` may be executed.
    pub(super) fn is_code(&self, address: u64) -> bool {
        self.images.is_code(address)
    }

    /// Whether `address` is in code that has rows for it.
    pub(super) fn has_rules(&mut self, address: u64) -> bool {
        self.known(address).rules.is_some()
    }

    /// Whether `address` is in an image, and not in code that was made at run time.
    pub(super) fn in_image(&mut self, address: u64) -> bool {
        self.known(address).image.is_some()
    }

    /// The call right before `pc`.
    pub(super) fn call_before(&self, pc: u64) -> Option<instructions::Target> {
        let mut code = [0; instructions::LONGEST_CALL];
        let from = pc.checked_sub(code.len() as u64)?;
        let known = (self.read)(from, &mut code);
        let whole = known == code.len();
        whole
            .then(|| instructions::call_before(pc, &code))
            .flatten()
    }
}
