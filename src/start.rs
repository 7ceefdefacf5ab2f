//! Level 3: from the kernel to `main`.

/// Makes `$main`, an `extern "C" fn() -> !`, the main function of the program. Defines `_start`, where the kernel
/// starts the program, and the panic handler. A program uses this macro once, at its top level.
///
/// `$main` doesn't return, since there is nothing to return to. It ends with [`exit`](crate::exit) or
/// [`fail!`](crate::fail!).
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        // Checks the type, since the assembly takes any function.
        const _: extern "C" fn() -> ! = $main;

        $crate::_start!($main);

        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo) -> ! {
            $crate::panic(concat!(env!("CARGO_BIN_NAME"), ": "), info)
        }
    };
}
