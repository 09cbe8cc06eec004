//! A process that can look but not touch: for configurations that are only to be looked at.
//!
//! From then on this process and those it starts can open files for reading only, can change no
//! file, directory or attribute, can make no socket, and can send no signal to others (seccomp). What
//! is open already stays as it is: standard output still takes what is printed.

use std::io;

/// System calls that change files or what processes see of them, that reach the network or other
/// processes, or that would be a way around this list.
#[rustfmt::skip]
const FORBIDDEN: &[libc::c_long] = &[
    libc::SYS_socket, libc::SYS_connect, libc::SYS_bind, libc::SYS_listen,
    libc::SYS_unlinkat, libc::SYS_renameat2, libc::SYS_mkdirat, libc::SYS_linkat,
    libc::SYS_symlinkat, libc::SYS_mknodat, libc::SYS_truncate, libc::SYS_fchmod,
    libc::SYS_fchmodat, libc::SYS_fchmodat2, libc::SYS_fchown, libc::SYS_fchownat,
    libc::SYS_utimensat, libc::SYS_setxattr, libc::SYS_lsetxattr, libc::SYS_fsetxattr,
    libc::SYS_removexattr, libc::SYS_lremovexattr, libc::SYS_fremovexattr, libc::SYS_renameat,
    libc::SYS_kill, libc::SYS_tkill, libc::SYS_rt_sigqueueinfo, libc::SYS_pidfd_send_signal,
    libc::SYS_pidfd_getfd, libc::SYS_ptrace, libc::SYS_process_vm_writev,
    libc::SYS_open_by_handle_at, libc::SYS_io_uring_setup, libc::SYS_bpf, libc::SYS_unshare,
    libc::SYS_setns, libc::SYS_mount, libc::SYS_umount2, libc::SYS_open_tree,
    libc::SYS_move_mount, libc::SYS_fsopen, libc::SYS_pivot_root, libc::SYS_chroot,
    libc::SYS_reboot, libc::SYS_kexec_load, libc::SYS_init_module, libc::SYS_finit_module,
    libc::SYS_sethostname, libc::SYS_setdomainname, libc::SYS_settimeofday,
    libc::SYS_clock_settime, libc::SYS_swapon, libc::SYS_swapoff, libc::SYS_quotactl,
];

/// Older calls that only some machines have.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const FORBIDDEN_OLD: &[libc::c_long] = &[
    libc::SYS_unlink, libc::SYS_rmdir, libc::SYS_rename, libc::SYS_mkdir, libc::SYS_link,
    libc::SYS_symlink, libc::SYS_mknod, libc::SYS_creat, libc::SYS_chmod, libc::SYS_chown,
    libc::SYS_lchown, libc::SYS_utime, libc::SYS_utimes, libc::SYS_futimesat,
];
#[cfg(not(target_arch = "x86_64"))]
const FORBIDDEN_OLD: &[libc::c_long] = &[];

/// How the kernel calls this kind of machine (`AUDIT_ARCH_*`).
#[cfg(target_arch = "x86_64")]
const MACHINE: Option<u32> = Some(0xC000_003E);
#[cfg(target_arch = "aarch64")]
const MACHINE: Option<u32> = Some(0xC000_00B7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const MACHINE: Option<u32> = None;

/// Numbers from here on are those of another way to call x86-64 (x32).
const OTHER_NUMBERS: u32 = 0x4000_0000;
/// `O_TMPFILE` without the bit that it shares with `O_DIRECTORY`.
const TEMPORARY: i32 = 0o20_000_000;
/// A file that is opened with any of these may be changed by that.
const WRITING: u32 =
    (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC | TEMPORARY) as u32;

/// Where the parts of `seccomp_data` are, in octets: number, machine, lower halves of arguments.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const SECOND: u32 = 24;
const THIRD: u32 = 32;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
/// As if the kernel were older: the C library then takes a call that can be looked into.
const UNKNOWN: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

fn step(code: u32, value: u32, then: u8, other: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: then, jf: other, k: value }
}

/// The program that the kernel runs for each system call.
fn filter(machine: u32) -> Vec<libc::sock_filter> {
    let refuse_if =
        |test: u32, value: u32, answer: u32| [step(test, value, 0, 1), step(RETURN, answer, 0, 0)];
    let opens = |call: libc::c_long, flags: u32| {
        [
            step(EQUAL, call as u32, 0, 4),
            step(LOAD, flags, 0, 0),
            step(ANY_BIT, WRITING, 0, 1),
            step(RETURN, REFUSE, 0, 0),
            step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
        ]
    };
    let mut program = vec![
        step(LOAD, ARCHITECTURE, 0, 0),
        step(EQUAL, machine, 1, 0),
        step(RETURN, libc::SECCOMP_RET_KILL_PROCESS, 0, 0),
        step(LOAD, NUMBER, 0, 0),
    ];
    program.extend(refuse_if(AT_LEAST, OTHER_NUMBERS, REFUSE));
    program.extend(refuse_if(EQUAL, libc::SYS_openat2 as u32, UNKNOWN));
    for call in FORBIDDEN.iter().chain(FORBIDDEN_OLD) {
        program.extend(refuse_if(EQUAL, *call as u32, REFUSE));
    }
    program.extend(opens(libc::SYS_openat, THIRD));
    #[cfg(target_arch = "x86_64")]
    program.extend(opens(libc::SYS_open, SECOND));
    program.push(step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0));
    program
}

/// Shuts this process in, for good. To be called before there is a second thread.
pub(crate) fn forbid_io() -> io::Result<()> {
    let Some(machine) = MACHINE else { return Err(io::ErrorKind::Unsupported.into()) };
    let mut program = filter(machine);
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let whole = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: the calls take numbers, and a pointer to a program with its length, both of which
    // outlive the calls; the kernel copies and checks the program.
    let result = unsafe {
        match libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) {
            0 => libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                std::ptr::from_ref(&whole),
                0,
                0,
            ),
            failed => failed,
        }
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
