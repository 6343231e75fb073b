//! Makes a fixture for the offsets tests: `btf-excerpt INPUT OUTPUT`, where INPUT is a whole BTF blob, such as
//! `/sys/kernel/btf/vmlinux` or the section `.BTF` of a vmlinux.

use agentmon_common::offsets::Offsets;
use agentmon_tests::btf_excerpt::excerpt;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [input, output] = &args[..] else {
        eprintln!("usage: btf-excerpt INPUT OUTPUT");
        return ExitCode::from(2);
    };
    let result = std::fs::read(input)
        .map_err(|error| format!("{input}: {error}"))
        .and_then(|blob| excerpt(&blob, Offsets::MEMBERS).map_err(|error| format!("{input}: {error}")))
        .and_then(|small| std::fs::write(output, small).map_err(|error| format!("{output}: {error}")));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("btf-excerpt: {error}");
            ExitCode::FAILURE
        }
    }
}
