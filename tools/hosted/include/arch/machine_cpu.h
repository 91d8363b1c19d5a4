// The CPU as it is on the host: functions of the simulated machine.
#pragma once

#include <base/types.h>

struct thread;

unsigned cpu_index(void);
struct thread *cpu_thread(void);
void cpu_set_thread(struct thread *t);
void cpu_irq_on(void);
void cpu_irq_off(void);
bool cpu_irq_is_on(void);
void cpu_relax(void);
