import type { Command } from "commander";
import { convertWeights } from "../../index.js";
import { formatCount } from "../display/format.js";
import { omitUndefined } from "../options/omit-undefined.js";
import { processOutput } from "../display/output.js";
import { addJson } from "../options/add-value.js";
import { addForce, addKey, addStoredType, type StoredFlags } from "../options/weights-flags.js";

interface ConvertFlags extends StoredFlags {
  readonly key?: string;
  readonly json?: true;
}

/** `reviewkd convert`: weights of any format in, one of ours out. */
export function addConvertCommand(program: Command): void {
  const command = program.command("convert").description("write the weights of a file in another format, with the text that it carries");
  command.argument("<in>", ".safetensors, or .pt or .pth of PyTorch; nothing in it is executed");
  command.argument("<out>", "a name that ends in .safetensors, .pt or .pth");
  addKey(command);
  addStoredType(command);
  addForce(command);
  addJson(command).action(async (from: string, to: string, flags: ConvertFlags) => {
    const output = processOutput(flags.json === true);
    const tensors = await convertWeights(from, to, omitUndefined({ key: flags.key, dtype: flags.dtype, overwrite: flags.force }));
    output.event({ type: "converted", from, to, tensors });
    output.line(`${formatCount(tensors)} tensors of ${from} are in ${to}`);
  });
}
