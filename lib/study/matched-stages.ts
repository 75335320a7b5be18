import { ReviewKdError } from "../errors.js";
import { listModels } from "../api/model.js";
import { didYouMean } from "../config/nearest-name.js";
import type { ModelInfo } from "../config/schemas/model.js";
import { listed } from "../config/validation.js";

/** Names of the matched stages of two networks, shallow to deep, the same number in each. */
export interface MatchedStages {
  readonly student: string[];
  readonly teacher: string[];
}

/** The stages that distillation matches between two networks of the registry. @throws `UNKNOWN_NAME` */
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
  const message = `invalid ${role}: expected ${listed(valid)}, received "${name}"${didYouMean(name, valid) || "."}`;
  throw new ReviewKdError("UNKNOWN_NAME", message, { valid });
}
