//! The client's half, shared by `manhole-cli` and `manhole::client()`: finding consoles, checking whom one talks to, connecting.
