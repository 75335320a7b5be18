import type { Command } from "commander";
import { exportStudent } from "../../index.js";
import { omitUndefined } from "../options/omit-undefined.js";
import { processOutput } from "../display/output.js";
import { addJson } from "../options/add-value.js";
import { addForce, addStoredType, type StoredFlags } from "../options/weights-flags.js";

interface ExportFlags extends StoredFlags {
  readonly best?: true;
  readonly json?: true;
}

/** `reviewkd export`: the student alone from a run directory. */
export function addExportCommand(program: Command): void {
  const command = program.command("export").description("write the trained network of a run alone, without teacher, review modules and optimizer");
  command.argument("<run>", "a run directory");
  command.argument("[out]", "a name that ends in .safetensors, .pt or .pth (default: student-last.safetensors or student-best.safetensors in the run)");
  command.option("--best", "of the epoch with the best test accuracy (default: of the last)");
  addStoredType(command);
  addForce(command);
  addJson(command).action(async (run: string, out: string | undefined, flags: ExportFlags) => {
    const output = processOutput(flags.json === true);
    const checkpoint = flags.best === true ? "best" : "last";
    const path = await exportStudent(run, out, omitUndefined({ checkpoint, dtype: flags.dtype, overwrite: flags.force }));
    output.event({ type: "exported", run, checkpoint, path });
    output.line(`the network of ${run} (${checkpoint}) is in ${path}`);
  });
}
