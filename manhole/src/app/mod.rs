//! What the application registered: variables, commands, reclaimers, and the threads its code runs on.
