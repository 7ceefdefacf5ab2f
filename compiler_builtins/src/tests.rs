//! Each function beside std's, at all lengths up to 300, or at some of them under Miri, which is slow.
extern crate std;

use super::*;

#[test]
fn do_the_same_as_std() {
    let bytes: [u8; 1000] = *include_bytes!("lib.rs").first_chunk().unwrap();
    let at = |bytes: *mut [u8; 1000], at| bytes.wrapping_byte_add(at).cast::<c_void>();
    let some = if cfg!(miri) { 37 } else { 1 };
    for (n, from) in (0..=300).step_by(some).flat_map(|n| (303..319).map(move |from| (n, from))) {
        let (end, mut ours, mut theirs) = (from + n, bytes, bytes);
        // SAFETY: the bytes are in the arrays, and overlap only for `memmove`.
        unsafe {
            theirs[from..end].fill(0xfe);
            assert_eq!(memset(at(&raw mut ours, from), 0x1fe, n), at(&raw mut ours, from));
            assert!(ours == theirs, "{n} bytes at {from}");
            ours[end] = 0;
            assert_eq!(strlen(at(&raw mut ours, from).cast()), n);
            for to in (from - n - 1..=end + 1).step_by(some) {
                (ours, theirs) = (bytes, bytes);
                theirs.copy_within(from..end, to);
                let copy = if to.abs_diff(from) < n { memmove } else { memcpy };
                assert_eq!(copy(at(&raw mut ours, to), at(&raw mut ours, from), n), at(&raw mut ours, to));
                assert!(ours == theirs, "{n} bytes from {from} to {to}");
                // One byte becomes greater than in the original, and the next ones less.
                let different = to + to % (n + 1);
                theirs[different..to + n].fill(0);
                theirs[different] = 0xff;
                let expected = bytes[from..end].cmp(&theirs[to..to + n]) as c_int;
                let (left, right) = (bytes[from..].as_ptr().cast(), theirs[to..].as_ptr().cast());
                assert_eq!([memcmp(left, right, n), bcmp(left, right, n)].map(c_int::signum), [expected; 2]);
                assert_eq!([memcmp(right, left, n).signum(), memcmp(left, left, n)], [-expected, 0]);
            }
        }
    }
}
