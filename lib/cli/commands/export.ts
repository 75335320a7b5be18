import type { Command } from "commander";
import { exportStudent, ReviewKdError } from "../../index.js";
import { exportOnnx, type OnnxFlags } from "../export-onnx.js";
import type { Output } from "../display/output.js";
import { omitUndefined } from "../options/omit-undefined.js";
import { addAction, addValue } from "../options/add-value.js";
import { count, DATA_SPECS, dataSpec, imageSize, oneOf, path as pathOf, positiveCount,
  text } from "../options/values.js";
import { addForce, addStoredType, type StoredFlags } from "../options/weights-flags.js";

type ExportFlags = StoredFlags & Omit<OnnxFlags, "dtype">;

/** Flags that have a meaning for ONNX alone, by the option that each is. */
const ONNX_ONLY = { imageSize: "--image-size", opset: "--opset", quantize: "--quantize", data: "--data",
  calibrationImages: "--calibration-images", classNames: "--class-names" } as const;

export function addExportCommand(program: Command): void {
  const command = program.command("export").description(
    "write only the trained network of a run: weights, an ONNX file, or a directory for transformers.js",
  );
  command.argument("<run>", "run directory; for ONNX also a weights file", pathOf("run directory"));
  command.argument("[out]",
    "output: .safetensors, .pt or .pth, .onnx, or with --to a directory (default: student-last.safetensors or student-best.safetensors in the run directory)",
    pathOf("output file"));
  command.option("--best", "export the epoch with the best test accuracy (default: the last epoch)");
  addStoredType(command);
  addForce(command);
  command.optionsGroup("ONNX:");
  addValue(command, "--to <target>", "transformers.js: a directory that it loads (default: RUN/transformers)",
    oneOf(["transformers.js"]));
  addValue(command, "--image-size <n>",
    "height and width of the input, HEIGHTxWIDTH or one number (default: as in the training; detectors: their short side by 4/3 of it)",
    imageSize);
  command.option("--no-normalization", "leave the normalization of the input to the file's user");
  addValue(command, "--class-names <file|list>",
    "a file with one name a line, or names separated by commas (default: those of the training)", text);
  addValue(command, "--opset <n>", "version of ONNX's operators, 17 to 22 (default: 17)", count);
  addValue(command, "--quantize <type>", "int8: 8-bit weights and activations; prints what it costs in accuracy",
    oneOf(["int8"]));
  addValue(command, "--calibration-images <n>", "training images that its ranges are measured on (default: 512)",
    positiveCount);
  addValue(command, "--data <kind:dir>", `images for --quantize: ${DATA_SPECS} (default: those of the run)`, dataSpec);
  command.optionsGroup("Output:");
  addAction(command, async (output, run: string, out: string | undefined, flags: ExportFlags) => {
    const isOnnx = flags.to !== undefined || out?.toLowerCase().endsWith(".onnx") === true;
    await (isOnnx ? exportOnnx(output, run, out, flags) : exportWeights(output, run, out, flags));
  });
}

async function exportWeights(output: Output, run: string, out: string | undefined, flags: ExportFlags): Promise<void> {
  const [wrong] = Object.entries(ONNX_ONLY).filter(([name]) => flags[name as keyof typeof ONNX_ONLY] !== undefined);
  if (wrong !== undefined || flags.normalization === false) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid ${wrong?.[1] ?? "--no-normalization"}: expected it with ONNX alone. Name an output that ends with .onnx, or pass --to transformers.js.`);
  }
  const checkpoint = flags.best === true ? "best" : "last";
  const path = await exportStudent(run, out, omitUndefined({ checkpoint, dtype: flags.dtype, overwrite: flags.force }));
  output.event({ type: "exported", run, checkpoint, path });
  output.line(`wrote the network of ${run} (${checkpoint}) to ${path}`);
}
