//! The protobuf wire format, as much of it as profile.proto needs: varints and bytes.

/// A message under construction.
///
/// A field that is zero or empty is left out, as proto3 does; [`Message::nested`] is always written.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// An integer; negative ones take ten bytes, as `int64` does.
    pub(super) fn int(&mut self, field: u32, value: i64) {
        if value != 0 {
            self.varint(u64::from(field) << 3);
            self.varint(value.cast_unsigned());
        }
    }

    /// An unsigned integer.
    pub(super) fn uint(&mut self, field: u32, value: u64) {
        self.int(field, value.cast_signed());
    }

    /// `true`, or nothing.
    pub(super) fn bool(&mut self, field: u32, value: bool) {
        self.int(field, i64::from(value));
    }

    /// Bytes, written even when there are none: a string of a table keeps its place.
    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A message within this one.
    pub(super) fn nested(&mut self, field: u32, message: &Message) {
        self.bytes(field, &message.0);
    }

    /// A packed list of integers.
    pub(super) fn packed(&mut self, field: u32, values: impl Iterator<Item = u64>) {
        let mut list = Message::default();
        values.for_each(|value| list.varint(value));
        if !list.0.is_empty() {
            self.nested(field, &list);
        }
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// What was written; the message is empty afterwards and keeps its memory.
    pub(super) fn drain(&mut self, mut to: impl FnMut(&[u8])) {
        to(&self.0);
        self.0.clear();
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(build: impl FnOnce(&mut Message), expected: &[u8]) {
        let mut message = Message::default();
        build(&mut message);
        assert_eq!(message.0, expected);
    }

    #[test]
    fn fields_are_written_as_protobuf_has_them() {
        check(|m| m.int(1, 150), &[0x08, 0x96, 0x01]);
        check(|m| m.int(2, 0), &[]);
        check(
            |m| m.int(1, -1),
            &[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
        );
        check(|m| m.uint(16, 1), &[0x80, 0x01, 0x01]);
        check(|m| m.bool(7, true), &[0x38, 1]);
        check(|m| m.bytes(6, b""), &[0x32, 0]);
        check(|m| m.bytes(2, b"testing"), b"\x12\x07testing");
        check(
            |m| m.packed(4, [3, 270, 86942].into_iter()),
            &[0x22, 6, 3, 0x8e, 2, 0x9e, 0xa7, 5],
        );
        check(|m| m.packed(4, std::iter::empty()), &[]);
    }
}
