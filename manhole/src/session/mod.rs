//! One conversation per dialect: text, machine, HTTP.
