import type { Command } from "commander";
import { inspectWeights, type ArchitectureMatch, type DetectorFileInfo, type WeightsInspection } from "../../index.js";
import { formatCount, formatPercent, printable } from "../display/format.js";
import { keysOf } from "../network-name.js";
import { omitUndefined } from "../options/omit-undefined.js";
import { unreadText } from "../display/inspection.js";
import { shortList } from "../display/short-list.js";
import { renderTable } from "../display/table.js";
import { addAction } from "../options/add-value.js";
import { path } from "../options/values.js";
import { addKey } from "../options/weights-flags.js";

const FORMATS: Readonly<Record<WeightsInspection["format"], string>> = {
  safetensors: ".safetensors",
  "pytorch-zip": "PyTorch, zip archive",
  "pytorch-legacy": "PyTorch, stream of pickles (before 1.6)",
  "numpy-pickle": "pickle of NumPy arrays",
};

const NAMES: Readonly<Record<DetectorFileInfo["names"], string>> = {
  torchvision: "torchvision",
  "torchvision-old": "torchvision, before 0.13",
  detectron2: "detectron2",
};

/** Maximum length of a metadata text and of a line of it, and number of names shown per kind of difference. */
const LONGEST_TEXT = 400;
const TEXT_WIDTH = 70;
const NAMES_SHOWN = 5;

export function addInspectCommand(program: Command): void {
  const command = program.command("inspect")
    .description("show the content of a weights file: tensors, metadata and the matching network or detector");
  command.argument("<file>",
    "a .safetensors file, a PyTorch .pt or .pth file, or a .pkl file of detectron2; nothing in it is executed",
    path("file"));
  addKey(command);
  addAction(command, async (output, file: string, flags: { key?: string }) => {
    const inspection = await inspectWeights(file, omitUndefined({ key: flags.key }));
    output.event({ type: "weights", file, ...inspection });
    output.line(tensorTable(inspection));
    output.line(summaryTable(file, inspection));
    if (inspection.fit !== null) { for (const line of differences(inspection.fit.differences)) output.line(line); }
  });
}

function tensorTable({ tensors }: WeightsInspection): string {
  return renderTable(["name", "type", "shape"],
    tensors.map(({ name, dtype, shape }) => [plain(name), dtype, `[${shape.join(", ")}]`]));
}

function summaryTable(file: string,
  { format, metadata, tensors, parameters, selection, detector, fit }: WeightsInspection): string {
  return renderTable([file, ""], [
    ["format", FORMATS[format]],
    ["tensors", formatCount(tensors.length)],
    ["parameters", formatCount(parameters)],
    ...(selection.key === "" ? [] : [["found under", plain(selection.key)]]),
    ...(selection.prefixes.length === 0 ? [] : [["stripped prefixes", selection.prefixes.join(" ")]]),
    ...(selection.leftAside === 0 ? []
      : [["ignored",
        `${formatCount(selection.leftAside)} ${selection.leftAside === 1 ? "tensor" : "tensors"} of other networks or of none`]]),
    ...(selection.leftAsideNames.length === 0 ? []
      : [["left aside", wrapped(shortList(selection.leftAsideNames))]]),
    ...(selection.unread.length === 0 ? [] : [["not read", wrapped(unreadText(selection.unread))]]),
    ["network", fit === null ? "none of `reviewkd models`" : `${fit.name} with ${formatCount(fit.numClasses)} classes`],
    ...(fit === null ? []
      : [["matching entries",
        `${fit.matching} of ${fit.entries} (${formatPercent((100 * fit.matching) / fit.entries)} %)`]]),
    ...(fit === null || fit.otherPrefixes.length === 0 ? []
      : [["several networks", `choose one with --key: ${keysOf(fit).map(plain).join(", ")}`]]),
    ...(fit === null || fit.layout === "" ? [] : [["names in the file", fit.layout]]),
    ...(fit === null || fit.difference === "" ? [] : [["computes otherwise", wrapped(fit.difference)]]),
    ...(detector === null ? []
      : [["names", NAMES[detector.names]], ["flavor", detector.flavor],
        ...(detector.switches?.normEps === undefined ? []
          : [["epsilon of frozen norms", String(detector.switches.normEps)]])]),
    ...Object.entries(metadata).map(([key, value]) => [plain(key), wrapped(plain(value))]),
  ]);
}

/** Makes untrusted text from a file safe to print: removes control characters and limits its length. */
function plain(text: string): string {
  const harmless = printable(text);
  return harmless.length > LONGEST_TEXT ? `${harmless.slice(0, LONGEST_TEXT)}…` : harmless;
}

function wrapped(text: string): string {
  return (text.match(new RegExp(`.{1,${TEXT_WIDTH}}`, "gu")) ?? []).join("\n");
}

function differences({ missing, unexpected, mismatched }: ArchitectureMatch["differences"]): string[] {
  const list = (what: string, names: readonly string[]): string[] => {
    const rest = names.length - NAMES_SHOWN;
    return names.length === 0 ? []
      : [`${what}: ${plain(names.slice(0, NAMES_SHOWN).join(", "))}${rest > 0 ? `, and ${rest} more` : ""}`];
  };
  const shapes = mismatched.map(({ name, expected, got }) =>
    `${name} (network [${expected.join(", ")}], file [${got.join(", ")}])`
  );
  return [...list("only in the network", missing), ...list("only in the file", unexpected),
    ...list("different shapes", shapes)];
}
