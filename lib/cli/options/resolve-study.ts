import { existsSync } from "node:fs";
import { join } from "node:path";
import { mergeSettings, parseStudyConfig, readRunConfigInput, ReviewKdError, schemas, type Settings, type StudyConfig,
  type StudyKind } from "../../index.js";
import { omitUndefined } from "./omit-undefined.js";
import { requireBackbone, requireData, requirePair } from "./resolve-run.js";

/** Validates the settings of an existing study < preset < configuration file < flags. */
export async function resolveStudy(kind: StudyKind,
  flags: { readonly study?: string; readonly config?: string; readonly preset?: string },
  settings: Settings): Promise<{ readonly config: StudyConfig; readonly directory: string }> {
  const config = await studyConfig({ kind }, flags, settings);
  return { config,
    directory: flags.study ?? join("runs", `study-${kind}-${config.student.name}-from-${config.teacher.name}`) };
}

/** The same for a study in a directory, whose kind a flag, the configuration file or the directory names. */
export async function resolvePlan(
  flags: { readonly study: string; readonly kind?: StudyKind; readonly config?: string; readonly preset?: string },
  settings: Settings,
): Promise<StudyConfig> {
  return studyConfig(omitUndefined({ kind: flags.kind }), flags, settings);
}

async function studyConfig({ kind }: { readonly kind?: StudyKind },
  flags: { readonly study?: string; readonly config?: string; readonly preset?: string },
  settings: Settings): Promise<StudyConfig> {
  const layers: Settings[] = kind === undefined ? [] : [{ kind }];
  const recorded = flags.study === undefined ? undefined : join(flags.study, "study.json");
  if (recorded !== undefined && existsSync(recorded)) layers.push(await fileSettings(kind, recorded));
  if (flags.config !== undefined) layers.push(await fileSettings(kind, flags.config));
  const merged = mergeSettings(...layers, omitUndefined({ preset: flags.preset }), settings);
  if (merged["kind"] === undefined)
    throw new ReviewKdError("CONFIG_INVALID",
      `missing --kind: no study at ${flags.study ?? "any directory"}. To plan one, pass one of ${schemas.StudyKind.options.join(", ")}, or a --config that names it; to see another one, its directory.`);
  requirePair(merged);
  requireBackbone(merged);
  requireData(merged);
  requireVary(merged);
  return parseStudyConfig(merged);
}

function requireVary({ kind, vary }: Settings): void {
  if (kind !== "grid" || vary !== undefined) return;
  throw new ReviewKdError("CONFIG_INVALID",
    "missing --vary PATH=VALUE,… Pass a setting and its values, such as --vary method.weight=0.5,1,2; several make all combinations.");
}

async function fileSettings(kind: StudyKind | undefined, path: string): Promise<Settings> {
  const settings = await readRunConfigInput(path);
  const other = settings["kind"] ?? kind;
  if (kind === undefined || other === kind) return settings;
  throw new ReviewKdError("CONFIG_INVALID",
    `invalid kind of study in ${path}: expected "${kind}", received ${JSON.stringify(other)}. Pass another --study to \`reviewkd study ${kind}\`, or use the command of that kind.`);
}
