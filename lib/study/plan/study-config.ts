import { z } from "zod";
import { detectorRunDefaults, isDetectorName, withDetectorMethodDefaults } from "../../config/detector-defaults.js";
import { presetSettings } from "../../config/preset-settings.js";
import { mergeSettings } from "../../config/merge-settings.js";
import { isSettings, type Settings } from "../../config/settings.js";
import { DEFAULT_KINDS } from "../../config/schemas/run-config.js";
import { AblationMethod, StagesMethod, StudyConfig, type StudyConfigInput,
  type StudyKind } from "../../config/schemas/study.js";
import { parse } from "../../config/validation.js";
import { gridPoints } from "./grid.js";

/** The method settings that are configurable in each kind of study; all of them for `seeds` and `grid`. */
const METHOD_KEYS: Readonly<Record<StudyKind, readonly string[] | undefined>> = {
  ablation: Object.keys(AblationMethod.shape),
  stages: Object.keys(StagesMethod.shape),
  seeds: undefined,
  grid: undefined,
};

/**
 * Validates the configuration of a study and fills in missing values, first from its preset, then from the defaults.
 *
 * @param what - The name of the configuration in error messages.
 * @throws `CONFIG_INVALID`, `UNKNOWN_NAME` (preset)
 *
 * @example
 * ```ts
 * const config = parseStudyConfig({ kind: "seeds", preset: "resnet56-resnet20", teacher: { name: "resnet56" }, student:
 * { name: "resnet20" } }); ```
 */
export function parseStudyConfig(input: StudyConfigInput | Settings, what = "the study's configuration"): StudyConfig {
  parse(z.string(), what, "name of the configuration");
  const settings = input as Settings;
  const kind = isSettings(settings) ? settings["kind"] : undefined;
  if (typeof kind !== "string" || !Object.hasOwn(METHOD_KEYS, kind))
    return parse(StudyConfig, settings, what, "CONFIG_INVALID");
  const preset = fromPreset(kind as StudyKind, settings, what);
  const { teacher, student } = mergeSettings(preset, settings);
  const name = isSettings(student) ? student["name"] : undefined;
  const { method = {}, ...merged } = mergeSettings(defaults(kind as StudyKind), detectorRunDefaults(name),
    sizesOfTeacher(teacher, student), preset, settings);
  const config = parse(StudyConfig, { ...merged, method: withDetectorMethodDefaults(name, method) }, what,
    "CONFIG_INVALID");
  // Each combination, before the first is trained.
  if (config.kind === "grid") gridPoints(config, what);
  return config;
}

/** A teacher that the study trains resizes images as the student does, unless it has sizes of its own. */
function sizesOfTeacher(teacher: unknown, student: unknown): Settings {
  if (!isSettings(teacher) || !isSettings(student) || teacher["weights"] !== undefined) return {};
  const { detection } = student;
  if (!isDetectorName(teacher["name"]) || !isSettings(detection)) return {};
  const { minSize, maxSize } = detection;
  return minSize === undefined && maxSize === undefined ? {} : { teacher: { detection: { minSize, maxSize } } };
}

function defaults(kind: StudyKind): Settings {
  const { method, ...rest } = DEFAULT_KINDS.distill;
  return METHOD_KEYS[kind] === undefined ? { method, ...rest } : rest;
}

function fromPreset(kind: StudyKind, settings: Settings, what: string): Settings {
  const { method, ...rest } = presetSettings("distill", settings, what);
  const keys = METHOD_KEYS[kind];
  if (keys === undefined || !isSettings(method)) return { method, ...rest };
  return { method: Object.fromEntries(Object.entries(method).filter(([key]) => keys.includes(key))), ...rest };
}
