import { z } from "zod";
import { withDetectorMethodDefaults } from "../../config/detector-defaults.js";
import { mergeSettings } from "../../config/merge-settings.js";
import { nearestName } from "../../config/nearest-name.js";
import { Method } from "../../config/schemas/method.js";
import { NetworkConfig } from "../../config/schemas/run-config.js";
import type { StudyConfig } from "../../config/schemas/study.js";
import { TrainingOptions, withEnd } from "../../config/schemas/training.js";
import { isSettings, type Settings } from "../../config/settings.js";
import { innerKeys, parse } from "../../config/validation.js";
import { ReviewKdError } from "../../errors.js";

type GridConfig = Extract<StudyConfig, { kind: "grid" }>;

/** The parts of a cell's configuration that a grid varies. */
const Varied = z.strictObject({
  method: Method,
  student: NetworkConfig,
  training: withEnd(TrainingOptions.omit({ seed: true })),
});

/** A combination of values, or the part of one that affects the student alone. */
interface Combination {
  /** Valid as a part of a directory name, and unique in its study; empty without settings. */
  readonly id: string;
  readonly label: string;
  readonly settings: Settings;
}

/** One combination of a grid with the configuration that it makes. */
export interface GridPoint extends Combination, z.output<typeof Varied> {
  /** The part that affects the student alone. */
  readonly alone: Combination;
}

/** A bound for mistakes: each further list multiplies the cells. */
const MOST_POINTS = 10_000;

/** Settings of the distillation alone: a student that is trained on labels has the same bits with any value. */
const OF_DISTILLATION = /^(?:method\.|training\.teacherPrecision$)/;

/**
 * All combinations of the values of a grid, the last setting changing fastest.
 *
 * @param what - The name of the configuration in error messages.
 * @throws `CONFIG_INVALID`: a setting does not exist or cannot be varied, or a combination is not valid.
 */
export function gridPoints(config: GridConfig, what = "the study's configuration"): readonly GridPoint[] {
  const { vary, method, student, training } = config;
  const paths = Object.keys(vary);
  for (const path of paths) assertVariable(path, config, what);
  const count = Object.values(vary).reduce((product, values) => product * values.length, 1);
  if (count > MOST_POINTS) {
    throw invalid(`vary in ${what}`, `at most ${MOST_POINTS} combinations`, String(count),
      "Vary fewer settings, or fewer values of each.");
  }
  const names = shortNames(paths);
  return combinations(vary).map((settings, index) => {
    const combination = describe(settings, names, index);
    const merged = mergeSettings({ method, student, training }, ...Object.entries(settings).map(nested));
    const name = isSettings(merged["student"]) ? merged["student"]["name"] : undefined;
    const own = parse(Varied, { ...merged, method: withDetectorMethodDefaults(name, merged["method"]) },
      `${what} with ${combination.label}`, "CONFIG_INVALID");
    const ofStudent = Object.fromEntries(Object.entries(settings).filter(([path]) => !OF_DISTILLATION.test(path)));
    return { ...combination, ...own, alone: describe(ofStudent, names, index) };
  });
}

/** Paths that exist and change what is trained. */
function variablePaths(): string[] {
  return innerKeys(Varied).filter((path) => !isResumable(path));
}

/** Settings of the machine and of saving: all their values give the same results. */
function isResumable(path: string): boolean {
  const [part, key = ""] = path.split(".");
  const schema = part === "training" ? (TrainingOptions.shape as Readonly<Record<string, z.ZodType>>)[key] : undefined;
  return schema?.meta()?.["resumable"] === true;
}

function assertVariable(path: string, { linearScaling }: GridConfig, what: string): void {
  const place = `vary in ${what}`;
  if (isResumable(path) || path === "training.seed") {
    throw invalid(place, "settings that change what is trained", `"${path}"`,
      path === "training.seed" ? "Pass seeds instead." : "All its values give the same results; leave it out.");
  }
  const paths = variablePaths();
  if (!paths.includes(path)) {
    const meant = paths.find((each) => each.endsWith(`.${path}`)) ?? nearestName(path, paths) ??
      nearestPath(path, paths);
    throw new ReviewKdError("CONFIG_INVALID",
      `invalid ${place}: expected paths of method, student or training, such as method.weight, received "${path}".${meant === undefined ? "" : ` Did you mean "${meant}"?`}`, { valid: paths });
  }
  if (linearScaling === true && /^training\.(?:batchSize|accumulateBatches)$/.test(path)) {
    throw invalid(place, "no sizes of batches, whose learning rates linearScaling has set already", `"${path}"`,
      "Vary training.optimizer.learningRate as well and leave linearScaling out.");
  }
}

/** The path whose last key is closest, in the same part of the configuration if possible. */
function nearestPath(path: string, paths: readonly string[]): string | undefined {
  const lastKey = (each: string): string => each.slice(each.lastIndexOf(".") + 1);
  const near = (candidates: readonly string[]): string | undefined => {
    const key = nearestName(lastKey(path), candidates.map(lastKey));
    return candidates.find((each) => lastKey(each) === key);
  };
  return near(paths.filter((each) => each.split(".")[0] === path.split(".")[0])) ?? near(paths);
}

function invalid(place: string, expected: string, received: string, fix: string): ReviewKdError {
  return new ReviewKdError("CONFIG_INVALID", `invalid ${place}: expected ${expected}, received ${received}. ${fix}`);
}

function combinations(vary: GridConfig["vary"]): Settings[] {
  return Object.entries(vary).reduce<Settings[]>(
    (all, [path, values]) => all.flatMap((settings) => values.map((value) => ({ ...settings, [path]: value }))),
    [{}],
  );
}

/** A value as settings at its dotted path. */
function nested([path, value]: readonly [string, unknown]): Settings {
  return path.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Settings;
}

/** The last key of each path, or the whole path where two have the same. */
function shortNames(paths: readonly string[]): ReadonlyMap<string, string> {
  const last = (path: string): string => path.slice(path.lastIndexOf(".") + 1);
  return new Map(paths.map((path) => {
    const isUnique = paths.filter((other) => last(other) === last(path)).length === 1;
    return [path, isUnique ? last(path) : path];
  }));
}

/** Directory names may have 255 bytes on most systems, and a cell's has its seed behind it. */
const LONGEST_ID = 120;

function describe(settings: Settings, names: ReadonlyMap<string, string>, index: number): Combination {
  const parts = Object.entries(settings).map(([path, value]) => ({ name: names.get(path) ?? path,
    text: typeof value === "string" ? value : JSON.stringify(value) })
  );
  const id = parts.map(({ name, text }) => `${name}-${text}`).join("_");
  const isName = Object.values(settings).every(isNamePart) && id.length <= LONGEST_ID;
  return { id: isName ? id : `grid-${index + 1}`, settings,
    label: parts.map(({ name, text }) => `${name} ${text.length > 40 ? `${text.slice(0, 39)}…` : text}`).join(", ") };
}

/** Whether a value can be a part of a directory name, on a system without capitals too, that no other value has. */
function isNamePart(value: unknown): boolean {
  if (typeof value === "string") return /^[a-z][a-z0-9.+-]*$/.test(value) && !["true", "false", "null"].includes(value);
  return typeof value !== "object" || value === null;
}
