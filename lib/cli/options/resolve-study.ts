import { existsSync } from "node:fs";
import { join } from "node:path";
import { mergeSettings, parseStudyConfig, readRunConfigInput, ReviewKdError, type Settings, type StudyConfig, type StudyKind } from "../../index.js";
import { omitUndefined } from "./omit-undefined.js";
import { demandData, demandPair } from "./resolve-run.js";

/** A checked study, and where it is kept. */
export interface ResolvedStudy {
  readonly config: StudyConfig;
  readonly directory: string;
}

/**
 * Lays the sources of settings over each other, preset < configuration file < flags, and has the schema judge the whole. A study
 * that was begun brings its own configuration, below the others: so `--study DIR` says everything.
 *
 * @throws CONFIG_INVALID, UNKNOWN_NAME, FILE_NOT_FOUND, FILE_ACCESS, FILE_UNSUPPORTED
 */
export async function resolveStudy(
  kind: StudyKind, flags: { readonly study?: string; readonly config?: string; readonly preset?: string }, settings: Settings,
): Promise<ResolvedStudy> {
  const layers: Settings[] = [{ kind }];
  const recorded = flags.study === undefined ? undefined : join(flags.study, "study.json");
  if (recorded !== undefined && existsSync(recorded)) layers.push(await fileSettings(kind, recorded));
  if (flags.config !== undefined) layers.push(await fileSettings(kind, flags.config));
  const merged = mergeSettings(...layers, omitUndefined({ preset: flags.preset }), settings);
  demandPair(merged);
  demandData(merged);
  const config = parseStudyConfig(merged);
  return { config, directory: flags.study ?? join("runs", `study-${kind}-${config.student.name}-from-${config.teacher.name}`) };
}

async function fileSettings(kind: StudyKind, path: string): Promise<Settings> {
  const settings = await readRunConfigInput(path);
  const other = settings["kind"] ?? kind;
  if (other === kind) return settings;
  throw new ReviewKdError(
    "CONFIG_INVALID",
    `expected the configuration of a study of kind "${kind}" for \`reviewkd study ${kind}\`, got ${JSON.stringify(other)} in ${path}`,
  );
}
