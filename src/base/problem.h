/* One sentence about what went wrong, handed up to the caller that decides and logs. */
#ifndef BASE_PROBLEM_H
#define BASE_PROBLEM_H

#include <stdarg.h>

#define PROBLEM_TEXT_MAX 512

struct problem {
    char text[PROBLEM_TEXT_MAX]; /* terminated; empty when nothing is wrong */
};

/* Writes the sentence, cut at PROBLEM_TEXT_MAX. A NULL problem is ignored. */
void problem_set(struct problem *problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
