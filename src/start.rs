//! Level 3: from the kernel to `main`, and from its result to the exit status.

/// Makes `$main`, a `fn() -> Result<(), Error>`, the main function of the program. It is used as in a program with std:
/// if it returns `Ok(())`, the program exits with status 0. If it returns an [`Error`](crate::Error), the program
/// reports the error on standard error and exits with the status that belongs to it.
///
/// This defines the functions `_start`, where the kernel starts the program, `start`, which `_start` calls, and
/// `panic`, the panic handler. A program uses the macro once, at its top level.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        extern "C" fn start() -> ! {
            let main: fn() -> Result<(), $crate::Error> = $main;
            match main() {
                Ok(()) => $crate::exit(0),
                Err(error) => $crate::fail(concat!(env!("CARGO_BIN_NAME"), ": "), error),
            }
        }

        $crate::_start!(start);

        // gdb's `start` and `break main` look for this symbol. It takes bytes, so release builds are without it.
        #[cfg(debug_assertions)]
        core::arch::global_asm!(".globl main", ".set main, {main}", main = sym $main);

        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo) -> ! {
            $crate::panic(concat!(env!("CARGO_BIN_NAME"), ": "), info)
        }
    };
}
