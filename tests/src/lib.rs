//! The harness of the tests against a real kernel: a watched cgroup, a stimulus inside, its truth and the events side
//! by side.
//!
//! A test starts a [`watch::Watch`], runs modes of the `stimulus` program under it and lets [`watch::Watch::check`]
//! compare what the stimulus says it did with what agentmon saw. Tests that need root and a kernel are behind the
//! feature `kernel`. [`e2e`] is the other harness: it starts the program as a user does. Not for: tests of one function,
//! which stand beside it.

pub mod btf_excerpt;
pub mod cgroup;
pub mod compare;
pub mod e2e;
pub mod flat;
pub mod kernel_has;
pub mod maps;
pub mod run;
pub mod skip;
pub mod watch;
