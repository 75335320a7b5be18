import { existsSync } from "node:fs";
import { join } from "node:path";
import { mergeSettings, parseStudyConfig, readRunConfigInput, ReviewKdError, type Settings, type StudyConfig,
  type StudyKind } from "../../index.js";
import { omitUndefined } from "./omit-undefined.js";
import { requireBackbone, requireData, requirePair } from "./resolve-run.js";

/** Validates the settings of an existing study < preset < configuration file < flags. */
export async function resolveStudy(kind: StudyKind,
  flags: { readonly study?: string; readonly config?: string; readonly preset?: string },
  settings: Settings): Promise<{ readonly config: StudyConfig; readonly directory: string }> {
  const layers: Settings[] = [{ kind }];
  const recorded = flags.study === undefined ? undefined : join(flags.study, "study.json");
  if (recorded !== undefined && existsSync(recorded)) layers.push(await fileSettings(kind, recorded));
  if (flags.config !== undefined) layers.push(await fileSettings(kind, flags.config));
  const merged = mergeSettings(...layers, omitUndefined({ preset: flags.preset }), settings);
  requirePair(merged);
  requireBackbone(merged);
  requireData(merged);
  const config = parseStudyConfig(merged);
  return { config,
    directory: flags.study ?? join("runs", `study-${kind}-${config.student.name}-from-${config.teacher.name}`) };
}

async function fileSettings(kind: StudyKind, path: string): Promise<Settings> {
  const settings = await readRunConfigInput(path);
  const other = settings["kind"] ?? kind;
  if (other === kind) return settings;
  throw new ReviewKdError("CONFIG_INVALID",
    `invalid kind of study in ${path}: expected "${kind}", received ${JSON.stringify(other)}. Pass another --study to \`reviewkd study ${kind}\`, or use the command of that kind.`);
}
