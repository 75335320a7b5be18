import type { Command } from "commander";
import { convertWeights, inspectWeights } from "../../index.js";
import { conversionNotices } from "../display/inspection.js";
import { formatCount } from "../display/format.js";
import { omitUndefined } from "../options/omit-undefined.js";
import { addAction } from "../options/add-value.js";
import { path } from "../options/values.js";
import { addForce, addKey, addStoredType, type StoredFlags } from "../options/weights-flags.js";

interface ConvertFlags extends StoredFlags {
  readonly key?: string;
}

export function addConvertCommand(program: Command): void {
  const command = program.command("convert")
    .description("convert a weights file to another format, including its metadata");
  command.argument("<in>",
    "a .safetensors file, a PyTorch .pt or .pth file, or a .pkl file of detectron2; nothing in it is executed",
    path("input file"));
  command.argument("<out>", "output file; its extension selects the format: .safetensors, .pt or .pth",
    path("output file"));
  addKey(command);
  addStoredType(command);
  addForce(command);
  addAction(command, async (output, from: string, to: string, flags: ConvertFlags) => {
    const inspection = await inspectWeights(from, omitUndefined({ key: flags.key }));
    const tensors = await convertWeights(from, to,
      omitUndefined({ key: flags.key, dtype: flags.dtype, overwrite: flags.force }));
    const { fit, selection } = inspection;
    output.event({ type: "converted", from, to, tensors, selection, fit });
    output.line(`wrote ${formatCount(tensors)} tensors of ${from} to ${to}`);
    for (const line of conversionNotices(inspection)) output.notice(line);
  });
}
