//! Copies, compares and clears memory, writes lines, and converts a floating-point number, by a function that
//! `compiler_builtins` has. It has data that is aligned to more than a page.
#![no_std]
#![no_main]

// No name here gets in the way of the macro's.
mod core {}
struct Ok;
type Result<T> = ::core::result::Result<T, program_break::Error>;
fn start() -> Result<Ok> {
    ::core::result::Result::Ok(Ok)
}

program_break::entry!(app::main);

mod app {
    use core::hint::black_box;
    use core::num::NonZeroU16;
    use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
    use program_break::stdio::{LineWriter, STDERR, STDOUT};
    use program_break::{Error, exit};
    use syscalls::{Sysno, syscall};

    #[repr(align(8192))]
    struct Pages(AtomicU8);

    static SEVEN: Pages = Pages(AtomicU8::new(7));

    pub fn main() -> Result<(), Error> {
        super::start()?;
        let one = black_box([black_box(&SEVEN).0.fetch_add(1, Relaxed); 5_000]);
        let mut two = black_box(one);
        assert!(one == two);
        two.fill(0);
        assert!(one != black_box(two));

        let mut out = LineWriter::new(STDOUT);
        writeln!(out, "short\n{:>1124}", "longer than the buffer")?;
        write!(out, "part")?;
        // The other writer is dropped before its line ends.
        let errors: [&dyn core::error::Error; 2] = [&Error::Brk, &Error::Write(NonZeroU16::MIN)];
        let _ = write!(LineWriter::new(STDERR), "{}; {}; ", errors[0], errors[1]);
        out.flush()?;
        let mut bytes = [0_u8; 100];
        // SAFETY: the kernel writes into the array, and no further than its length.
        let Ok(length) = (unsafe { syscall!(Sysno::read, 0, bytes.as_mut_ptr(), bytes.len()) }) else { exit(74) };
        assert!(length == 0);
        exit(black_box(42.0_f64) as u128 as i32)
    }
}
