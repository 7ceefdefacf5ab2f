//! Doubly linked lists whose links lie in the memory that is listed. A list is the address of its first node, or null.
//! A *bin* is a list for nodes of similar sizes.

use core::ptr::null_mut;

/// The links of one element.
pub(crate) struct Node {
    pub next: *mut Node,
    pub previous: *mut Node,
}

/// Puts a node first in a list.
/// Safety: the node is writable memory that nothing else uses until it is removed.
pub(crate) unsafe fn push(list: &mut *mut Node, node: *mut Node) {
    // SAFETY: this node can be written to, and so can the one that was first, since it was pushed.
    unsafe {
        node.write(Node { next: *list, previous: null_mut() });
        if let Some(next) = (*list).as_mut() {
            next.previous = node;
        }
    }
    *list = node;
}

/// Takes a node out of a list.
/// Safety: the node is in this list.
pub(crate) unsafe fn remove(list: &mut *mut Node, node: *mut Node) {
    // SAFETY: this node and its neighbours are in the list. So they were pushed, and can be written to.
    unsafe {
        let Node { next, previous } = node.read();
        if let Some(next) = next.as_mut() {
            next.previous = previous;
        }
        match previous.as_mut() {
            Some(previous) => previous.next = next,
            None => *list = next,
        }
    }
}

/// Returns the bin for this size. A bin begins at a power of two, or at one and a half times that, and ends where the
/// next one begins.
pub(crate) fn bin_of(size: usize) -> usize {
    // A size that was overwritten by mistake may be 0.
    let power = size.max(2).ilog2() as usize;
    2 * power + (size >> (power - 1) & 1)
}
