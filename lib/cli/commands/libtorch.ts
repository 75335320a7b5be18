import type { Command } from "commander";
import { installCudaLibTorch, listLibTorches, removeLibTorch, ReviewKdError } from "../../index.js";
import { addAction } from "../options/add-value.js";

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;

export function addLibtorchCommand(program: Command): void {
  const libtorch = program.command("libtorch")
    .description(
      "install, list and remove CUDA builds of libtorch in your cache (REVIEWKD_CACHE, default ~/.cache/reviewkd)",
    );

  const install = libtorch.command("install")
    .description("install the CUDA build for the addon using pip, about 3 GB; resumes an interrupted installation")
    .option("--cuda", "install the CUDA build; the CPU build is part of the package");
  addAction(install, async (output, flags: { cuda?: true }) => {
    if (flags.cuda !== true)
      throw new ReviewKdError("INVALID_ARGUMENT",
        "missing --cuda: the CPU build of libtorch is part of the package. Pass --cuda.");
    const directory = await installCudaLibTorch();
    output.event({ type: "libtorch-installed", directory });
    output.line(`installed: ${directory}\n\`reviewkd doctor\` shows whether it is used`);
  });

  addAction(libtorch.command("list").description("list complete and interrupted installations"), async (output) => {
    const installed = await listLibTorches();
    output.event({ type: "libtorch-list", installed });
    if (installed.length === 0)
      output.line("no CUDA build is installed; `reviewkd libtorch install --cuda` installs one");
    for (const { name, version, bytes, directory } of installed)
      output.line(`${name}  ${version ?? "incomplete"}  ${gigabytes(bytes)}  ${directory}`);
  });

  const remove = libtorch.command("remove").description("remove a build by its name in `list`").argument("<name>");
  addAction(remove, async (output, name: string) => {
    const bytes = await removeLibTorch(name);
    output.event({ type: "libtorch-removed", name, bytes });
    output.line(`removed ${name}: ${gigabytes(bytes)}`);
  });
}
