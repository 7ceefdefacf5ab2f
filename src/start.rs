//! From the kernel to `main`, and from a failure to the exit status.

use crate::error::{EX_IOERR, EX_OSERR, EX_SOFTWARE, Error};
use crate::stdio::{STDERR, write_all};
use core::arch::asm;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use syscalls::Sysno;

/// Makes `$main`, an `extern "C" fn() -> !`, the program: defines `_start`, where the kernel starts it, and what
/// happens on a panic. Used once in a program, at its top level.
///
/// `$main` doesn't return, since there is nothing to return to: it ends with [`exit`](crate::start::exit).
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        // The assembly below takes any function.
        const _: extern "C" fn() -> ! = $main;

        // Naked: the compiler adds no instruction to these, so the stack at the `call` is as they leave it.
        // The kernel starts a program with rsp a multiple of 16 (System V ABI, AMD64 supplement, 3.4.1), and a function
        // expects it so before the call that pushes its return address (3.2.2). Two pushes and the call keep to that.
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        extern "C" fn _start() -> ! {
            core::arch::naked_asm!(
                "xor ebp, ebp", // no frame before this one: where a walk along the frame pointers ends (3.4.1)
                "push rbp",     // keeps rsp a multiple of 16, together with the next one
                "push rbp",     // 0 in place of a return address: where a debugger's backtrace ends
                "call {main}",
                main = sym $main,
            )
        }

        // Tools that check all targets (clippy) see this one as a test too, and a test has std's.
        #[cfg(not(test))]
        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo) -> ! {
            $crate::start::panic($crate::name!(), info)
        }
    };
}

/// The program's name as cargo knows it, and a colon: how each of its messages begins.
#[doc(hidden)]
#[macro_export]
macro_rules! name {
    () => {
        concat!(env!("CARGO_BIN_NAME"), ": ")
    };
}

/// Tells an [`Error`] on standard error, in a line that begins with the program's name, and gives the exit
/// status that belongs to it.
#[macro_export]
macro_rules! report {
    ($error:expr) => {
        $crate::start::report($crate::name!(), $error)
    };
}

/// Ends the program ([`exit(2)`]; of several threads, the one that calls it). `status` is what its parent sees: 0 for success, or one of the `EX_` constants.
///
/// [`exit(2)`]: https://man7.org/linux/man-pages/man2/exit.2.html
#[cfg_attr(not(debug_assertions), inline(always))]
pub fn exit(status: i32) -> ! {
    // SAFETY: `exit` takes the status in edi and doesn't return.
    unsafe {
        asm!(
            "mov eax, {exit}",
            "syscall",
            exit = const Sysno::exit as u32,
            in("edi") status,
            options(noreturn, nostack),
        )
    }
}

/// What [`report!`](crate::report) does, for the program called `name`.
#[doc(hidden)]
#[cold]
#[inline(never)]
pub fn report(name: &str, error: Error) -> i32 {
    complain(name.as_bytes());
    match error {
        Error::Brk => {
            complain(b"brk: refused\n");
            EX_OSERR
        }
        Error::Write(errno) => {
            let errno = errno.into_raw() as u32;
            complain(if errno == 0 { b"write: 0 bytes".as_slice() } else { b"write: errno ".as_slice() });
            complain_number(errno);
            EX_IOERR
        }
    }
}

/// Writes to standard error. If that fails too, there is nobody left to tell: the exit status does.
#[inline(never)]
fn complain(text: &[u8]) {
    let _ = write_all(STDERR, text);
}

/// Writes `number` (at most 4095, the kernel's greatest error number) and a newline; of 0, the newline alone. By hand,
/// since `core::fmt` is larger than all of `alloc`.
fn complain_number(mut number: u32) {
    let mut text = *b"\0\0\0\0\n";
    let mut first = 4;
    while first > 0 && number > 0 {
        first -= 1;
        text[first] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    complain(&text[first..]);
}

/// What the panic handler does: tells the panic on standard error and exits with [`EX_SOFTWARE`].
#[doc(hidden)]
pub fn panic(name: &str, info: &PanicInfo) -> ! {
    #[cfg(feature = "malloc")]
    if let Some(bytes) = out_of_memory(info) {
        let _ = writeln!(Complaint, "{name}out of memory: {bytes} bytes asked");
        exit_group(EX_OSERR)
    }
    // `Complaint` never fails.
    let _ = writeln!(Complaint, "{name}{info}");
    exit_group(EX_SOFTWARE)
}

/// Ends the program, in whichever thread the panic is: `exit` ends a single one.
fn exit_group(status: i32) -> ! {
    // SAFETY: it doesn't return.
    unsafe {
        asm!("syscall", in("eax") Sysno::exit_group as u32, in("edi") status, options(noreturn, nostack));
    }
}

/// How many bytes couldn't be had, if that is why there is a panic. Stable Rust has no other way to know: without std,
/// [`handle_alloc_error`] is a panic, with this message since Rust 1.68. (A test watches it.)
///
/// [`handle_alloc_error`]: https://doc.rust-lang.org/alloc/alloc/fn.handle_alloc_error.html
#[cfg(feature = "malloc")]
fn out_of_memory(info: &PanicInfo) -> Option<usize> {
    /// The start of the message.
    struct Start([u8; 64], usize);
    impl Write for Start {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for (to, &from) in self.0[self.1..].iter_mut().zip(text.as_bytes()) {
                *to = from;
                self.1 += 1;
            }
            Ok(())
        }
    }
    let mut start = Start([0; 64], 0);
    let _ = write!(start, "{}", info.message());
    let message = str::from_utf8(&start.0[..start.1]).ok()?;
    message.strip_prefix("memory allocation of ")?.strip_suffix(" bytes failed")?.parse().ok()
}

/// Formatted text for standard error. Without a buffer, since to fill and to copy one is `memset` and `memcpy`, and a
/// program without `mem` that panics may have neither.
struct Complaint;

impl Write for Complaint {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        complain(text.as_bytes());
        Ok(())
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        // Element by element: [0; 4] is a call of `memset` when it isn't optimised.
        self.write_str(character.encode_utf8(&mut [0, 0, 0, 0]))
    }
}
