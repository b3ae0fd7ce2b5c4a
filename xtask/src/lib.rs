//! The developer commands of netscope, as a library so that their pure parts are tested.
//!
//! `commands` has one file per subcommand. They are compositions of the other modules: `object` reads, builds
//! and compares the committed eBPF object; `lint` checks the habits that the compiler does not know;
//! `bench` measures side by side with other tools; `packages` knows what must be installed.

pub mod bench;
pub mod commands;
pub mod lint;
pub mod object;
pub mod packages;
pub mod sha256;
pub mod step;
pub mod summary;
pub mod workspace;
