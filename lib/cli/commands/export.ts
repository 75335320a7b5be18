import type { Command } from "commander";
import { exportStudent } from "../../index.js";
import { omitUndefined } from "../options/omit-undefined.js";
import { addAction } from "../options/add-value.js";
import { path as pathOf } from "../options/values.js";
import { addForce, addStoredType, type StoredFlags } from "../options/weights-flags.js";

interface ExportFlags extends StoredFlags {
  readonly best?: true;
}

export function addExportCommand(program: Command): void {
  const command = program.command("export")
    .description("write only the trained network of a run, without teacher, review modules and optimizer");
  command.argument("<run>", "run directory", pathOf("run directory"));
  command.argument("[out]",
    "output file: .safetensors, .pt or .pth (default: student-last.safetensors or student-best.safetensors in the run directory)",
    pathOf("output file"));
  command.option("--best", "export the epoch with the best test accuracy (default: the last epoch)");
  addStoredType(command);
  addForce(command);
  addAction(command, async (output, run: string, out: string | undefined, flags: ExportFlags) => {
    const checkpoint = flags.best === true ? "best" : "last";
    const path = await exportStudent(run, out,
      omitUndefined({ checkpoint, dtype: flags.dtype, overwrite: flags.force }));
    output.event({ type: "exported", run, checkpoint, path });
    output.line(`wrote the network of ${run} (${checkpoint}) to ${path}`);
  });
}
