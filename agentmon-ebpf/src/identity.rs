//! Identity: the setuid family, setgroups, capset. Reports the credentials as they are after the call.
//!
//! Not for: identity that changes by executing a set-user-ID file; that stands in the header of the exec record.

use crate::call::Call;
use crate::errors::ProbeError;
use crate::kernel::{load, offset};
use crate::record::Record;
use agentmon_common::record::{IdentityFixed, kind};
use agentmon_common::syscalls::op;
use aya_ebpf::helpers::bpf_probe_read_user;

/// The exit of a call of the identity family.
#[inline(never)]
pub fn changed(call: &Call) -> Result<(), ProbeError> {
    let mut record = Record::of_current::<IdentityFixed>(call.agent, kind::IDENTITY, call.ret)?;
    call.stamp(&mut record);
    let args = if call.op == op::CAPSET { capset_sets(call.arg(1)?) } else { [call.arg(0)?, call.arg(1)?, call.arg(2)?] };
    let cred = call.task.cred()?;
    *record.fixed() = IdentityFixed {
        args,
        cap_effective: load(cred, offset!(cred_cap_effective))?,
        cap_permitted: load(cred, offset!(cred_cap_permitted))?,
        uids: [
            load(cred, offset!(cred_uid))?,
            load(cred, offset!(cred_euid))?,
            load(cred, offset!(cred_suid))?,
            load(cred, offset!(cred_fsuid))?,
        ],
        gids: [
            load(cred, offset!(cred_gid))?,
            load(cred, offset!(cred_egid))?,
            load(cred, offset!(cred_sgid))?,
            load(cred, offset!(cred_fsgid))?,
        ],
        op: u32::from(call.op),
        reserved: 0,
    };
    record.submit()
}

/// Effective, permitted and inheritable sets that capset was given; zeros when they cannot be read.
///
/// `struct __user_cap_data_struct { __u32 effective, permitted, inheritable; }`, twice since version 2 of the
/// interface (`include/uapi/linux/capability.h`).
#[inline(always)]
fn capset_sets(data: u64) -> [u64; 3] {
    // SAFETY: the helper checks the source.
    let data = unsafe { bpf_probe_read_user(data as *const [u32; 6]) }.unwrap_or([0; 6]);
    let set = |low: usize| u64::from(data[low]) | u64::from(data[low + 3]) << 32;
    [set(0), set(1), set(2)]
}
