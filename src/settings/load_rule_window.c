/* Windows that rules ask for and no station has: such a rule would be silent for ever. */
#include <string.h>

#include "settings/load.h"

#define HOUR_NS (INT64_C(3600) * 1000000000)

enum absence {
    THERE,
    RARE,     /* the station reports less often */
    BY_NIGHT, /* a trap's species */
    ONE_COUNT,
    OF_TRAP /* its lamp and the like */
};

static bool counts(const struct station_trap *trap, const struct phusa_parameter *parameter)
{
    for (size_t i = 0; trap->given && i < trap->species_count; i++) {
        if (trap->species[i] == parameter) {
            return true;
        }
    }
    return false;
}

static bool tells_of_trap(const struct station_trap *trap, const struct phusa_parameter *parameter)
{
    return trap->given &&
           (parameter == trap->lamp || parameter == trap->gate || parameter == trap->lamp_minutes ||
            parameter == trap->gate_minutes || parameter == trap->service);
}

/* A night of a trap is its count and that of its reports. */
static enum absence look_for_night(const struct rule_window *window)
{
    bool one = window->statistic == RULE_SUM || window->statistic == RULE_COUNT;
    return window->length != RULE_NIGHT ? BY_NIGHT : one ? THERE : ONE_COUNT;
}

static enum absence look_for(const struct rule *rule, const struct station *station)
{
    static const int64_t lengths_ns[] = {
        [RULE_1H] = HOUR_NS,       [RULE_8H] = 8 * HOUR_NS,     [RULE_24H] = 24 * HOUR_NS,
        [RULE_DAY] = 24 * HOUR_NS, [RULE_NIGHT] = 24 * HOUR_NS, [RULE_YEAR] = 24 * HOUR_NS
    };
    if (counts(&station->trap, rule->parameter)) {
        return look_for_night(&rule->window);
    }
    if (tells_of_trap(&station->trap, rule->parameter)) {
        return OF_TRAP;
    }
    return station->every_ns > lengths_ns[rule->window.length] ? RARE : THERE;
}

/* THERE if one of the stations that the rule concerns has its windows, or it concerns none. */
static enum absence look(const struct registry *registry, const struct rule *rule)
{
    enum absence found = THERE;
    for (size_t i = 0; i < registry->count; i++) {
        const struct station *station = &registry->stations[i];
        if (rule_concerns(rule, station)) {
            found = look_for(rule, station);
            if (found == THERE) {
                break;
            }
        }
    }
    return found;
}

static bool is_index(const struct phusa_parameter *parameter)
{
    return phusa_text_equal(parameter->name, phusa_text_of("vn_aqi")) ||
           phusa_text_equal(parameter->name, phusa_text_of("vn_aqi_day"));
}

void load_check_windows(struct loader *loader, const struct config_node *node,
                        const struct config_node *window, const struct rule *rule)
{
    const char *length = load_length_name(rule->window.length), *name = rule->parameter->name.data;
    if (is_index(rule->parameter)) {
        config_complain_at(node, "window",
                           "%s is an index and has no windows; leave \"window\" out", name);
        return;
    }
    if (rule->kind == NULL || !loader->registry_whole) {
        return;
    }
    switch (look(&loader->settings->registry, rule)) {
    case THERE:
        break;
    case RARE:
        config_complain_at(window, "length",
                           "\"length\" is \"%s\", but the stations of this rule report less often; "
                           "write a longer one, or leave \"window\" out",
                           length);
        break;
    case BY_NIGHT:
        config_complain_at(window, "length",
                           "\"length\" is \"%s\", but traps count %s by the night; write "
                           "\"night\"",
                           length, name);
        break;
    case ONE_COUNT:
        config_complain_at(window, "statistic",
                           "a trap's night has one count of %s, no mean, min or max; write \"sum\"",
                           name);
        break;
    case OF_TRAP:
        config_complain_at(node, "window",
                           "%s says how a trap fares and has no windows; leave \"window\" out",
                           name);
        break;
    }
}
