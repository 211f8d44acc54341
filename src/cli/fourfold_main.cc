#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <iostream>

#include "cli/command_line.h"

int main(int argc, char** argv) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("fourfold"));
  return fourfold::RunCommandLine(argc, argv, std::cout, std::cerr);
}
