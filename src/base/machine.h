/* Machine: what the system says of the processor and of memory in use. */
#ifndef AKIN_BASE_MACHINE_H
#define AKIN_BASE_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* The processor as it calls itself; "" where the system does not say. */
void akin__processor_name(char *name, size_t capacity);

/*
 * The most memory this process had resident since the last akin__peak_forget,
 * which answers 0, or since its start; 0 where the system does not say.
 */
uint64_t akin__peak_memory(void);
int akin__peak_forget(void);

#endif
