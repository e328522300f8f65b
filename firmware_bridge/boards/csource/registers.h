/* Registers of every Armv7-M and Armv8-M core that are used here (Arm DDI 0403E, B3). */
#ifndef ASC_REGISTERS_H
#define ASC_REGISTERS_H

#include <stdint.h>

#define ASC_REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

#define SYSTICK_CONTROL ASC_REGISTER(0xE000E010u)
#define SYSTICK_RELOAD ASC_REGISTER(0xE000E014u)
#define SYSTICK_VALUE ASC_REGISTER(0xE000E018u)
#define SYSTICK_ENABLE 1u
#define SYSTICK_INTERRUPT 2u
#define SYSTICK_PROCESSOR_CLOCK 4u

#define INTERRUPT_ENABLE(number) ASC_REGISTER(0xE000E100u + 4u * ((number) / 32u)) /* NVIC_ISER */
#define INTERRUPT_STATE ASC_REGISTER(0xE000ED04u)                                  /* ICSR */
#define SYSTICK_PENDING (1u << 26)

#define FAULT_STATUS ASC_REGISTER(0xE000ED28u)       /* CFSR */
#define COPROCESSOR_ACCESS ASC_REGISTER(0xE000ED88u) /* CPACR */
#define FPU_FULL_ACCESS (0xFu << 20)

#endif
