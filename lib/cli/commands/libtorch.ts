import type { Command } from "commander";
import { installCudaLibTorch, listLibTorches, removeLibTorch, ReviewKdError } from "../../index.js";
import { processOutput } from "../display/output.js";
import { addJson } from "../options/add-value.js";

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;

/** `reviewkd libtorch`: CUDA builds of libtorch in this user's cache. */
export function addLibtorchCommand(program: Command): void {
  const libtorch = program.command("libtorch").description("install, list and remove CUDA builds of libtorch in your cache (REVIEWKD_CACHE, else ~/.cache/reviewkd)");

  const install = libtorch.command("install").description("install the CUDA build that the addon works with, through pip: some 3 GB; goes on where it was interrupted")
    .option("--cuda", "the CUDA build; the CPU's comes with the package");
  addJson(install).action(async (flags: { cuda?: true; json?: true }) => {
    if (flags.cuda !== true) throw new ReviewKdError("INVALID_ARGUMENT", "expected --cuda for libtorch install, got nothing: the CPU's libtorch comes with the package");
    const output = processOutput(flags.json === true);
    const directory = await installCudaLibTorch();
    output.event({ type: "libtorch-installed", directory });
    output.line(`installed: ${directory}\n\`reviewkd doctor\` tells whether it is used`);
  });

  addJson(libtorch.command("list").description("list what is installed, and what was interrupted")).action(async (flags: { json?: true }) => {
    const output = processOutput(flags.json === true);
    const installed = await listLibTorches();
    output.event({ type: "libtorch-list", installed });
    if (installed.length === 0) output.line("nothing is installed; `reviewkd libtorch install --cuda` installs a CUDA build");
    for (const { name, version, bytes, directory } of installed) output.line(`${name}  ${version ?? "not finished"}  ${gigabytes(bytes)}  ${directory}`);
  });

  const remove = libtorch.command("remove").description("remove a build, by the name that `list` gives").argument("<name>");
  addJson(remove).action(async (name: string, flags: { json?: true }) => {
    const output = processOutput(flags.json === true);
    const bytes = await removeLibTorch(name);
    output.event({ type: "libtorch-removed", name, bytes });
    output.line(`removed ${name}: ${gigabytes(bytes)}`);
  });
}
