# The article's program in assembly: find the program break, move it up by four bytes, store, print, exit. It does
# nothing more: no result of a system call is checked, and nothing is freed. By the text after each colon, asm.py finds
# the lines of the Rust program that do the same.

        .globl _start
_start:
# find the program break: current_break()
        mov     $12, %rax
        mov     $0, %rdi
        syscall
# move it up by 4 bytes: heap_end
        mov     %rax, %rsi
        mov     %rax, %rdi
        add     $4, %rdi
        mov     $12, %rax
        syscall
# store something: *heap =
        movb    $'H', (%rsi)
        movb    $'I', 1(%rsi)
        movb    $'\n', 2(%rsi)
# print it from there: write_all(
        mov     $1, %rax
        mov     $1, %rdi
        mov     $3, %rdx
        syscall
# exit: exit(0)
        mov     $60, %rax
        mov     $0, %rdi
        syscall
