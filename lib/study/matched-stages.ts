import { ReviewKdError } from "../errors.js";
import { listModels } from "../model.js";
import { didYouMean } from "../nearest-name.js";
import type { ModelInfo } from "../schemas/model.js";
import { listed } from "../validation.js";

/** Names of the deepest stages that two networks have in common, as many in each, shallow to deep. */
export interface MatchedStages {
  readonly student: string[];
  readonly teacher: string[];
}

/**
 * The stages that distillation matches between two networks of the registry.
 *
 * @throws `UNKNOWN_NAME`: there is no such network; `valid` lists them.
 */
export function matchedStages(student: string, teacher: string): MatchedStages {
  const [ofStudent, ofTeacher] = [modelInfo(student, "student").features, modelInfo(teacher, "teacher").features];
  const count = Math.min(ofStudent.length, ofTeacher.length);
  const names = (features: ModelInfo["features"]): string[] => features.slice(-count).map(({ name }) => name);
  return { student: names(ofStudent), teacher: names(ofTeacher) };
}

function modelInfo(name: string, role: string): ModelInfo {
  const models = listModels();
  const found = models.find((candidate) => candidate.name === name);
  if (found !== undefined) return found;
  const valid = models.map((candidate) => candidate.name);
  throw new ReviewKdError("UNKNOWN_NAME", `expected ${listed(valid)} for the ${role}, got "${name}"${didYouMean(name, valid)}`, { valid });
}
