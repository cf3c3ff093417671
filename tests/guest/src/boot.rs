//! From the 32-bit state that PVH boot hands over to long mode and Rust: the first 4 GiB mapped to
//! themselves, a stack, no interrupts.

core::arch::global_asm!(
    r#"
    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long pvh_start

    .section .text.entry, "ax"
    .code32
    .globl pvh_start
pvh_start:
    cli
    cld
    // 4 page directories of 512 entries of 2 MiB each.
    movl $directories, %edi
    movl $0x83, %eax
    movl $2048, %ecx
2:  movl %eax, (%edi)
    movl $0, 4(%edi)
    addl $0x200000, %eax
    addl $8, %edi
    decl %ecx
    jnz 2b
    movl $directories + 3, %eax
    movl $pointers, %edi
    movl $4, %ecx
3:  movl %eax, (%edi)
    addl $4096, %eax
    addl $8, %edi
    decl %ecx
    jnz 3b
    movl $pointers + 3, %eax
    movl %eax, top

    movl $top, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x20, %eax          // PAE
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax         // EFER.LME
    wrmsr
    movl %cr0, %eax
    orl $0x80000001, %eax    // paging
    movl %eax, %cr0
    lgdt descriptors_pointer
    ljmp $8, $long_mode

    .code64
long_mode:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    leaq stack_end(%rip), %rsp
    call guest_main
4:  hlt
    jmp 4b

    .section .rodata
    .balign 8
descriptors:
    .quad 0
    .quad 0x00af9a000000ffff // code, 64-bit
    .quad 0x00cf92000000ffff // data
descriptors_pointer:
    .word 23
    .long descriptors

    .section .bss
    .balign 4096
top: .skip 4096
pointers: .skip 4096
directories: .skip 16384
    .skip 262144
    .balign 16
stack_end:
    "#,
    options(att_syntax)
);
