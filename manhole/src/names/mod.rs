//! Names of addresses: symbol tables, lines and inlined functions from object files on disk, and how
//! they are shortened for people. Used by the console and by the client, with the same results.
