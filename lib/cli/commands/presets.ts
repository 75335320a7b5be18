import type { Command } from "commander";
import { findPreset, listPresets, type Preset, type PresetMark } from "../../index.js";
import { wrapWords } from "../display/format.js";
import { renderTable } from "../display/table.js";
import { addAction } from "../options/add-value.js";

/** Signs for values that are less certain than the rest, with their meaning. */
const MARKS: Readonly<Record<PresetMark["origin"], { readonly sign: string; readonly text: string }>> = {
  memory: { sign: "*", text: "quoted from memory" },
  "re-run": { sign: "†", text: "from an independent re-run" },
  ours: { sign: "‡", text: "not published; chosen for this package" },
  quirk: { sign: "§", text: "a quirk of the published code, kept" },
};

/** Columns of text of a preset in full. */
const WIDTH = 100;

export function addPresetsCommand(program: Command): void {
  const command = program.command("presets")
    .description("list the presets with their published accuracies, or show one in full");
  command.argument("[name]", "preset to show in full");
  addAction(command, (output, name: string | undefined) => {
    if (name === undefined) {
      output.event({ type: "presets", presets: listPresets() });
      output.line(listText(listPresets()));
    } else {
      const preset = findPreset(name);
      output.event({ type: "preset", preset });
      output.line(wholeText(preset));
    }
  });
}

interface Column {
  readonly head: string;
  readonly value: (preset: Preset) => string;
}

const marked = (preset: Preset, field: string, value: unknown): string => `${String(value)}${signOf(preset, field)}`;

const figure = (head: string, key: "teacher" | "student" | "review" | "rerun"): Column => ({
  head,
  value: (preset) => {
    const percent = preset.published?.[key];
    return percent === undefined ? "" : marked(preset, `published.${key}`, percent.toFixed(2));
  },
});

const training = (head: string, key: "epochs" | "maxSteps" | "batchSize"): Column => ({
  head,
  value: (preset) => marked(preset, `training.${key}`, preset.training[key] ?? ""),
});

const WEIGHT: Column = {
  head: "weight",
  // If a preset is for any pair, its weight is only the default; a sum has one weight per term.
  value: (preset) =>
    preset.published === undefined || !("weight" in preset.method) ? ""
      : marked(preset, "method.weight", preset.method.weight),
};

const RATE: Column = {
  head: "rate",
  value: (preset) => marked(preset, "training.optimizer.learningRate", preset.training.optimizer.learningRate),
};

const OF_CLASSIFIERS: readonly Column[] = [
  { head: "preset", value: ({ name }) => name },
  WEIGHT,
  training("epochs", "epochs"),
  training("batch", "batchSize"),
  RATE,
  figure("teacher %", "teacher"),
  figure("student %", "student"),
  figure("review %", "review"),
  figure("re-run %", "rerun"),
];

const OF_DETECTORS: readonly Column[] = [
  { head: "preset", value: (preset) => (hasQuirks(preset) ? `${preset.name} ${MARKS.quirk.sign}` : preset.name) },
  WEIGHT,
  training("steps", "maxSteps"),
  training("batch", "batchSize"),
  RATE,
  { head: "metric", value: ({ published }) => published?.metric ?? "" },
  figure("teacher", "teacher"),
  figure("student", "student"),
  figure("review", "review"),
];

function listText(presets: readonly Preset[]): string {
  const ofDetectors = presets.filter(({ dataset }) => dataset === "coco");
  return [
    tableOf(OF_CLASSIFIERS, presets.filter((preset) => !ofDetectors.includes(preset))),
    "top-1 of teacher and student alone, and of the student with this teacher; values without a sign are as published",
    "",
    tableOf(OF_DETECTORS, ofDetectors),
    "average precision of boxes or masks on val2017 in percent, likewise",
    ...legend(presets),
    "`reviewkd presets NAME` shows one in full, `reviewkd distill --preset NAME` runs it",
  ].join("\n");
}

function tableOf(columns: readonly Column[], presets: readonly Preset[]): string {
  const heads = columns.map(({ head }) => head);
  return renderTable(heads, presets.map((preset) => columns.map(({ value }) => value(preset))), heads.slice(1));
}

function wholeText(preset: Preset): string {
  const { name, description, source, marks, ...rest } = preset;
  const rows = leaves(rest).map(([field, value]) => {
    const mark = marks.find((candidate) => candidate.field === field);
    return [field, value,
      mark === undefined ? "" : [MARKS[mark.origin].text, mark.note].filter((text) => text !== undefined).join(": ")];
  });
  return [wrapWords(`${name}: ${description}`, WIDTH), renderTable(["field", "value", "remark"], rows, [], WIDTH),
    wrapWords(`source: ${source}`, WIDTH)].join("\n");
}

/** Values of nested objects under dotted keys, as text; arrays are not split. */
function leaves(value: object, prefix = ""): [field: string, text: string][] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]): [string, string][] => {
    const field = `${prefix}${key}`;
    if (typeof inner === "object" && inner !== null && !Array.isArray(inner)) return leaves(inner, `${field}.`);
    return [[field, typeof inner === "string" ? inner : JSON.stringify(inner)]];
  });
}

function hasQuirks({ marks }: Preset): boolean {
  return marks.some(({ origin }) => origin === "quirk");
}

function signOf({ marks }: Preset, field: string): string {
  const mark = marks.find((candidate) => candidate.field === field);
  return mark === undefined ? "" : MARKS[mark.origin].sign;
}

function legend(presets: readonly Preset[]): string[] {
  const used = new Set(presets.flatMap(({ marks }) => marks.map(({ origin }) => origin)));
  return Object.entries(MARKS).filter(([origin]) => used.has(origin as PresetMark["origin"]))
    .map(([, { sign, text }]) => `${sign} ${text}`);
}
