/* What lwIP wants to know of the compiler. */
#ifndef MPS2_LWIP_CC_H
#define MPS2_LWIP_CC_H

#include <stdint.h>

#define LWIP_NO_UNISTD_H 1
#define LWIP_NO_CTYPE_H  1 /* a table less */
#define LWIP_PLATFORM_DIAG(x)
#define LWIP_PLATFORM_ASSERT(x) lwip_failed()
#define LWIP_RAND()             lwip_random()

_Noreturn void lwip_failed(void);
uint32_t lwip_random(void);

typedef int sys_prot_t;

#endif
