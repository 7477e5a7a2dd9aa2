//! The bundled server, `aquaware`: configuration, composition, HTTP mapping, command line.
mod config;
mod http;

fn main() {}
