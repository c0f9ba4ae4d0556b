#include "board.h"

void fake_board_pass(struct fake_board *board, int64_t duration_ns)
{
    board->hungry_ns += duration_ns;
    if (!board->down && board->watchdog_ns > 0 && board->hungry_ns > board->watchdog_ns) {
        board->down = true;
        board->next_why = HAL_RESET_WATCHDOG;
        board->bites++;
    }
}

void fake_board_start(struct fake_board *board)
{
    board->why = board->down ? board->next_why : HAL_RESET_POWER;
    board->down = false;
    board->hungry_ns = 0;
}

static enum hal_reset why(void *context)
{
    const struct fake_board *board = context;
    return board->why;
}

static void feed(void *context)
{
    struct fake_board *board = context;
    board->feeds++;
    board->hungry_ns = 0;
}

static void reset(void *context)
{
    struct fake_board *board = context;
    board->resets++;
    board->down = true;
    board->next_why = HAL_RESET_COMMAND;
}

struct hal_board fake_board_hal(struct fake_board *board)
{
    return (struct hal_board){ board, why, feed, reset };
}
