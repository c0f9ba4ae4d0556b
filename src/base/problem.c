#include "base/problem.h"

#include <stdio.h>

void problem_set(struct problem *problem, const char *format, ...)
{
    if (problem == NULL) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
}
