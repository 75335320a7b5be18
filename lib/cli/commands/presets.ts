import type { Command } from "commander";
import { findPreset, listPresets, type Preset, type PresetMark } from "../../index.js";
import { renderTable } from "../display/table.js";
import { addAction } from "../options/add-value.js";

/** Signs for values that are less certain than the rest, with their meaning. */
const MARKS: Readonly<Record<PresetMark["origin"], { readonly sign: string; readonly text: string }>> = {
  memory: { sign: "*", text: "quoted from memory" },
  "re-run": { sign: "†", text: "from an independent re-run" },
  ours: { sign: "‡", text: "not published; chosen for this package" },
};

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

const COLUMNS = ["preset", "weight", "epochs", "batch", "rate", "teacher %", "student %", "review %", "re-run %"];

function listText(presets: readonly Preset[]): string {
  const rows = presets.map((preset) => {
    const { name, method, training, published } = preset;
    const marked = (field: string, value: string): string => value + signOf(preset, field);
    const figure = (key: keyof NonNullable<Preset["published"]>): string =>
      published?.[key] === undefined ? "" : marked(`published.${key}`, published[key].toFixed(2));
    return [
      name,
      // If a preset is for any pair, its weight is only the default; a sum has one weight per term.
      published === undefined || !("weight" in method) ? "" : marked("method.weight", String(method.weight)),
      marked("training.epochs", String(training.epochs)),
      marked("training.batchSize", String(training.batchSize)),
      marked("training.optimizer.learningRate", String(training.optimizer.learningRate)),
      ...(["teacher", "student", "review", "rerun"] as const).map(figure),
    ];
  });
  return [
    renderTable(COLUMNS, rows, COLUMNS.slice(1)),
    "top-1 of teacher and student alone, and of the student with this teacher; values without a sign are as published",
    ...legend(presets),
    "`reviewkd presets NAME` shows one in full, `reviewkd distill --preset NAME` runs it",
  ].join("\n");
}

function wholeText(preset: Preset): string {
  const { name, description, source, marks, ...rest } = preset;
  const rows = leaves(rest).map(([field, value]) => {
    const mark = marks.find((candidate) => candidate.field === field);
    return [field, value,
      mark === undefined ? "" : [MARKS[mark.origin].text, mark.note].filter((text) => text !== undefined).join(": ")];
  });
  return [`${name}: ${description}`, renderTable(["field", "value", "remark"], rows), `source: ${source}`].join("\n");
}

/** Values of nested objects under dotted keys, as text; arrays are not split. */
function leaves(value: object, prefix = ""): [field: string, text: string][] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]): [string, string][] => {
    const field = `${prefix}${key}`;
    if (typeof inner === "object" && inner !== null && !Array.isArray(inner)) return leaves(inner, `${field}.`);
    return [[field, typeof inner === "string" ? inner : JSON.stringify(inner)]];
  });
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
