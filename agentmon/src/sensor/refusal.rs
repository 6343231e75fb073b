//! Why the verifier refused a probe, where it can be said in one sentence: a kernel function (helper) that this kernel
//! does not have.
//!
//! The kernel decides by refusing the program; this only finds the sentence in its log that says why.

use super::error::SensorError;
use aya::programs::ProgramError;

/// Helpers that came later than anything else agentmon needs: number (`include/uapi/linux/bpf.h`) and name.
const LATE: [(u32, &str); 2] = [(158, "bpf_get_current_task_btf"), (181, "bpf_loop")];

/// How the verifier begins: a number beyond its table, one it does not have, one this type of program may not call.
const SENTENCES: [&str; 3] = ["invalid func ", "unknown func ", "program of this type cannot use helper "];

/// An error of the kernel about one program: in one sentence where there is one.
pub(super) fn program_error(action: &'static str, program: &'static str) -> impl FnOnce(ProgramError) -> SensorError {
    move |source| {
        if let ProgramError::LoadError { verifier_log, .. } = &source
            && let Some(helper) = missing_helper(&verifier_log.to_string())
        {
            return SensorError::Helper { program, helper };
        }
        SensorError::Program { action, program, source: Box::new(source) }
    }
}

/// `name#number` from a line that is such a sentence.
fn sentence(line: &str) -> Option<&str> {
    SENTENCES.iter().find_map(|begin| line.strip_prefix(begin))
}

/// The helper a program was refused for.
fn missing_helper(verifier_log: &str) -> Option<String> {
    let (name, number) = verifier_log.lines().rev().find_map(sentence)?.rsplit_once('#')?;
    let late = LATE.iter().find(|(late, _)| number.parse() == Ok(*late)).map(|(_, name)| *name);
    let named = (name != "unknown").then_some(name);
    Some(late.or(named).map_or_else(|| format!("helper {number}"), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::missing_helper;

    #[test]
    fn a_missing_helper_is_named() {
        for (log, name) in [
            (
                "0: (b7) r7 = 0\n; fun()\n64: (85) call unknown#158\ninvalid func unknown#158\nverification time 3 usec\n",
                "bpf_get_current_task_btf",
            ),
            ("invalid func unknown#181\n", "bpf_loop"),
            ("unknown func bpf_loop#181\n", "bpf_loop"),
            ("program of this type cannot use helper bpf_d_path#147\n", "bpf_d_path"),
            ("invalid func unknown#999\n", "helper 999"),
        ] {
            assert_eq!(missing_helper(log).as_deref(), Some(name), "{log}");
        }
    }

    #[test]
    fn another_refusal_is_not_taken_for_one() {
        for log in ["", "R1 invalid mem access 'inv'\n", "64: (85) call unknown#158\n", "invalid func nonsense\n"] {
            assert_eq!(missing_helper(log), None, "{log}");
        }
    }
}
