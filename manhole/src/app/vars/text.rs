//! A text that changes now and then: a version, a state, the last error.

use super::{lazy::Lazy, name::cut, registry::Body};
use crate::app::lock::brief;
use std::sync::{Arc, Mutex};

/// The longest text kept, in bytes.
const LONGEST: usize = 4096;

/// A text, at most 4 KiB; what is longer is cut and marked with `…`.
///
/// It needs level inspect, and is masked if its name or content looks like a secret.
///
/// ```
/// static STATE: manhole::vars::Text = manhole::vars::Text::new("replica.state");
/// STATE.set("catching up");
/// ```
#[derive(Debug)]
pub struct Text {
    lazy: Lazy,
    value: Mutex<Option<Arc<str>>>,
}

impl Text {
    /// An empty text, shown as `name` from its first use on.
    pub const fn new(name: &'static str) -> Self {
        Self {
            lazy: Lazy::new(name),
            value: Mutex::new(None),
        }
    }

    /// Sets it; one allocation and one lock that is held for some nanoseconds and never waited for.
    pub fn set(&'static self, text: impl Into<String>) {
        self.register();
        let mut text = text.into();
        cut(&mut text, LONGEST);
        let text: Arc<str> = text.into();
        let before = brief(&self.value).and_then(|mut value| value.replace(text));
        drop(before); // with the lock released
    }

    /// The text now.
    pub fn get(&'static self) -> String {
        self.register();
        let text = self.peek().flatten();
        text.map_or_else(String::new, |text| text.as_ref().to_owned())
    }

    /// Shows the text although nothing was set yet.
    pub fn register(&'static self) {
        self.lazy.touch(|| Body::Text(self));
    }

    /// The text, if one was set; the outer `None` when it cannot be read at the moment.
    pub(super) fn peek(&self) -> Option<Option<Arc<str>>> {
        brief(&self.value).map(|value| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_bounded_and_never_waits() {
        static STATE: Text = Text::new("test.text.state");
        assert_eq!(STATE.get(), "");
        STATE.set("x".repeat(LONGEST + 1));
        assert_eq!(STATE.get().len(), LONGEST);
        let held = STATE.value.lock().unwrap();
        STATE.set("not now");
        assert!(STATE.peek().is_none());
        drop(held);
        STATE.set("y");
        assert_eq!(STATE.get(), "y");
    }
}
