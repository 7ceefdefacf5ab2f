//! Level 3: from the kernel to `main`, and from its result to the exit status.

/// Makes `$main`, a `fn() -> Result<(), Error>`, the main function of the program. It is used as in a program with std:
/// if it returns `Ok(())`, the program exits with status 0. If it returns an [`Error`](crate::Error), the program
/// reports that on standard error and exits with status 71 (`Brk`) or 74 (`Write`). After a panic, the status is 70.
///
/// This defines `_start`, where the kernel starts the program, and the panic handler, but no name in the module where
/// it is used. A program uses the macro once. For another exit status, call [`exit`](crate::exit).
///
/// In a debug build, gdb's `start` and `break main` stop in `$main`. If it isn't in the module where the macro is used,
/// this takes `codegen-units = 1` in the profile.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[cfg(test)]
        ::core::compile_error!("a test needs std, which this program has not: leave out --bins and --all-targets");

        #[cfg(not(test))]
        const _: () = {
            extern "C" fn start() -> ! {
                let main: fn() -> ::core::result::Result<(), $crate::Error> = $main;
                match main() {
                    ::core::result::Result::Ok(()) => $crate::exit(0),
                    ::core::result::Result::Err(error) => {
                        $crate::fail(::core::concat!(::core::env!("CARGO_BIN_NAME"), ": "), error)
                    }
                }
            }

            $crate::_start!(start);

            #[panic_handler]
            fn panic(info: &::core::panic::PanicInfo) -> ! {
                $crate::panic(::core::concat!(::core::env!("CARGO_BIN_NAME"), ": "), info)
            }
        };

        // gdb looks for this symbol, which is left out if `$main` is in another codegen unit. It takes bytes, so
        // release builds are without it.
        #[cfg(debug_assertions)]
        ::core::arch::global_asm!(".set main, {}", sym $main);
    };
}
