//! The fields of a protobuf message, one after the other, without copying any.

/// A field's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A number.
    Number(u64),
    /// Text, a message, or several numbers in one.
    Bytes(&'a [u8]),
    /// A kind that no profile uses.
    Other,
}

/// Walks over the fields of `bytes`.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    /// From the first field on.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The next field with its number; `None` inside when there is no other, outside when the bytes
    /// are no message.
    #[expect(clippy::option_option)]
    pub(super) fn next(&mut self) -> Option<Option<(u64, Value<'a>)>> {
        if self.bytes.is_empty() {
            return Some(None);
        }
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => Value::Number(self.number()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Other)?,
            _ => return None,
        };
        match tag >> 3 {
            0 => None,
            field => Some(Some((field, value))),
        }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        number(&mut self.bytes)
    }
}

/// A number of variable length.
pub(super) fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of a message as text, ending in `!` where it makes no sense.
    fn check(bytes: &[u8], expected: &str) {
        let mut fields = Fields::new(bytes);
        let mut seen = Vec::new();
        loop {
            match fields.next() {
                Some(Some((field, value))) => seen.push(format!("{field}:{value:?}")),
                Some(None) => break,
                None => {
                    seen.push("!".to_owned());
                    break;
                }
            }
        }
        assert_eq!(seen.join(" "), expected);
    }

    #[test]
    fn fields_come_in_order_and_damage_is_noticed() {
        check(b"", "");
        check(
            &[0x48, 0xac, 0x02, 0x12, 1, 7],
            "9:Number(300) 2:Bytes([7])",
        );
        check(
            &[0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x0d, 1, 2, 3, 4],
            "1:Other 1:Other",
        );
        check(&[0x12, 2, 7], "!"); // longer than what is there
        check(&[0x48, 0x80], "!"); // a number without an end
        check(&[0x48; 1], "!");
        check(&[0x00, 1], "!"); // field 0
        check(&[0x0b], "!"); // a group
        check(&[0xff; 12], "!");
        check(
            &[
                0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
            ],
            "!",
        );
    }
}
