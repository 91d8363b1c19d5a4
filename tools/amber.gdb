# gdb for Amber: attach to the machine that `make gdb` has started, stopped before its first instruction.
set confirm off
set pagination off
set disassemble-next-line auto
target remote localhost:1234

define program
    add-symbol-file $arg0
end
document program
program FILE: add the symbols of a program that runs in the guest, e.g. program build/i386/user/user/bin/pi
Breakpoints in it then stop whichever process runs that code.
end

define processes
    set $link = proc_table.next
    while $link != &proc_table
        set $p = (struct proc *)((char *)$link - (long)&((struct proc *)0)->table_link)
        printf "%5d %-16s thread state %d on CPU %d\n", $p->pid, $p->name, $p->thread.state, $p->thread.cpu
        set $link = $link->next
    end
end
document processes
processes: list the processes (thread states: 1 ready, 2 running, 3 sleeping, 4 dead).
end

echo The machine is stopped before its first instruction. Its console: telnet localhost 4321\n
echo Try: break upcall_boot, continue, backtrace; processes; program build/i386/user/user/bin/sh\n
