//! The simulator as a program: it will listen on loopback and print the keys of its accounts.

fn main() {}
