//! What `./alloc` does, as the kernel and its user see it.

use common::*;
use nix::libc;
use nix::sys::{ptrace, resource, signal};
use std::io::{Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

const ALLOC: &str = env!("CARGO_BIN_EXE_alloc");

/// Runs `alloc`. `set_up` is called in the new process, before it becomes `alloc`.
fn run_after(set_up: impl FnMut() -> std::io::Result<()> + Send + Sync + 'static) -> Output {
    let mut command = Command::new(ALLOC);
    // SAFETY: this runs between fork and exec, and the callers make only system calls.
    unsafe {
        command.pre_exec(set_up);
    }
    run(&mut command)
}

/// Asserts that the last call of `brk` moves the break to where the first one found it.
#[track_caller]
fn assert_freed(traced: &Strace) {
    let brk = traced.named("brk");
    assert_eq!(brk.last().unwrap().address(0), brk[0].returned(), "the break is not back: {brk:?}");
}

#[test]
fn makes_these_system_calls_and_no_others() {
    if lacks(Need::Ptrace) {
        return;
    }
    for random in [true, false] {
        if !random && lacks(Need::FixedAddresses) {
            continue;
        }
        let traced = strace(ALLOC, &["-e", "raw=write"], |command| randomised(command, random));
        let start = traced.calls[0].returned();
        let hex = |address: u64| format!("{address:#x}");
        let expected = [
            ("brk", vec!["NULL".to_string()], hex(start)),
            ("brk", vec![hex(start + 4)], hex(start + 4)),
            ("write", vec!["0x1".to_string(), hex(start), "0x3".to_string()], "0x3".to_string()),
            ("brk", vec![hex(start)], hex(start)),
            ("exit", vec!["0".to_string()], "?".to_string()),
        ];
        let expected = expected.map(|(name, args, result)| Call { name: name.to_string(), args, result });
        assert_eq!(traced.calls, expected, "randomised: {random}");
        assert_ended(&traced.output, "HI\n", "", 0);
    }
}

/// `alloc`, stopped before its first instruction, and with its output thrown away.
fn stepped() -> Ptraced {
    let mut command = Command::new(ALLOC);
    command.stdout(Stdio::null());
    Ptraced::start(command)
}

#[test]
fn stores_four_bytes() {
    if lacks(Need::Ptrace) {
        return;
    }
    let program = stepped();
    let mut got = program.to_call_of(libc::SYS_brk).unwrap();
    while got[0] == 0 {
        got = program.to_call_of(libc::SYS_brk).unwrap();
    }
    // Once the memory is there, it is filled with something other than the kernel's zeroes.
    assert_eq!(program.to_system_call(), None);
    let start = (got[0] - 4) as ptrace::AddressType;
    ptrace::write(program.0, start, -1).unwrap();
    let write = program.to_call_of(libc::SYS_write).unwrap();
    assert_eq!(write[1], got[0] - 4);
    assert_eq!(program.peek(write[1]), *b"HI\n\0\xff\xff\xff\xff", "four bytes, and no more");
    assert!(program.to_call_of(libc::SYS_exit).is_some());
}

#[test]
#[cfg(target_arch = "x86_64")] // whose registers it reads
fn keeps_the_stack_aligned() {
    if lacks(Need::Ptrace) {
        return;
    }
    let program = stepped();
    let mut calls = 0;
    loop {
        let registers = ptrace::getregs(program.0).unwrap();
        let code = program.peek(registers.rip);
        // call rel32; call r/m64, which has 2 in the middle of its second byte.
        if code[0] == 0xe8 || code[0] == 0xff && code[1] >> 3 & 7 == 2 {
            assert_eq!(registers.rsp % 16, 0, "at the call at {:#x}", registers.rip);
            calls += 1;
        }
        if let Some(status) = program.step() {
            assert_eq!(status, 0);
            break;
        }
    }
    assert!(calls >= 1, "_start calls main");
}

#[test]
fn reports_when_the_break_does_not_move_up() {
    if lacks(Need::Ptrace) {
        return;
    }
    // The second call, which allocates, fails. No memory was allocated, so none is freed.
    for inject in ["when=2", "when=2+"] {
        let traced = strace(ALLOC, &["-e", &format!("inject=brk:error=ENOMEM:{inject}")], |_| {});
        assert_ended(&traced.output, "", "alloc: brk: refused\n", EX_OSERR);
        assert_eq!(traced.named("brk").len(), 2, "{:?}", traced.calls);
    }
    // The first result is an error number, from the least to the greatest. Only the message and the exit follow.
    for error in ["EPERM", "ESRCH", "EIO", "ENOSYS", "4095"] {
        let traced = strace(ALLOC, &["-e", &format!("inject=brk:error={error}:when=1")], |_| {});
        assert_ended(&traced.output, "", "alloc: brk: refused\n", EX_OSERR);
        assert_eq!(traced.named("brk").len(), 1, "{:?}", traced.calls);
    }
    // The kernel itself refuses.
    let no_data = || Ok(resource::setrlimit(resource::Resource::RLIMIT_DATA, 0, 0)?);
    assert_ended(&run_after(no_data), "", "alloc: brk: refused\n", EX_OSERR);
}

#[test]
fn reports_when_the_break_does_not_move_down() {
    if lacks(Need::Ptrace) {
        return;
    }
    let traced = strace(ALLOC, &["-e", "inject=brk:error=ENOMEM:when=3"], |_| {});
    assert_ended(&traced.output, "HI\n", "alloc: brk: refused\n", EX_OSERR);
}

#[test]
fn reports_every_error_of_write_by_its_number() {
    if lacks(Need::Ptrace) {
        return;
    }
    for error in [1, 5, 9, 11, 12, 22, 27, 28, 32, 89, 122, 133, 1000, 4095] {
        let traced = strace(ALLOC, &["-e", &format!("inject=write:error={error}:when=1")], |_| {});
        assert_ended(&traced.output, "", &format!("alloc: write: errno {error}\n"), EX_IOERR);
        assert_freed(&traced);
    }
}

#[test]
fn reports_the_first_when_write_and_the_free_fail() {
    if lacks(Need::Ptrace) {
        return;
    }
    let inject = ["-e", "inject=write:error=ENOSPC:when=1", "-e", "inject=brk:error=ENOMEM:when=3"];
    let traced = strace(ALLOC, &inject, |_| {});
    assert_ended(&traced.output, "", "alloc: write: errno 28\n", EX_IOERR);
}

#[test]
fn ends_by_sigpipe_when_the_reader_is_gone() {
    for ignored in [false, true] {
        let action = if ignored { signal::SigHandler::SigIgn } else { signal::SigHandler::SigDfl };
        let output = run_after(move || {
            // The pipe is made in the new process, since another test's child could inherit a reader made in this one.
            let (_reader, writer) = nix::unistd::pipe()?;
            // SAFETY: neither action runs code.
            unsafe { signal::signal(signal::Signal::SIGPIPE, action)? };
            // SAFETY: `writer` is open; descriptor 1 is this process's own.
            nix::errno::Errno::result(unsafe { libc::dup2(writer.as_raw_fd(), 1) })?;
            Ok(())
        });
        if ignored {
            assert_ended(&output, "", "alloc: write: errno 32\n", EX_IOERR);
        } else {
            assert_ended(&output, "", "", -(signal::Signal::SIGPIPE as i32));
        }
    }
}

#[test]
fn writes_the_rest_when_a_part_was_taken() {
    if lacks(Need::Ptrace) {
        return;
    }
    for taken in [1, 2] {
        let inject = format!("inject=write:retval={taken}:when=1");
        let traced = strace(ALLOC, &["-e", "raw=write", "-e", &inject], |_| {});
        // strace keeps the first call from the kernel, so what comes out is the rest.
        assert_ended(&traced.output, &"HI\n"[taken..], "", 0);
        let write = traced.named("write");
        assert_eq!(write[1].address(1), write[0].address(1) + taken as u64);
        assert_freed(&traced);
    }
    // The kernel itself takes a part: this file may not grow past two bytes.
    let mut file = tempfile::tempfile().unwrap();
    let fd = file.as_raw_fd();
    let output = run_after(move || {
        // SAFETY: SIG_IGN runs no code.
        unsafe { signal::signal(signal::Signal::SIGXFSZ, signal::SigHandler::SigIgn)? };
        resource::setrlimit(resource::Resource::RLIMIT_FSIZE, 2, 2)?;
        // SAFETY: `fd` is open; descriptor 1 is this process's own.
        nix::errno::Errno::result(unsafe { libc::dup2(fd, 1) })?;
        Ok(())
    });
    assert_ended(&output, "", "alloc: write: errno 27\n", EX_IOERR);
    let mut written = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut written).unwrap();
    assert_eq!(written, "HI");
}

