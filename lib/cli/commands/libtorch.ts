import type { Command } from "commander";
import { installCudaLibTorch, listLibTorches, removeLibTorch, ReviewKdError } from "../../index.js";
import { processOutput } from "../display/output.js";
import { addJson } from "../options/add-value.js";

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;

/** `reviewkd libtorch`: manages CUDA builds of libtorch in the user's cache. */
export function addLibtorchCommand(program: Command): void {
  const libtorch = program.command("libtorch").description(
    "install, list and remove CUDA builds of libtorch in your cache (REVIEWKD_CACHE, default ~/.cache/reviewkd)",
  );

  const install = libtorch.command("install").description(
    "install the CUDA build for the addon using pip, about 3 GB; resumes an interrupted installation",
  )
    .option("--cuda", "install the CUDA build; the CPU build is part of the package");
  addJson(install).action(async (flags: { cuda?: true; json?: true }) => {
    if (flags.cuda !== true)
      throw new ReviewKdError("INVALID_ARGUMENT",
        "missing --cuda: the CPU build of libtorch is part of the package. Pass --cuda.");
    const output = processOutput(flags.json === true);
    const directory = await installCudaLibTorch();
    output.event({ type: "libtorch-installed", directory });
    output.line(`installed: ${directory}\n\`reviewkd doctor\` shows whether it is used`);
  });

  addJson(libtorch.command("list").description("list complete and interrupted installations")).action(
    async (flags: { json?: true }) => {
      const output = processOutput(flags.json === true);
      const installed = await listLibTorches();
      output.event({ type: "libtorch-list", installed });
      if (installed.length === 0)
        output.line("no CUDA build is installed; `reviewkd libtorch install --cuda` installs one");
      for (const { name, version, bytes, directory } of installed)
        output.line(`${name}  ${version ?? "incomplete"}  ${gigabytes(bytes)}  ${directory}`);
    },
  );

  const remove = libtorch.command("remove").description("remove a build by its name in `list`").argument("<name>");
  addJson(remove).action(async (name: string, flags: { json?: true }) => {
    const output = processOutput(flags.json === true);
    const bytes = await removeLibTorch(name);
    output.event({ type: "libtorch-removed", name, bytes });
    output.line(`removed ${name}: ${gigabytes(bytes)}`);
  });
}
