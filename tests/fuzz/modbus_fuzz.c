/*
 * Modbus answers: the first six bytes are the request, the rest came in. What is taken for an
 * answer is one, in full; and the same bytes over a bus end an exchange.
 */
#include "drivers/modbus_rtu.h"
#include "fuzz.h"
#include "port/fake/bus.h"

#define STEP (5 * FAKE_MILLI)

static void check_answer(const struct modbus_request *request, const uint8_t *bytes, size_t size)
{
    const uint8_t *data = NULL;
    enum modbus_result result = modbus_judge(request, bytes, size, &data);
    ENSURE(result != MODBUS_BUSY && result != MODBUS_SILENT && result != MODBUS_BUS_FAILED);
    ENSURE((data != NULL) == (result == MODBUS_OK || result == MODBUS_EXCEPTION));
    if (result == MODBUS_OK) {
        size_t length = 2u * request->count;
        ENSURE(data >= bytes + 3 && data + length + 2 == bytes + size);
        ENSURE(data[-3] == request->slave && data[-2] == request->function && data[-1] == length);
        uint16_t crc = modbus_crc(data - 3, length + 3);
        ENSURE(data[length] == (uint8_t)crc && data[length + 1] == crc >> 8);
    } else if (result == MODBUS_EXCEPTION) {
        ENSURE(data >= bytes + 2 && data + 3 == bytes + size);
    }
}

static void check_exchange(const struct modbus_request *request, const uint8_t *bytes, size_t size)
{
    static const struct hal_line line = { 9600, 8, 1, HAL_PARITY_NONE };
    static struct fake_bus bus;
    static struct modbus_master master;
    fake_bus_init(&bus, line.baud);
    modbus_init(&master, &bus.hal, &line, 0);
    modbus_begin(&master, request, 100 * FAKE_MILLI, bus.now);
    enum modbus_result result = MODBUS_BUSY;
    bool put = false;
    for (int steps = 0; result == MODBUS_BUSY; steps++) {
        ENSURE(steps < 2000);
        if (bus.writes > 0 && !put) {
            fake_bus_put(&bus, bytes, size, 10 * FAKE_MILLI);
            put = true;
        }
        result = modbus_step(&master, bus.now);
        bus.now += STEP;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 6) {
        return 0;
    }
    struct modbus_request request = {
        (uint8_t)(1 + data[0] % MODBUS_SLAVE_MAX), data[1] % 2 == 0 ? MODBUS_HOLDING : MODBUS_INPUT,
        (uint16_t)(data[2] << 8 | data[3]),
        (uint16_t)(1 + (data[4] << 8 | data[5]) % MODBUS_REGISTERS_MAX)
    };
    check_answer(&request, data + 6, size - 6);
    check_exchange(&request, data + 6, size - 6 < 600 ? size - 6 : 600);
    return 0;
}
