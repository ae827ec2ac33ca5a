/* `dfs-sim dissector`: what makes Wireshark read the captures of run --pcap. */
#include "sim/commands.h"
#include "sim/pcap.h"

#include <stdio.h>

static int command_dissector(const struct sim_command *command, const char *program, int argc, char **argv)
{
    int first = 0;
    const enum sim_options_end end = sim_options_read(command, argc, argv, NULL, &first);

    (void)program;
    if (end != SIM_OPTIONS_READ)
        return sim_options_code(end);
    if (first < argc)
        return sim_usage_error("dissector takes no argument; see dfs-sim dissector --help");
    sim_dissector_print(stdout);
    return 0;
}

const struct sim_command sim_command_dissector = {
    .name = "dissector",
    .line = "dissector",
    .run = command_dissector,
    .before =
        "dfs-sim dissector > dfs.lua\n"
        "\n"
        "Prints what lets Wireshark and tshark read the messages of `dfs-sim run --pcap FILE`, made from the schema:\n"
        "wireshark -X lua_script:dfs.lua FILE\n",
};
