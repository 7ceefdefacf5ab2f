//! Doubly linked lists whose links lie in the memory that is listed. A list is the address of its first node, or null.

use core::ptr::null_mut;

/// The links of one element.
pub(crate) struct Node {
    pub next: *mut Node,
    previous: *mut Node,
}

impl Node {
    pub const NEW: Node = Node { next: null_mut(), previous: null_mut() };
}

/// Puts a node first in a list.
///
/// # Safety
///
/// The node is writable memory that nothing else uses until it is removed.
#[inline]
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
///
/// # Safety
///
/// The node is in this list.
#[inline]
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
