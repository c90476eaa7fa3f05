// The program is libtailor.so; this is its door.
#include "tailor/cli/commands.h"

int main(int argc, char** argv) { return tailor::cli::run_cli(argc, argv); }