#[test]
fn writes_again_after_an_interruption() {
    if lacks(Need::Ptrace) {
        return;
    }
    let traced = strace(ALLOC, &["-e", "inject=write:error=EINTR:when=1..3"], |_| {});
    assert_ended(&traced.output, "HI\n", "", 0);
    assert_eq!(traced.named("write").len(), 4);
    assert_freed(&traced);
}

#[test]
fn does_not_wait_for_a_write_that_takes_nothing() {
    if lacks(Need::Ptrace) {
        return;
    }
    let traced = strace(ALLOC, &["-e", "inject=write:retval=0:when=1"], |_| {});
    assert_ended(&traced.output, "", "alloc: write: errno 28\n", EX_IOERR);
    assert_freed(&traced);
    // Here, standard error takes nothing either.
    let traced = strace(ALLOC, &["-e", "inject=write:retval=0"], |_| {});
    assert_ended(&traced.output, "", "", EX_IOERR);
}

#[test]
fn exits_with_the_same_status_when_standard_error_is_closed() {
    let output = run_after(|| Ok(nix::unistd::close(1)?));
    assert_ended(&output, "", "alloc: write: errno 9\n", EX_IOERR);
    let output = run_after(|| {
        nix::unistd::close(2)?;
        Ok(resource::setrlimit(resource::Resource::RLIMIT_DATA, 0, 0)?)
    });
    assert_ended(&output, "", "", EX_OSERR);
    let output = run_after(|| {
        nix::unistd::close(1)?;
        Ok(nix::unistd::close(2)?)
    });
    assert_ended(&output, "", "", EX_IOERR);
}

#[test]
fn runs_without_arguments_and_without_an_environment() {
    let program = std::ffi::CString::new(ALLOC).unwrap();
    let output = run_after(move || {
        let none = [std::ptr::null()];
        // SAFETY: the path and the two empty lists end with a zero.
        unsafe { libc::execve(program.as_ptr(), none.as_ptr(), none.as_ptr()) };
        Err(std::io::Error::last_os_error())
    });
    assert_ended(&output, "HI\n", "", 0);
}

#[test]
fn runs_with_a_huge_environment() {
    let mut command = Command::new(ALLOC);
    for n in 0..15 {
        command.env(format!("HUGE_{n}"), "x".repeat(100_000)).arg("y".repeat(10_001 + n));
    }
    assert_ended(&run(&mut command), "HI\n", "", 0);
}

#[test]
fn does_so_a_thousand_times_eight_at_a_time() {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..125 {
                    assert_ended(&run(&mut Command::new(ALLOC)), "HI\n", "", 0);
                }
            });
        }
    });
}
