//! Wire formats both ways, pure: bytes in, events out. Shared with the client.
