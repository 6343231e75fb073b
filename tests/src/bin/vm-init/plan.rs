//! What to run: the file that xtask (xtask/src/vm/plan.rs) put into the archive. Fields are separated by tabs.

/// Where it is.
const PLAN: &str = "/vm-plan";

/// The whole of it.
#[derive(Debug, Default)]
pub struct Plan {
    /// Variables of every program.
    pub environment: Vec<(String, String)>,
    /// Working directory of every program.
    pub directory: String,
    /// Only tests with this in their name.
    pub filter: String,
    /// In this order.
    pub tasks: Vec<Task>,
}

/// Something to run.
#[derive(Debug)]
pub enum Task {
    /// A test program, test by test.
    Tests {
        /// Name of the program in reports.
        name: String,
        /// Its path.
        program: String,
    },
    /// A program with its arguments.
    Once {
        /// Its name in reports.
        name: String,
        /// Its path and arguments.
        words: Vec<String>,
    },
}

/// Reads it.
///
/// # Panics
/// When it is not there or not understood: xtask and this program are built together.
pub fn read() -> Plan {
    let mut plan = Plan::default();
    for line in std::fs::read_to_string(PLAN).expect("the plan").lines() {
        let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
        match &fields[..] {
            [word, name, value] if word == "env" => plan.environment.push((name.clone(), value.clone())),
            [word, value] if word == "cd" => plan.directory.clone_from(value),
            [word, value] if word == "filter" => plan.filter.clone_from(value),
            [word, name, program] if word == "tests" => plan.tasks.push(Task::Tests { name: name.clone(), program: program.clone() }),
            [word, name, words @ ..] if word == "once" => plan.tasks.push(Task::Once { name: name.clone(), words: words.to_vec() }),
            _ => panic!("not understood: {line:?}"),
        }
    }
    plan
}
